"""The main job on judged replies: from pairs or thumbs to a verdict."""

import json

import pytest
from command import run, whet
from reading import Reader

from whet.data.judged import Judged
from whet.evals.stats import mean_interval
from whet.tune.preferring import _by_group, _longer, _sentence, _thumbs
from whet.types import Tokens

QUICK = [
    "model.dtype=float32", "adapter.r=4", "optim.lr=0.01", "optim.steps=12", "optim.rows=8", "eval.resamples=400",
]  # fmt: skip


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def pairs_file(tmp_path_factory):
    rows = [
        {"prompt": f"say {at}", "chosen": f"{at} yes please", "rejected": f"no {at} {'never ' * (at % 4)}"}
        for at in range(120)
    ]
    return write(tmp_path_factory.mktemp("pairs") / "pairs.jsonl", rows)


def test_pairs_are_recognised_learned_and_judged_on_held_out_pairs(tiny, pairs_file, tmp_path):
    done = whet("tune", pairs_file, "--out", tmp_path / "run", f"model.name={tiny}", "--json", *QUICK)
    found = json.loads(done.stdout)
    assert found["verdict"]["metric"] == "agreement"
    assert set(found["contenders"]) == {"chance", "length", "start", "start_whole", "tuned"}
    assert found["contenders"]["tuned"]["agreement"]["value"] > 0.9
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["moved"]["better"] > report["moved"]["worse"]
    steps = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert steps[0]["loss"] == pytest.approx(0.6931, abs=1e-3)  # the model is its own reference
    assert {"accuracy", "margin", "better", "worse", "length"} <= set(steps[-1])
    shown = Reader((tmp_path / "run" / "report.html").read_text()).all()
    assert "the model before tuning, by the likelihood of the whole reply" in shown
    assert "Of held-out replies the better gained" in shown


def test_thumbs_are_recognised_and_learned_by_kto(tiny, tmp_path):
    rows = [
        {"prompt": f"say {at}", "completion": f"{at} yes" if at % 2 else f"no {at}", "label": bool(at % 2)}
        for at in range(120)
    ]
    file = write(tmp_path / "thumbs.jsonl", rows)
    done = whet("tune", file, "--out", tmp_path / "run", f"model.name={tiny}", "--json", *QUICK)
    assert json.loads(done.stdout)["contenders"]["tuned"]["agreement"]["value"] > 0.7
    steps = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert "moved" in steps[-1]


@pytest.mark.parametrize("name", ["simpo", "orpo", "cpo", "ranking", "kto"])
def test_every_method_learns_from_pairs(tiny, pairs_file, tmp_path, name):
    whet("train", pairs_file, "--out", tmp_path / "run", f"model.name={tiny}", f"method.name={name}", *QUICK)
    evals = [json.loads(line)["loss"] for line in (tmp_path / "run" / "evals.jsonl").read_text().splitlines()]
    assert evals[-1] < evals[0]
    assert (tmp_path / "run" / "model" / "adapter_model.safetensors").is_file()


def test_what_the_reference_said_is_asked_once_and_kept_with_every_run(tiny, pairs_file, tmp_path):
    settings = [f"model.name={tiny}", "adapter.kind=full", *QUICK, "adapter.r=null", "optim.lr=0.001", "seed=3"]
    losses, asked = [], []
    for name in ("one", "two"):
        done = whet("train", pairs_file, "--out", tmp_path / name, *settings, "data.max_tokens=300")
        lines = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        losses.append([json.loads(line)["loss"] for line in lines])
        asked.append("asking the reference" in done.stderr)
        assert (tmp_path / name / "reference.json").is_file()
    assert losses[0] == losses[1]
    assert not asked[1]


def test_a_judge_compares_the_replies_with_those_before_tuning(tiny, pairs_file, tmp_path):
    settings = [f"model.name={tiny}", f"eval.judge={tiny}", "eval.limit=6", "eval.max_tokens=4", *QUICK]
    done = whet("tune", pairs_file, "--out", tmp_path / "run", "--json", *settings)
    judged = json.loads(done.stdout)["judged"]
    assert set(judged["against"]) == {"start"}
    assert judged["sentences"][0] in Reader((tmp_path / "run" / "report.html").read_text()).all()
    assert len((tmp_path / "run" / "replies" / "start.jsonl").read_text().splitlines()) == 1 + 6


def test_all_weights_learn_from_rows_that_no_run_has_met(tiny, tmp_path):
    rows = [{"prompt": f"met {at} never", "chosen": f"{at} yes", "rejected": f"{at} no"} for at in range(40)]
    file = write(tmp_path / "new.jsonl", rows)
    whet("train", file, "--out", tmp_path / "run", f"model.name={tiny}", "adapter.kind=full", "optim.steps=2")
    steps = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert steps[0]["loss"] == pytest.approx(0.6931, abs=1e-3)  # what the reference said was asked, and is the model's


def test_a_shorter_reply_may_be_what_people_preferred_in_training():
    def rows(*lengths):
        return tuple(Tokens((1,) * (2 + size), (0.0, 0.0, *[1.0] * size)) for size in lengths)

    assert not _longer([Judged(rows(3, 9), (1.0, 0.0)), Judged(rows(4, 5), (1.0, 0.0))])
    assert _longer([Judged(rows(9, 3), (1.0, 0.0))])
    assert not _longer([Judged(rows(3), (1.0,)), Judged(rows(9), (0.0,))])  # thumbs
    scored = [Judged(tuple(Tokens(row.ids, (*[0.0] * (len(row.ids) - 1), 1.0)) for row in rows(3, 9)), (1.0, 0.0))]
    assert not _longer(scored)


def test_prompts_of_one_user_count_together(tiny, tmp_path):
    rows = [
        {"prompt": f"say {at}", "chosen": f"{at} yes", "rejected": f"no {at}", "user_id": f"u{at % 20}"}
        for at in range(120)
    ]
    file = write(tmp_path / "pairs.jsonl", rows)
    whet("tune", file, "--out", tmp_path / "run", f"model.name={tiny}", *QUICK, "optim.lr=0.0001")
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    start = report["contenders"]["start"]["metrics"]["agreement"]
    alone = mean_interval(report["scores"]["start"], resamples=400)
    assert (start["low"], start["high"]) != (alone.low, alone.high)


def test_other_grades_are_other_rows(tiny, tmp_path):
    rows = [{"prompt": f"say {at}", "completion": f"{at} yes", "label": at % 2 == 0} for at in range(60)]
    settings = [f"model.name={tiny}", "optim.steps=4", *QUICK[:3]]
    file = write(tmp_path / "thumbs.jsonl", rows)
    whet("train", file, "--out", tmp_path / "run", *settings)
    first = json.loads((tmp_path / "run" / "fingerprint.json").read_text())["training rows"]
    write(file, [{**row, "label": not row["label"]} for row in rows])
    whet("train", file, "--out", tmp_path / "other", *settings)
    assert json.loads((tmp_path / "other" / "fingerprint.json").read_text())["training rows"] != first


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["eval.slices=area"], "eval.slices: has no say where judged replies are learned from"),
        (["method.name=reward", "eval.panel=[x]"], "error"),
    ],
)
def test_settings_that_would_not_be_heard_are_named_before_training(tiny, pairs_file, tmp_path, settings, said):
    done = run("tune", pairs_file, "--out", tmp_path / "run", f"model.name={tiny}", *QUICK, *settings)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "training:" not in done.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["method.gamma=1"], "method.gamma: has no say with dpo"),
        (["method.loss=ipo", "method.label_smoothing=0.1"], "method.label_smoothing (with loss=ipo)"),
        (["data.train_on=all", "optim.order=given"], "optim.order: has no say with dpo"),
        (["data.overlong=split"], "data.overlong=split"),
        (["method.name=kto", "method.length_normalised=true"], "method.length_normalised: has no say with kto"),
        (["method.name=sft"], "to learn the preferred replies alone: whet data convert"),
        (["data.mix=[{path: PAIRS, share: 0.5}]"], "data.mix: only answers can be mixed in"),
    ],
)
def test_what_cannot_be_learned_from_pairs_is_said(tiny, pairs_file, tmp_path, settings, said):
    settings = [one.replace("PAIRS", str(pairs_file)) for one in settings]
    done = run("train", pairs_file, "--out", tmp_path / "run", f"model.name={tiny}", *QUICK, *settings)
    assert done.returncode == 2
    assert said in done.stderr


def test_pairs_and_answers_beside_each_other_are_refused(tiny, pairs_file, tmp_path):
    other = write(tmp_path / "answers.jsonl", [{"prompt": f"say {at}", "completion": f"{at}"} for at in range(9)])
    done = run("tune", pairs_file, "--test", other, "--out", tmp_path / "run", f"model.name={tiny}", *QUICK)
    assert done.returncode == 1
    assert "holds answers and preferences beside each other" in done.stderr


def group(*grades):
    return Judged(tuple(Tokens((1, 2), (0.0, 1.0)) for _ in grades), grades)


def test_agreement_counts_pairs_by_group_and_half_for_a_tie():
    assert _by_group([group(1.0, 0.0), group(2.0, 1.0, 0.0)], [5.0, 4.0, 3.0, 3.0, 9.0]) == [1.0, pytest.approx(1 / 6)]


def test_of_thumbs_as_many_are_called_good_as_people_did():
    groups = [group(1.0), group(0.0), group(1.0), group(0.0)]
    assert _thumbs(groups, [9.0, 8.0, 1.0, 0.0]) == [1.0, 0.0, 0.0, 1.0]
    assert _thumbs(groups, [1.0, 1.0, 1.0, 1.0]) == [0.5, 0.5, 0.5, 0.5]


def test_displacement_is_told_with_the_way_out():
    assert "displacement" in _sentence({"better": -1.0, "worse": -9.0})
    assert "displacement" not in _sentence({"better": 0.5, "worse": -9.0})
    assert _sentence({"better": 0.5}) == ""
