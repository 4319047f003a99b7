"""Runs from the command line, in this process: what is left of them, and what they say."""

import json

import pytest
from conftest import write_rows

from whet.cli import journey
from whet.cli.plan import show
from whet.cli.talk import generate
from whet.errors import ConfigError, DataError, ModelError, TrainingError
from whet.runs.run import Run


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
    journey._forget_if_empty(run)
    assert len(list(run.path.iterdir())) == 4
    (run.path / "notes.txt").unlink()
    journey._forget_if_empty(run)
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
    generate(str(run.path), tmp_path / "p.csv", tmp_path / "said.jsonl", 0.0, 4)
    said = json.loads((tmp_path / "said.jsonl").read_text())["messages"]
    assert said[:2] == [
        {"role": "system", "content": "Given the topic and the input, write the output."},
        {"role": "user", "content": "topic: cars\ninput:\nred"},
    ]
