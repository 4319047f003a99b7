"""A teacher beside the model that learns: opened or refused, counted, and gone on with to the bit."""

import json
import shutil

import pytest
import torch
from command import run, whet
from conftest import Quiet, make_model, make_tokenizer, write_rows

from whet.config.load import dump, load
from whet.config.tree import Adapter, Optim
from whet.data.render import Renderer
from whet.errors import DriftError, FitError, Interrupted, UsageError
from whet.models.batch import collate
from whet.models.kl import Gap
from whet.models.load import load as load_model
from whet.models.policy import Policy
from whet.models.taught import Taught
from whet.runs.store import create
from whet.train.prepare import prepare
from whet.train.room import measure
from whet.train.stop import Stop
from whet.train.teacher import Teacher, _weights, demand_room, open_teacher
from whet.train.train import train
from whet.types import Tokens

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher")
    make_tokenizer(folder)
    make_model(folder, seed=3, hidden_size=48)
    return folder


def settings(tiny, teacher, *more):
    return [
        f"model.name={tiny}", "model.dtype=float32", "adapter.r=4", "optim.rows=4", "optim.steps=6", "optim.lr=0.01",
        "save.every=2", "eval.every=3", "method.name=distil", f"method.teacher={teacher}", *more,
    ]  # fmt: skip


def go(folder, chosen, stop=None, **options):
    begun = folder if not isinstance(folder, type(folder / "x")) else create("train", dump(chosen), folder)
    torch.set_num_threads(1)
    train(chosen, begun, prepare(chosen, Quiet()), Quiet(), stop or Stop(), **options)
    return begun


class StopAfter(Stop):
    """Is asked to stop once so many micro-batches were begun."""

    def __init__(self, count):
        super().__init__()
        self.count = count

    def check(self, where):
        self.count -= 1
        if self.count < 0:
            raise Interrupted(where)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_run_that_was_stopped_goes_on_to_the_bit(tiny, teacher, tmp_path, share):
    rows = write_rows(tmp_path / "rows.jsonl")
    given = [f"data.train={rows}", f"method.on_policy={share}", *(["method.longest=8"] if share else [])]
    chosen = load(None, settings(tiny, teacher, *given))
    whole = go(tmp_path / "whole", chosen)
    parted = create("train", dump(chosen), tmp_path / "parted")
    with pytest.raises(Interrupted):
        train(chosen, parted, prepare(chosen, Quiet()), Quiet(), StopAfter(20 if share else 4))
    assert 0 < len(list(parted.read("metrics"))) < 6
    train(chosen, parted, prepare(chosen, Quiet()), Quiet(), Stop())
    for name in ("metrics", "evals"):
        one, other = ([{**row, "time": 0} for row in each.read(name)] for each in (whole, parted))
        assert one == other
    files = [each.path / "model/adapter_model.safetensors" for each in (whole, parted)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_another_teacher_is_noticed_when_a_run_goes_on(tiny, teacher, tmp_path):
    other = tmp_path / "teacher"
    shutil.copytree(teacher, other)
    rows = write_rows(tmp_path / "rows.jsonl")
    chosen = load(None, settings(tiny, other, f"data.train={rows}"))
    begun = create("train", dump(chosen), tmp_path / "run")
    with pytest.raises(Interrupted):
        train(chosen, begun, prepare(chosen, Quiet()), Quiet(), StopAfter(4))
    make_model(other, seed=4)
    with pytest.raises(DriftError, match="teacher: was"):
        train(chosen, begun, prepare(chosen, Quiet()), Quiet(), Stop())


def test_what_a_teacher_takes_is_counted_and_refused_where_it_does_not_fit(tiny, teacher):
    policy = Taught.trained(load_model(tiny, torch.float32, CPU), Adapter(r=4), seed=0, autocast=False)
    alone = measure(policy, Optim())
    policy.listen(open_teacher(Teacher(str(teacher), 512, ""), CPU, torch.float32), Gap())
    beside = measure(policy, Optim())
    # In its pass a token takes at least the teacher's gate, up and their product.
    assert beside.kept - alone.kept > 4 * 3 * 64
    weights = sum(one.numel() for one in load_model(teacher, torch.float32, CPU).parameters())
    assert _weights(teacher) == weights
    demand_room("big", 79.0, 100)
    with pytest.raises(FitError, match=r"method\.teacher: the weights of big take.*whet data make distil"):
        demand_room("big", 81.0, 100)


def test_a_teacher_never_trains_and_reads_what_the_student_reads(tiny, teacher):
    policy = Taught.trained(load_model(tiny, torch.float32, CPU), Adapter(r=4), seed=0, autocast=False)
    beside = Policy(load_model(teacher, torch.float32, CPU))
    batch = collate([Tokens((1, 2, 3, 4), (0.0, 0.0, 1.0, 1.0))])
    alone = policy.work(batch)
    policy.listen(beside, Gap())
    assert policy.work(batch) == alone + beside.work(batch) / 2
    assert not any(weight.requires_grad for weight in beside.model.parameters())
    assert not beside.model.training
    beside.packs = False
    policy.listen(beside, Gap())
    assert not policy.packs


QUICK = ["model.dtype=float32", "optim.rows=8", "optim.lr=0.02", "eval.resamples=400", "eval.limit=10"]


@pytest.fixture(scope="module")
def tuned(tiny, tmp_path_factory):
    """Rows, and a run that has learned them."""
    folder = tmp_path_factory.mktemp("tuned")
    rows = write_rows(folder / "rows.jsonl", 120)
    whet("train", rows, "--out", folder / "run", f"model.name={tiny}", *QUICK, "adapter.r=8", "optim.steps=60")
    return rows, folder / "run"


def test_a_run_teaches_its_own_base_and_the_report_says_how_much_of_the_gap_is_closed(tiny, tuned, tmp_path):
    rows, teacher = tuned
    done = whet(
        "tune", rows, "--out", tmp_path / "run", "--json", f"model.name={tiny}", *QUICK, "adapter.r=8",
        "optim.steps=25", "eval.max_tokens=8", "method.name=distil", f"method.teacher={teacher}",
        "method.divergence=jsd", "method.sft=0.1",
        "eval.contenders=zero_shot,tuned", "eval.scorers=chrf",
    )  # fmt: skip
    result = json.loads(done.stdout.splitlines()[-1])
    assert set(result["contenders"]) == {"zero_shot", "tuned", "teacher"}
    assert result["verdict"]["baseline"] == "zero_shot"  # a teacher is no rival
    gap = result["distilled"]
    means = {name: result["contenders"][name]["chrf"]["value"] for name in ("teacher", "zero_shot", "tuned")}
    assert {name: gap[name] for name in means} == pytest.approx(means)
    if gap["closed"]:
        share = (means["tuned"] - means["zero_shot"]) / (means["teacher"] - means["zero_shot"])
        assert gap["closed"]["value"] == pytest.approx(share)
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert {row["against"] for row in report["comparisons"]} == {"zero_shot", "teacher"}
    page = (tmp_path / "run" / "report.html").read_text()
    assert gap["sentence"] in page
    assert gap["sentence"] in done.stderr
    assert "the model that it learned from" in page
    steps = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert {"divergence", "log_loss"} <= set(steps[0])
    assert steps[-1]["divergence"] < 0.5 * steps[0]["divergence"]


def test_raw_text_is_distilled_too(tiny, teacher, tmp_path):
    file = tmp_path / "text.jsonl"
    file.write_text("".join(json.dumps({"text": f"line {at * at} says {at}, no more"}) + "\n" for at in range(60)))
    given = settings(tiny, teacher, "eval.resamples=400", "optim.steps=2")
    done = whet("tune", file, "--out", tmp_path / "run", "--json", *given)
    result = json.loads(done.stdout.splitlines()[-1])
    assert set(result["contenders"]) == {"zero_shot", "tuned", "teacher"}
    assert "teacher" in result["distilled"]["sentence"]
    done = run("train", file, "--out", tmp_path / "other", *given, "method.on_policy=0.5")
    assert "method.on_policy: raw text asks nothing" in done.stderr


def test_other_tokens_are_refused_with_the_way_out(tiny, teacher, tmp_path, renderer):
    rows = write_rows(tmp_path / "rows.jsonl")
    other = tmp_path / "other"
    shutil.copytree(teacher, other)
    text = (other / "tokenizer.json").read_text()
    (other / "tokenizer.json").write_text(text.replace('"A": 35', '"A": 36').replace('"B": 36', '"B": 35'))
    assert Renderer(other).tokenizer.get_vocab() != renderer.tokenizer.get_vocab()
    chosen = load(None, settings(tiny, other, f"data.train={rows}"))
    with pytest.raises(UsageError, match=r"other tokens than .*whet data make distil"):
        prepare(chosen, Quiet())
    settled = json.loads((teacher / "tokenizer_config.json").read_text())
    shutil.copy(teacher / "tokenizer.json", other / "tokenizer.json")
    (other / "tokenizer_config.json").write_text(json.dumps({**settled, "eos_token": "<|endoftext|>"}))
    with pytest.raises(UsageError, match="its answers end with"):
        prepare(chosen, Quiet())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["method.teacher=null"], "method.teacher: name whom to learn from"),
        (["method.teacher=http://localhost:1/v1#big"], "a server does not tell how likely every token is"),
        (["method.teacher=nobody"], "'nobody' is no directory"),
        (["method.mix=0.3"], "method.mix (without method.divergence=jsd): has no say with distil"),
        (["method.longest=9"], "method.longest (without method.on_policy): has no say with distil"),
        (["method.beta=0.3"], "method.beta: has no say with distil"),
        (["method.name=sft"], "method.teacher: has no say with sft"),
        (["method.on_policy=1", "method.longest=511"], "no question leaves room for a reply of 511 tokens"),
    ],
    ids=lambda one: one[0] if isinstance(one, list) else None,
)
def test_what_cannot_be_is_said(tiny, teacher, tmp_path, given, said):
    rows = write_rows(tmp_path / "rows.jsonl")
    done = run("train", rows, "--out", tmp_path / "run", *settings(tiny, teacher, *given))
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_answers_of_a_teacher_can_be_learned_instead(tiny, tuned, tmp_path):
    rows, teacher = tuned
    made = tmp_path / "made.jsonl"
    whet("data", "make", "distil", rows, "--with", teacher, "--temperature", 0, "--out", made)
    lines = [json.loads(line) for line in made.read_text().splitlines()]
    assert len(lines) > 15
    assert all(line["messages"][-1]["role"] == "assistant" for line in lines)
    whet("train", made, "--out", tmp_path / "run", f"model.name={tiny}", *QUICK, "adapter.r=4", "optim.steps=2")
