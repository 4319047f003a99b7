"""What replies are worth: weighted, by graders, by a reward model, by a judge; and rewards that fail or never end."""

import json
import time

import pytest
import torch
from chat_server import serving, whole
from command import run, whet
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from whet.config.load import load
from whet.data.read import read
from whet.errors import DataError, UsageError
from whet.scorers._apart import Apart
from whet.train.rewards import Part, Rewards, rewards_of
from whet.types import Message, Prompt, Score

QUICK = (
    "method.longest=8", "method.group=4", "optim.steps=2", "optim.rows=4", "adapter.r=4", "model.dtype=float32",
    "eval.every=1", "eval.validation_limit=4", "eval.limit=8", "eval.resamples=200",
)  # fmt: skip
LETTER = {
    "type": "string_check", "name": "has", "input": "{{ sample.output_text }}", "reference": "{{ item.letter }}",
    "operation": "like",
}  # fmt: skip
SHORT = {"type": "python", "name": "short", "source": "def grade(sample, item):\n return 1 / (1 + len(str(sample)))"}
OWN = """
import os, time
from whet.types import Score

def fate(prompt, reply):
    if reply == "hangs":
        while True:
            pass
    if reply == "leaves":
        os._exit(3)
    if reply == "raises":
        raise KeyError("gone")
    return {"nothing": None, "nan": Score(float("nan"))}.get(reply, Score(len(reply), "its length"))
"""


def prompt(at=1, **more):
    return Prompt((Message("user", f"say {at}"),), ("42",), f"rows.jsonl:{at}", **more)


ASKED = prompt()


def rewards(quiet, *names, prompts=(ASKED,), **settings):
    told = [f"method.{name}={value}" for name, value in settings.items()]
    return rewards_of(load(None, [f"method.rewards={', '.join(names)}", *told]), prompts, (), quiet)


def write(path, count=60, **more):
    rows = [
        {"messages": [{"role": "user", "content": f"say {'abc'[at % 3]} {at * at}"}], "letter": "abc"[at % 3], **more}
        for at in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module of the user's own."""
    (tmp_path / "fates.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    return "fates:fate"


def test_rewards_without_weights_count_alike_and_with_weights_are_added_up(quiet):
    found, why = rewards(quiet, "number", "refusal")([prompt()], ["I don't know. 42"])
    assert (found, why) == ([1.0], [])
    assert rewards(quiet, "number", "refusal")([prompt()], ["42"])[0] == [0.5]
    both = rewards(quiet, "number*0.8", "refusal * -0.5")
    assert both([prompt()] * 3, ["42", "I don't know. 42", "I don't know. 41"])[0] == pytest.approx([0.8, 0.3, -0.5])


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["number*2", "f1"], "f1 has no weight and others have"),
        (["number", "number"], "one is named twice"),
        (["numbr", "gone.json", "run:gone"], r"(?s)'numbr'.*gone.json: cannot be read.*run:gone: there is no finished"),
    ],
)
def test_what_cannot_be_a_reward_is_told_all_at_once(quiet, names, said):
    with pytest.raises(UsageError, match=said):
        rewards(quiet, *names)


def test_rows_without_anything_to_score_by_are_named_by_line(quiet):
    bare = [Prompt((Message("user", "?"),), source=f"rows.jsonl:{at}") for at in (7, 5)]
    with pytest.raises(DataError, match=r"(?s)rows.jsonl:5: nothing says what a good reply is.*rows.jsonl:7"):
        rewards_of(load(None, []), [prompt(), *bare], (), quiet)
    with pytest.raises(DataError, match=r'rows.jsonl:5: the row has no "grader"'):
        rewards_of(load(None, []), [prompt(grader=LETTER, item={"letter": "a"}), *bare], (), quiet)


def test_a_reply_on_which_a_reward_fails_is_left_out_or_worth_nothing(quiet):
    def worth(prompt, reply):
        return Score({"good": 1.0, "bad": 0.0}[reply])

    parts, told = [Part("worth", 1.0, worth)], []
    made = Rewards(parts)
    made.tell = told.append
    assert made([prompt()] * 3, ["good", "odd", "bad"]) == ([1.0, None, 0.0], ["KeyError('odd')"])
    made([prompt()], ["odd"])
    assert told == ["KeyError('odd')"]
    assert Rewards(parts, "zero")([prompt()] * 3, ["good", "odd", "bad"])[0] == [1.0, 0.0, 0.0]
    assert Rewards(parts, "zero")([prompt()] * 2, ["odd", "even"])[0] == [None, None]


def test_a_function_of_the_users_that_fails_in_any_way_costs_its_reply_and_no_more(own, quiet):
    made = rewards(quiet, own, patience=1)
    replies = ["ab", "hangs", "abc", "leaves", "raises", "nothing", "nan", "a"]
    begun = time.monotonic()
    found, why = made([prompt()] * len(replies), replies)
    assert found == [2.0, None, 3.0, None, None, None, None, 1.0]
    assert why == [
        "fates:fate: it took longer than 1 s", "fates:fate: it ended its process", "KeyError('gone')",
        "it returned NoneType; it should return whet.types.Score", "it is no finite number",
    ]  # fmt: skip
    assert time.monotonic() - begun < 30


def test_a_function_that_never_ends_is_not_waited_for_on_every_reply(own, quiet):
    begun = time.monotonic()
    found, why = rewards(quiet, own, patience=0.1)([prompt()] * 200, ["hangs"] * 200)
    assert found == [None] * 200
    assert "not asked, after 5 replies that took too long" in why[-1]
    assert time.monotonic() - begun < 15


def test_a_process_that_hangs_ends_itself_when_nobody_is_left_to_end_it(own):
    apart = Apart(own, 60)
    line = apart._started()
    line.send((prompt(), "hangs", 0.2))
    assert line.poll(20)
    with pytest.raises(EOFError):
        line.recv()


def test_a_judge_behind_a_server_is_asked_about_all_replies_and_may_fail_on_some(tmp_path, quiet):
    judge = {"type": "score_model", "name": "j", "input": [{"role": "user", "content": "{{ sample.output_text }}"}]}
    replies = {"good": '{"steps": [], "result": 0.9}', "bad": "0.1", "odd": "who knows"}
    with serving() as server:
        server.script = lambda handler, body: whole(replies[body["messages"][-1]["content"]])
        (tmp_path / "judge.json").write_text(json.dumps({**judge, "model": f"{server.url}#tiny"}))
        made = rewards(quiet, str(tmp_path / "judge.json"))
        found, why = made([prompt()] * 3, ["good", "odd", "bad"])
        assert len(server.posts) == 3
    assert found == [0.9, None, 0.1]
    assert why == ["model_grader_parse_error: the model's reply names no number"]


def test_a_judge_that_cannot_be_had_is_told_before_anything_is_asked(tmp_path, quiet):
    asked = [{"role": "user", "content": "?"}]
    judge = {"type": "score_model", "name": "j", "model": "gpt-9", "input": asked}
    (tmp_path / "judge.json").write_text(json.dumps(judge))
    with pytest.raises(UsageError, match=r"method.rewards: model 'gpt-9': .*http://host:port/v1#model"):
        rewards(quiet, str(tmp_path / "judge.json"))


def test_a_reward_model_scores_many_replies_as_plain_transformers_does(tiny, tmp_path, quiet):
    pairs = tmp_path / "pairs.jsonl"
    row = '{"prompt": "say %d", "chosen": "yes %d", "rejected": "no"}\n'
    pairs.write_text("".join(row % (at, at) for at in range(40)))
    folder = tmp_path / "scores"
    whet("train", pairs, "--out", folder, f"model.name={tiny}", "method.name=reward", "optim.steps=2", "adapter.r=4",
         "model.dtype=float32")  # fmt: skip
    asked, replies = [prompt(at) for at in range(5)], ["yes", "no", "a much longer reply " * 5, "", "x" * 600]
    made = rewards(quiet, f"run:{folder}", prompts=asked)
    made.load()
    assert [name.startswith("reward model ") for name in made.digests] == [True]
    found, why = made(asked, replies)
    assert found[4] is None
    assert "context is 512" in why[0]
    model = AutoModelForSequenceClassification.from_pretrained(folder / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    for one, reply, value in list(zip(asked, replies, found, strict=True))[:4]:
        said = [{"role": "user", "content": one.question}, {"role": "assistant", "content": reply}]
        ids = tokenizer.apply_chat_template(said, return_tensors="pt", return_dict=True)
        with torch.no_grad():
            assert float(model(**ids).logits) == pytest.approx(value, abs=1e-4)
    file = write(tmp_path / "rows.jsonl", reference_answer="a")
    whet("train", file, "--out", tmp_path / "run", f"model.name={tiny}", f"method.rewards={folder}", *QUICK)
    with pytest.raises(UsageError, match="is no reward model"):
        rewards(quiet, str(tmp_path / "run"))


def test_rows_with_graders_go_all_the_way_to_a_verdict_by_the_same_reward(tiny, tmp_path):
    file = write(tmp_path / "rows.jsonl", grader=LETTER)
    done = whet("tune", file, "--out", tmp_path / "run", f"model.name={tiny}", "--json", *QUICK)
    told = json.loads(done.stdout)
    assert told["verdict"]["metric"] == "grader"
    assert set(told["contenders"]) == {"zero_shot", "tuned"}
    assert "no training row has an answer" in done.stderr
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["method"] == "grpo"
    steps = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert all({"reward", "unscored"} <= set(step) for step in steps)
    validated = [json.loads(line) for line in (tmp_path / "run" / "evals.jsonl").read_text().splitlines()]
    assert all(one["reward"] == pytest.approx(-one["loss"]) for one in validated)


def test_rows_with_references_are_judged_by_a_graders_file_and_may_be_shown(tiny, tmp_path):
    file = write(tmp_path / "rows.jsonl", reference_answer="a b")
    both = {"type": "multi", "name": "both", "graders": {"has": LETTER, "short": SHORT},
            "calculate_output": "0.5 * has + 0.5 * short"}  # fmt: skip
    (tmp_path / "both.json").write_text(json.dumps(both))
    weighed = f"method.rewards={tmp_path / 'both.json'}*0.75,chrf*0.25"
    done = whet("tune", file, "--out", tmp_path / "run", f"model.name={tiny}", "--json", weighed, *QUICK)
    told = json.loads(done.stdout)
    assert told["verdict"]["metric"] == "reward"
    assert set(told["contenders"]) == {"zero_shot", "few_shot", "tuned"}
    assert {"reward", str(tmp_path / "both.json"), "chrf"} <= set(told["contenders"]["tuned"])
    by = told["contenders"]["tuned"]
    parts = 0.75 * by[str(tmp_path / "both.json")]["value"] + 0.25 * by["chrf"]["value"]
    assert by["reward"]["value"] == pytest.approx(parts, abs=1e-3)


@pytest.mark.parametrize(
    ("more", "settings", "code", "said"),
    [
        ({"grader": {**LETTER, "operation": "is"}}, [], 1, "rows.jsonl:60: grader.operation: 'is' should be one of"),
        ({"grader": {**LETTER, "reference": "{{ item.x }}"}}, [], 1, "reads {{ item.x }}, which this row has not"),
        ({"reference_answer": "a"}, ["method.name=sft"], 2, "sft learns answers, and the rows of"),
        ({"reference_answer": "a"}, ["method.name=dpo"], 2, "dpo cannot learn from prompts; with such rows use grpo"),
        ({"grader": LETTER}, ["eval.contenders=[few_shot,tuned]"], 2, "few_shot shows answers, and no training row"),
        ({"grader": LETTER}, ["eval.scorers=gone.json"], 2, "gone.json: cannot be read"),
    ],
)
def test_what_keeps_prompts_from_being_learned_is_said_before_training(tiny, tmp_path, more, settings, code, said):
    file = write(tmp_path / "rows.jsonl", **more)
    done = run("tune", file, "--out", tmp_path / "run", f"model.name={tiny}", *QUICK, *settings)
    assert done.returncode == code
    assert said in done.stderr or (said.startswith("rows.jsonl") and said.partition(":60")[2] in done.stderr)
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_replies_that_a_grader_fails_on_are_unscored_and_told_and_training_goes_on(tiny, tmp_path):
    source = "def grade(sample, item):\n if len(sample['output_text']) % 2: raise ValueError('odd')\n return 1"
    file = write(tmp_path / "rows.jsonl", grader={"type": "python", "name": "even", "source": source})
    whet("train", file, "--out", tmp_path / "run", f"model.name={tiny}", *QUICK)
    events = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    told = [event["what"] for event in events if event["event"] == "unscored"]
    assert told == ["python_grader_runtime_error: ValueError: odd (line 2 of the grader)"]
    steps = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert any(0 < step["unscored"] < 1 for step in steps)


def test_rows_that_end_with_the_user_are_prompts_whatever_else_they_say(tmp_path):
    file = write(tmp_path / "rows.jsonl", count=3)
    dataset = read(str(file), load(None, []).data)
    assert (dataset.shape, dataset.examples[1].item) == ("graded", {"letter": "b"})
    file.write_text('{"messages": [{"role": "user", "content": "a"}]}\n')
    with pytest.raises(DataError, match="the user"):
        read(str(file), load(None, []).data)


def test_models_are_compared_on_prompts_by_the_rows_own_graders(tiny, tmp_path):
    file = write(tmp_path / "rows.jsonl", count=12, grader=LETTER)
    told = json.loads(whet("evaluate", tiny, file, "eval.resamples=200", "eval.max_tokens=8", "--json").stdout)
    assert "grader" in json.dumps(told["metrics"])
    assert told["rows"] == 12
    bare = write(tmp_path / "bare.jsonl", count=12, reference_answer="")
    bare.write_text(bare.read_text().replace('"reference_answer": ""', '"reference_answer": null'))
    assert "nothing says what a good reply is" in whet("evaluate", tiny, bare, code=1).stderr


def test_a_run_says_what_its_reward_was_read_from(tmp_path, quiet):
    file = tmp_path / "has.json"
    file.write_text(json.dumps(LETTER))
    asked = [prompt(item={"letter": "a"})]
    before = rewards(quiet, str(file), prompts=asked).digests
    file.write_text(json.dumps({**LETTER, "operation": "ilike"}))
    after = rewards(quiet, str(file), prompts=asked).digests
    assert list(before) == list(after) == [f"reward file {file}"]
    assert before != after
