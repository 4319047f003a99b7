"""The main job on a tiny model: one command, a verdict, and everything the report needs."""

import csv
import json
import shutil
import signal
import time
from pathlib import Path

import command
import numpy as np
import pytest
import torch
from conftest import write_rows
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from whet.evals.verdict import judge
from whet.runs.run import Run

QUICK = ["model.dtype=float32", "adapter.r=4", "optim.lr=0.02", "optim.steps=30", "optim.rows=8", "eval.resamples=400"]


def whet(*arguments, check=True, **options):
    done = command.run(*arguments, **options)
    assert not check or done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def tuned(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuned")
    rows = write_rows(folder / "rows.jsonl", 160)
    done = whet("tune", rows, "--base", tiny, "--out", folder / "run", "--json", *QUICK, "eval.limit=20")
    return folder / "run", json.loads(done.stdout.splitlines()[-1]), done


def test_the_last_line_is_the_contract(tuned):
    run, result, done = tuned
    assert len(done.stdout.splitlines()) == 1
    assert result["run"] == str(run)
    assert set(result["verdict"]) >= {"status", "metric", "difference", "low", "high", "rows"}
    assert result["verdict"]["status"] in ("better", "not_better", "cannot_tell")
    assert set(result["contenders"]) == {"zero_shot", "few_shot", "tuned"}
    for metrics in result["contenders"].values():
        assert {"log_loss", result["verdict"]["metric"]} <= set(metrics)
        for value in metrics.values():
            assert value["low"] <= value["value"] <= value["high"]
    assert result["seconds"] > 0


def test_tuning_lowers_the_log_loss_of_unseen_answers(tuned):
    contenders = tuned[1]["contenders"]
    assert contenders["tuned"]["log_loss"]["high"] < contenders["zero_shot"]["log_loss"]["low"]


def test_the_run_holds_everything(tuned):
    run = tuned[0]
    for name in ("report.html", "report.json", "README.md", "config.yaml", "model/adapter_model.safetensors"):
        assert (run / name).stat().st_size > 0
    report = json.loads((run / "report.json").read_text())
    assert report["verdict"]["sentence"] in (run / "report.html").read_text().replace("&#39;", "'")
    assert sum(report["data"]["rows"].values()) == 160
    assert report["lineage"]["training rows"]


def test_progress_goes_to_stderr(tuned):
    assert "training:" in tuned[2].stderr
    assert "tokens/s" in tuned[2].stderr


def test_a_run_can_be_listed_shown_and_talked_to(tuned):
    run = tuned[0]
    assert json.loads(whet("runs", "--home", run.parent, "--json").stdout)[0]["status"] == "succeeded"
    assert "log_loss" in whet("show", run).stdout
    said = whet("chat", run, "--max-tokens", "8", given="1: say cat\n").stdout
    assert said.strip()


def test_generate_answers_a_file_in_order(tuned, tmp_path):
    (tmp_path / "in.jsonl").write_text(
        '{"prompt": "1: say cat"}\n{"messages": [{"role": "user", "content": "2: say dog"}]}\n'
    )
    whet(
        "generate", tuned[0], "--input", tmp_path / "in.jsonl", "--output", tmp_path / "out.jsonl", "--max-tokens", "8"
    )
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["messages"][0]["content"] for row in rows] == ["1: say cat", "2: say dog"]
    assert all(row["messages"][-1]["role"] == "assistant" for row in rows)


def test_generate_goes_on_where_it_was_stopped(tuned, tmp_path):
    prompts = "".join(f'{{"prompt": "{n}: say cat"}}\n' for n in range(400))
    (tmp_path / "in.jsonl").write_text(prompts)
    part = tmp_path / "out.jsonl.part"
    asked = ["generate", tuned[0], "--input", tmp_path / "in.jsonl", "--output", tmp_path / "out.jsonl"]
    process = command.start(*asked)
    until = time.monotonic() + 120
    while not (part.exists() and part.read_bytes().count(b"\n") > 5) and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 75, said
    assert "same command" in said
    kept = part.read_bytes().count(b"\n") - 1
    assert 5 <= kept < 400
    assert not (tmp_path / "out.jsonl").exists()
    whet(*asked)
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["messages"][0]["content"] for row in rows] == [f"{n}: say cat" for n in range(400)]
    assert not part.exists()


def test_evaluate_gives_intervals(tuned):
    run = tuned[0]
    done = whet("evaluate", run, run.parent / "rows.jsonl", "eval.limit=10", "eval.resamples=400", "--json")
    metrics = json.loads(done.stdout)["metrics"]
    assert metrics["log_loss"]["low"] <= metrics["log_loss"]["value"] <= metrics["log_loss"]["high"]


def test_a_merged_export_loads_in_plain_transformers_with_the_same_logits(tuned, tiny, tmp_path):
    whet("export", tuned[0], "--merged", tmp_path / "merged")
    from peft import PeftModel

    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float32)
    base = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    adapted = PeftModel.from_pretrained(base, tuned[0] / "model")
    ids = torch.randint(3, 250, (2, 20), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(plain(ids).logits, adapted(ids).logits, atol=1e-3)
    assert "differ" in whet("export", tuned[0], "--merged", tmp_path / "again").stderr
    assert whet("export", tuned[0], "--merged", tmp_path / "again", check=False).returncode == 1


@pytest.mark.parametrize("way", ["tune", "train"])
def test_a_merged_export_answers_as_the_run_does_and_brings_a_card(tiny, tmp_path, way):
    rows = write_rows(tmp_path / "rows.jsonl", 60)
    base = ["--base", tiny] if way == "tune" else [f"model.name={tiny}"]
    said = "Say the animal's name, nothing else."
    whet(way, rows, *base, "--out", tmp_path / "run", *QUICK, "eval.limit=4", f"data.instruction={said}")
    whet("export", tmp_path / "run", "--merged", tmp_path / "merged")
    about = json.loads((tmp_path / "merged" / "whet.json").read_text())
    assert about["instruction"] == said
    assert not {"base", "base_weights", "kind", "quantize"} & set(about)
    ways = [whet("chat", tmp_path / name, "--max-tokens", "8", given="1: say cat\n") for name in ("run", "merged")]
    assert ways[0].stdout == ways[1].stdout != "\n"
    card = (tmp_path / "merged" / "README.md").read_text()
    assert said in card
    assert "AutoModelForCausalLM.from_pretrained(folder)" in card
    assert "Peft" not in card
    assert str(tmp_path) not in card
    assert way == "train" or str(tmp_path) not in (tmp_path / "run" / "README.md").read_text()


def test_an_export_that_answers_differently_fails_and_leaves_nothing(tuned, tiny, tmp_path, monkeypatch):
    from whet.errors import ModelError
    from whet.models import export

    def wrong(model):
        plain = merged(model)
        next(plain.parameters()).data.mul_(1.5)
        return plain

    merged = export.merged
    monkeypatch.setattr(export, "merged", wrong)
    with pytest.raises(ModelError, match="nothing was exported"):
        export.export_merged(tiny, tuned[0] / "model", tmp_path / "merged")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("moment", ["training:", "asking"])
def test_sigterm_at_any_stage_exits_75_and_resume_finishes(tiny, tmp_path, moment):
    rows = write_rows(tmp_path / "rows.jsonl", 160)
    quick = [*QUICK, "optim.steps=200"]
    process = command.start("tune", rows, "--base", tiny, "--out", tmp_path / "run", *quick)
    waited = tmp_path / "run" / ("metrics.jsonl" if moment == "training:" else "replies/zero_shot.jsonl")
    until = time.monotonic() + 120
    while not waited.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 75, said
    assert "whet resume" in said
    begun = time.monotonic()
    done = whet("resume", tmp_path / "run", "--json")
    took = time.monotonic() - begun
    said = json.loads(done.stdout)
    assert said["verdict"]["rows"] > 0
    (stopped,) = (event["worked"] for event in Run(tmp_path / "run").read("events") if event["event"] == "interrupted")
    assert 0 < stopped < said["seconds"] < stopped + took  # what came before the stop counts
    assert whet("resume", tmp_path / "run", check=False).returncode == 2


@pytest.fixture
def trained(tiny, tmp_path):
    """A run that was stopped when its training had ended, with its own copy of everything it is made of."""
    base, rows, run = shutil.copytree(tiny, tmp_path / "base"), write_rows(tmp_path / "rows.jsonl"), tmp_path / "run"
    test = tmp_path / "test.jsonl"
    test.write_text(
        '{"prompt": "1 2: say cat", "completion": "cat!"}\n{"prompt": "so: say owl", "completion": "owl!"}\n'
    )
    whet("tune", rows, "--test", test, "--base", base, "--out", run, *QUICK[:3], "optim.steps=2", "eval.resamples=400")
    (run / "report.json").unlink()
    (run / "status.json").write_text('{"status": "interrupted", "time": 0}')
    return tmp_path


def test_a_trained_model_is_not_given_the_lineage_of_other_rows(trained):
    rows, run = trained / "rows.jsonl", trained / "run"
    before = (run / "fingerprint.json").read_text()
    was = rows.read_text()
    rows.write_text(was.replace("cat!", "CAT!"))
    for given in ((), ("--allow-drift",)):
        done = whet("resume", run, *given, check=False)
        assert done.returncode not in (0, 75)
        assert "training rows: was" in done.stderr
        assert "start a new run" in done.stderr
    assert (run / "fingerprint.json").read_text() == before
    rows.write_text(was)
    whet("resume", run)


def test_what_may_change_after_training_is_recorded_and_the_lineage_stays(trained):
    run, test = trained / "run", trained / "test.jsonl"
    before = json.loads((run / "fingerprint.json").read_text())
    test.write_text(test.read_text().replace("so: say owl", "thus: say owl"))
    whet("resume", run, "--allow-drift")
    report = json.loads((run / "report.json").read_text())
    assert report["lineage"] == before
    assert report["data"]["files"][str(test)] != before[f"data file {test}"]
    said = f"changed after training ended: data file {test}: was {before[f'data file {test}']}, is "
    assert [note for note in report["data"]["notes"] if note.startswith(said)]
    assert f"drift allowed: {said}" in whet("show", run).stdout


def test_full_weights_tune_labels_from_csv(tiny, tmp_path):
    rng = np.random.default_rng(0)
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(120):
            label = rng.choice(["up", "down"])
            writer.writerow([f"{number} {rng.integers(0, 999)} {label * 2}", label])
    options = ["adapter.kind=full", "optim.lr=0.003", "eval.choose=true", *QUICK[3:]]
    done = whet("tune", tmp_path / "rows.csv", "--base", tiny, "--out", tmp_path / "run", "--json", *options)
    result = json.loads(done.stdout)
    assert result["verdict"]["metric"] == "label"
    assert "macro_f1" in result["contenders"]["tuned"]
    state = load_file(tmp_path / "run/model/model.safetensors")
    assert "model.embed_tokens.weight" in state
    AutoModelForCausalLM.from_pretrained(tmp_path / "run/model")
    report = json.loads((tmp_path / "run/report.json").read_text())
    assert {row["label"] for row in report["labels"]} == {"up", "down"}
    for name, contender in report["contenders"].items():
        assert "answers with the likeliest of 2 labels" in contender["remarks"]
        _, *replies = (tmp_path / f"run/replies/{name}.jsonl").read_text().splitlines()
        assert {json.loads(line)["text"] for line in replies} <= {"up", "down"}
    chosen = json.loads(whet("evaluate", tmp_path / "run", tmp_path / "rows.csv", "--json", "eval.choose=true").stdout)
    assert 0 < chosen["metrics"]["label"]["value"] <= 1


def test_a_label_that_training_does_not_know_is_a_note_and_not_the_end(tiny, tmp_path):
    names = ["up", "down"]
    lines = [f"{n} {names[n % 2] * 2} {n * 7919 % 97},{names[n % 2]}" for n in range(60)]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    (tmp_path / "new.csv").write_text("text,label\nwhere to,sideways\n9 upup 3 now,up\nand so on,down\n")
    (tmp_path / "plain.jsonl").write_text('{"prompt": "where to", "completion": "sideways"}\n' * 1)
    given = [tmp_path / "rows.csv", "--base", tiny, "--json", *QUICK[:3], "optim.steps=2", "eval.resamples=400"]
    for number, test in enumerate(("new.csv", "plain.jsonl")):
        run = tmp_path / f"run-{number}"
        whet("tune", *given, "--test", tmp_path / test, "--out", run)
        report = json.loads((run / "report.json").read_text())
        (note,) = (note for note in report["data"]["notes"] if "not learned" in note)
        assert note.startswith(f"1 of {3 - 2 * number} questions have a label that was not learned ('sideways'")
        assert {"label": "sideways", "recall": 0.0}.items() <= report["labels"][-1 - (number == 0)].items()
    done = whet("evaluate", run, tmp_path / "new.csv", "--json", "eval.resamples=400")
    assert "1 of 3 questions have a label that was not learned ('sideways'" in done.stderr
    assert json.loads(done.stdout)["metrics"]["macro_f1"]["value"] < 1


def test_evaluate_asks_a_base_model_for_labels_as_tune_does(tiny, tmp_path):
    names = ["up", "down"]
    for name, count in (("rows", 60), ("test", 12)):
        lines = [f"{name} {n} {names[n % 2] * 2} {n * 7919 % 97},{names[n % 2]}" for n in range(count)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    quick = ["model.dtype=float32", "eval.resamples=400", "eval.max_tokens=8"]
    test, run = tmp_path / "test.csv", tmp_path / "run"
    given = ["--test", test, "--base", tiny, "--out", run, "--json", *quick, "optim.steps=2"]
    tuned = json.loads(whet("tune", tmp_path / "rows.csv", *given, "eval.contenders=zero_shot").stdout)
    found = json.loads(whet("evaluate", tiny, test, "--json", *quick).stdout)
    expected = tuned["contenders"]["zero_shot"]["log_loss"]["value"]
    assert found["metrics"]["log_loss"]["value"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kind", ["questions", "text"])
def test_choosing_where_there_are_no_labels_is_told_before_training(tiny, rows, tmp_path, kind):
    out, text = tmp_path / "run", tmp_path / "text.txt"
    text.write_text("\n\n".join(f"line {n} of the song " * 20 for n in range(60)))
    data = rows if kind == "questions" else text
    given = ("eval.choose=true", "data.overlong=split")
    done = whet("tune", data, "--base", tiny, "--out", out, *given, check=False)
    assert done.returncode == 2
    assert "eval.choose" in done.stderr
    assert not (out / "ckpt").exists()


def test_raw_text_is_judged_by_log_loss(tiny, tmp_path):
    (tmp_path / "text.txt").write_text("\n\n".join(f"line {n} of the song " * 20 for n in range(60)))
    done = whet(
        "tune",
        tmp_path / "text.txt",
        "--base",
        tiny,
        "--out",
        tmp_path / "run",
        "--json",
        *QUICK,
        "data.overlong=split",
    )
    result = json.loads(done.stdout)
    found, losses = result["verdict"], {name: one["log_loss"] for name, one in result["contenders"].items()}
    assert set(losses) == {"zero_shot", "tuned"}
    assert found["metric"] == "log_loss"
    assert found["difference"] == pytest.approx(losses["zero_shot"]["value"] - losses["tuned"]["value"])
    assert "(lower is better)" in found["sentence"]


def test_the_pieces_of_a_long_passage_are_judged_as_one(tiny, tmp_path):
    for name, count in (("rows", 30), ("test", 7)):
        text = "\n\n".join(f"{name} {n}, a line of the song " * 80 for n in range(count))
        (tmp_path / f"{name}.txt").write_text(text)  # each too long to stand in a piece with another
    given = [tmp_path / "rows.txt", "--test", tmp_path / "test.txt", "--base", tiny, "--out", tmp_path / "run"]
    done = whet("tune", *given, "--json", *QUICK[:3], "optim.steps=2", "data.overlong=split", "data.max_tokens=64")
    assert json.loads(done.stdout)["verdict"]["rows"] == 7
    assert "7 passages" in json.loads(done.stdout)["verdict"]["sentence"]


def test_the_same_model_under_two_names_is_hardly_ever_called_better():
    """An A/A comparison: each name's score on a question is a draw from the same distribution."""
    rng = np.random.default_rng(0)
    wins = 0
    for _ in range(200):
        level = rng.beta(1, 2, 60)
        one, other = (np.clip(level + rng.normal(0, 0.1, 60), 0, 1) for _ in range(2))
        wins += judge("f1", one.tolist(), {"same": other.tolist()}, resamples=400).status == "better"
    assert wins <= 10


@pytest.mark.parametrize("kind", ["questions", "text"])
def test_one_test_row_gives_json_that_any_reader_takes(tiny, tmp_path, kind):
    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    if kind == "questions":
        rows, test = write_rows(tmp_path / "rows.jsonl"), tmp_path / "test.jsonl"
        test.write_text('{"prompt": "so: say owl", "completion": "owl!"}\n')
    else:
        rows, test = tmp_path / "rows.txt", tmp_path / "test.txt"
        rows.write_text("\n\n".join(f"line {n} of the song " * 20 for n in range(60)))
        test.write_text("a line of another song")
    run = tmp_path / "run"
    quick = [*QUICK[:3], "optim.steps=2", "eval.resamples=400", "data.overlong=split"]
    done = whet("tune", rows, "--test", test, "--base", tiny, "--out", run, "--json", *quick)
    result = json.loads(done.stdout, parse_constant=refuse)
    report = json.loads((run / "report.json").read_text(), parse_constant=refuse)
    for found in (result["contenders"]["tuned"]["log_loss"], report["contenders"]["tuned"]["metrics"]["log_loss"]):
        assert found["value"] > 0
        assert found["low"] is found["high"] is None
    assert "inf" not in (run / "README.md").read_text().split("## Environment")[0].replace("information", "")
    assert "log_loss" in whet("show", run).stdout


def test_resuming_needs_the_folder_of_a_run(tmp_path):
    done = whet("resume", tmp_path, check=False)
    assert done.returncode == 1
    assert "no run here" in done.stderr


def test_a_recipe_is_found_wherever_the_command_is_given(tiny, tmp_path):
    write_rows(tmp_path / "rows.jsonl", 40)
    (tmp_path / "recipe.yaml").write_text(
        f"model: {{name: {tiny}}}\ndata: {{train: rows.jsonl}}\noptim: {{steps: 2}}\n"
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = whet("train", tmp_path / "recipe.yaml", "--json", cwd=elsewhere)
    result = json.loads(done.stdout)
    assert (Path(elsewhere) / result["model"] / "adapter_model.safetensors").exists()
    assert result["steps"] == 2
