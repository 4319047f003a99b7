"""Runs from the command line, in this process: what is left of them, and what they say."""

import io
import json
from pathlib import Path

import pytest
from conftest import write_rows

from whet.cli import journey
from whet.cli.main import runs
from whet.cli.plan import show
from whet.cli.talk import chat, export, generate
from whet.errors import ConfigError, DataError, ModelError, RunError, TrainingError, UsageError
from whet.runs.run import Run
from whet.runs.store import create
from whet.tune.stages import forget_if_empty
from whet.types import Sampling


def begin(folder, tiny, *settings, rows="rows.jsonl", kind="train"):
    write_rows(folder / "rows.jsonl")
    asked = [f"model.name={tiny}", "model.dtype=float32", "adapter.r=4", "optim.rows=4", *settings]
    journey.start(kind, str(folder / rows), asked, folder / "run", as_json=True)
    return Run(folder / "run")


def test_a_run_that_fails_after_a_step_stays_whole_without_validation_rows_too(tiny, tmp_path, capsys):
    wild = ("data.shares=[0,0.2]", "optim.lr=1e30", "optim.warmup=0", "optim.clip=1e30", "optim.steps=6")
    with pytest.raises(TrainingError, match="the last checkpoint is kept") as caught:
        begin(tmp_path, tiny, *wild)
    assert "model.dtype" not in str(caught.value)  # it is float32 already
    run = Run(tmp_path / "run")
    assert run.status == "failed"
    assert {"run.json", "config.yaml", "room.json", "metrics.jsonl"} <= {path.name for path in run.path.iterdir()}
    assert (run.path / "ckpt/step-00000000").is_dir()
    capsys.readouterr()
    show(str(run.path), as_json=False)
    assert "the last checkpoint is kept" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("setting", "error"),
    [("model.name=no-such-model", ModelError), ("data.columns={prompt: x}", DataError), ("optim.lr=0", ConfigError)],
)
def test_a_run_that_fails_before_its_first_step_leaves_nothing(tiny, tmp_path, setting, error):
    with pytest.raises(error):
        begin(tmp_path, tiny, setting)
    assert not (tmp_path / "run").exists()


def test_a_run_folder_with_a_strange_file_is_not_removed_by_halves(tmp_path):
    run = Run(tmp_path / "run")
    run.path.mkdir()
    for name in ("run.json", "config.yaml", "room.json", "notes.txt"):
        (run.path / name).write_text("{}")
    forget_if_empty(run)
    assert len(list(run.path.iterdir())) == 4
    (run.path / "notes.txt").unlink()
    forget_if_empty(run)
    assert not run.path.exists()


def test_train_says_how_many_rows_were_dropped(tiny, tmp_path, capsys):
    write_rows(tmp_path / "long.jsonl")
    with (tmp_path / "long.jsonl").open("a") as file:
        file.write(json.dumps({"prompt": "x" * 900, "completion": "y"}) + "\n")
    settings = ("optim.steps=1", "data.overlong=drop", "data.shares=[0,0]")
    begin(tmp_path, tiny, *settings, rows="long.jsonl")
    said = " ".join(capsys.readouterr().err.split())
    assert "1 rows were dropped because they are longer than data.max_tokens" in said
    assert "no validation rows" in said


def test_a_finished_model_is_asked_as_its_rows_were_read(tiny, tmp_path):
    write_rows(tmp_path / "rows.jsonl")
    table = "".join(f"t{n},what {n},say {n}\n" for n in range(20))
    (tmp_path / "table.csv").write_text("topic,input,output\n" + table)
    run = begin(tmp_path, tiny, "optim.steps=1", rows="table.csv")
    (tmp_path / "p.csv").write_text("topic,input\ncars,red\n")
    generate(str(run.path), tmp_path / "p.csv", tmp_path / "said.jsonl", Sampling(max_tokens=4))
    said = json.loads((tmp_path / "said.jsonl").read_text())["messages"]
    assert said[:2] == [
        {"role": "system", "content": "Given the topic and the input, write the output."},
        {"role": "user", "content": "topic: cars\ninput:\nred"},
    ]


def talking(monkeypatch, capsys, model, typed, **sampling):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(typed)))
    chat(str(model), Sampling(max_tokens=4, **sampling), None)
    said = capsys.readouterr()
    return said.out, " ".join(said.err.split())


def test_a_line_that_cannot_be_answered_is_said_and_the_conversation_goes_on(tiny, monkeypatch, capsys):
    plain, _ = talking(monkeypatch, capsys, tiny, b"hello\nand?\n")
    for bad, why in ((b"x" * 2000, "context is 512"), (b"caf\xe9", "not UTF-8 (byte 4)")):
        said, told = talking(monkeypatch, capsys, tiny, b"hello\n" + bad + b"\nand?\n")
        assert said == plain  # as if it had never been typed
        assert "not answered: " in told
        assert why in told


def test_another_seed_draws_another_reply(tiny, monkeypatch, capsys):
    said = [talking(monkeypatch, capsys, tiny, b"hello\n", temperature=2.0, seed=seed)[0] for seed in (0, 0, 1, 2)]
    assert said[0] == said[1]
    assert len(set(said)) > 1


def test_a_name_that_no_file_can_have_is_a_sentence(monkeypatch, capsys):
    for name in ("x" * 5000, "a\0b"):
        with pytest.raises(UsageError, match="no name of a model"):
            talking(monkeypatch, capsys, name, b"")
        with pytest.raises(RunError, match="no run here"):
            show(name, as_json=False)


@pytest.mark.parametrize("target", ["replies", "."])
def test_a_folder_is_refused_as_output_before_anything_is_answered(tiny, tmp_path, monkeypatch, target):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "replies").mkdir()
    (tmp_path / "p.txt").write_text("hi\n")
    with pytest.raises(UsageError, match="is a folder"):
        generate(str(tiny), str(tmp_path / "p.txt"), Path(target), Sampling(max_tokens=4))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.txt", "replies"]


def test_a_trained_run_shows_its_steps_and_losses(tiny, tmp_path, capsys, monkeypatch):
    run = begin(tmp_path, tiny, "optim.steps=2", "eval.every=1")
    capsys.readouterr()
    show(str(run.path), as_json=False)
    said = capsys.readouterr().out
    assert "2 steps, training loss" in said
    assert "best validation loss" in said
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    for target, why in (("file", "is a file"), (".", "not empty")):
        with pytest.raises(ModelError, match=why):
            export(str(run.path), Path(target))


def test_a_damaged_run_hides_no_other(tmp_path, capsys, monkeypatch):
    for name in ("whole", "judged", "empty", "silent", "torn"):
        create("train", "", tmp_path / name)
    (tmp_path / "judged/report.json").write_text("{}")  # of a run that compared nobody: no verdict
    (tmp_path / "empty/run.json").write_text("{}")
    (tmp_path / "silent/status.json").unlink()
    (tmp_path / "torn/report.json").write_text('{"verd')
    runs(as_json=True, home=tmp_path)
    listed = {row["run"].rpartition("/")[2]: row["status"] for row in json.loads(capsys.readouterr().out)}
    assert {listed.pop("whole"), listed.pop("judged")} == {"created"}
    assert listed == {"empty": "damaged", "silent": "damaged", "torn": "damaged"}
    with pytest.raises(RunError, match="does not say 'started_in'"):
        journey.resume(str(tmp_path / "empty"), as_json=False, allow_drift=False)


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("data.shape=os:path", "not one of the data.shapes"), ("data.shape=os:getcwd", "function of table and data"),
        ("eval.scorers=[os:path]", "not one of the scorers"), ("eval.scorers=[os.path:join]", "fails on|returns"),
        ("data.shape=:x", "cannot import"),
    ],
)  # fmt: skip
def test_what_is_no_plugin_is_refused_before_training(tiny, tmp_path, setting, why):
    with pytest.raises(UsageError, match=why):
        begin(tmp_path, tiny, setting, kind="tune")
    assert not (tmp_path / "run").exists()


def test_conversations_without_a_question_are_refused_before_training(tiny, tmp_path):
    row = {"messages": [{"role": "assistant", "content": "Good day."}]}
    (tmp_path / "alone.jsonl").write_text("".join(json.dumps(row) + "\n" for _ in range(3)))
    write_rows(tmp_path / "test.jsonl", 5)
    with pytest.raises(UsageError, match="few_shot has no training row with a question"):
        begin(
            tmp_path, tiny, f"data.test={tmp_path / 'test.jsonl'}", "data.shares=[0,0]", rows="alone.jsonl", kind="tune"
        )
    with pytest.raises(DataError, match="nothing is asked before the answer"):
        begin(tmp_path, tiny, f"data.test={tmp_path / 'alone.jsonl'}", "data.shares=[0,0]", kind="tune")
    assert not (tmp_path / "run").exists()
