"""Several models are asked the same questions and scored alike, wherever they are."""

import json
import signal
import time

import command
import pytest
from chat_server import serving, whole
from conftest import NAMES, make_model, make_tokenizer, write_rows

QUICK = ["model.dtype=float32", "eval.resamples=400", "eval.max_tokens=8"]


def whet(*arguments, check=True, **options):
    done = command.run(*arguments, **options)
    assert not check or done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def server():
    """A model that repeats the animal, as the rows want it."""
    with serving() as server:
        server.script = says
        yield server


def says(handler, body):
    text = body["messages"][-1]["content"].rpartition("say ")[2] + "!"
    if not body.get("stream"):
        return whole(text)
    handler.begin()
    handler.event({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": "stop"}]})
    handler.event("[DONE]")
    return None


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    folder = tmp_path_factory.mktemp("other")
    make_tokenizer(folder)
    make_model(folder, seed=7)
    return folder


def test_the_first_of_several_is_judged_against_the_strongest_of_the_others(tiny, other, rows, server):
    name = f"{server.url}#tiny"
    done = whet("compare", name, tiny, other, "--data", rows, "--json", *QUICK)
    found = json.loads(done.stdout)
    assert set(found["contenders"]) == {name, str(tiny), str(other)}
    assert found["models"] == [name, str(tiny), str(other)]
    assert found["verdict"]["status"] == "better"
    assert found["verdict"]["sentence"].startswith(f"{name} is better: f1 1.000 against ")
    assert found["verdict"]["baseline"] in (str(tiny), str(other))
    assert found["rows"] == 60
    assert "log_loss" not in found["contenders"][name]
    assert "log_loss" in found["contenders"][str(tiny)]
    assert {row["metric"] for row in found["comparisons"]} == {"f1", "exact", "chrf"}
    told = whet("compare", tiny, name, "--data", rows, *QUICK).stdout.splitlines()
    assert told[-1].startswith("Do not") or f"{tiny} is not better: f1 " in told[-1]
    assert len(told) == 3


def test_the_same_questions_go_to_everybody_in_their_order(tiny, rows, server):
    whet("compare", f"{server.url}#tiny", tiny, "--data", rows, "eval.limit=12", *QUICK)
    assert len(server.posts) == 12
    asked = {body["messages"][-1]["content"] for body in server.posts}
    assert asked <= {json.loads(line)["prompt"] for line in rows.read_text().splitlines()}
    assert all(name.split()[-1] in NAMES for name in asked)


def test_a_model_against_itself_is_not_better_and_draws_anew_where_it_draws(tiny, rows):
    same = json.loads(whet("compare", tiny, tiny, "--data", rows, "--json", *QUICK).stdout)
    assert list(same["contenders"]) == [str(tiny), f"{tiny} (2)"]
    assert same["verdict"]["difference"] == 0
    drawn = whet("compare", tiny, tiny, "--data", rows, "--json", "eval.temperature=1", "eval.scorers=chrf", *QUICK)
    assert json.loads(drawn.stdout)["verdict"]["status"] in {"cannot_tell", "not_better"}  # as the draws fall
    assert json.loads(drawn.stdout)["verdict"]["difference"] != 0


def test_rows_of_one_group_count_as_one(tiny, other, tmp_path):
    lines = [json.dumps({"prompt": f"{n}: say ant", "completion": "ant", "user_id": n // 4}) for n in range(32)]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n")
    found = json.loads(whet("compare", tiny, other, "--data", tmp_path / "rows.jsonl", "--json", *QUICK).stdout)
    assert found["clusters"] == 8


def test_a_stopped_comparison_goes_on_where_it_was(tiny, rows, server):
    name, answered = f"{server.url}#tiny", server.script

    def tired(handler, body):
        return answered(handler, body) if len(server.posts) <= 20 else handler.hang()

    server.script = tired
    process = command.start("compare", name, tiny, "--data", rows, "--json", *QUICK)
    until = time.monotonic() + 60
    while server.now < 8 and time.monotonic() < until:  # as many as are asked at a time hang
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(60)
    assert process.poll() == 75, told
    assert "The same command goes on" in told
    before, server.script = len(server.posts), answered
    found = json.loads(whet("compare", name, tiny, "--data", rows, "--json", *QUICK).stdout)
    assert found["contenders"][name]["exact"]["value"] == 1
    assert len(server.posts) - before == 40


def test_a_server_is_evaluated_and_talked_to_like_a_model(rows, server, tmp_path):
    name = f"{server.url}#tiny"
    found = json.loads(whet("evaluate", name, rows, "--json", *QUICK).stdout)
    assert found["metrics"]["exact"]["value"] == 1
    assert "log_loss" not in found["metrics"]
    assert whet("chat", name, given="now say ant\n").stdout == "ant!\n"
    (tmp_path / "in.txt").write_text("say bee\nsay cat\n")
    whet("generate", name, "--input", tmp_path / "in.txt", "--output", tmp_path / "out.jsonl")
    said = [json.loads(line)["messages"][-1]["content"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert said == ["bee!", "cat!"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{tiny}"], "name two models or more"),
        (["{tiny}", "{tiny}", "optim.lr=1"], "optim.lr: has no say here"),
        (["{tiny}", "{url}#tiny", "eval.choose=true"], "no labels to choose from"),
        (["{tiny}", "nobody-here"], "nobody-here"),
    ],
)
def test_what_cannot_be_compared_is_said_with_the_way_out(tiny, rows, server, arguments, words):
    named = [one.format(tiny=tiny, url=server.url) for one in arguments]
    done = whet("compare", *named, "--data", rows, check=False)
    assert done.returncode in (1, 2)
    assert words in done.stderr


def test_a_tuned_model_is_compared_with_a_server_on_the_same_questions(tiny, tmp_path, server):
    rows, run = write_rows(tmp_path / "rows.jsonl", 80), tmp_path / "run"
    name = f"{server.url}#tiny"
    given = ["--base", tiny, "--out", run, "--json", "optim.steps=2", "eval.limit=8", f"eval.endpoints={name}", *QUICK]
    found = json.loads(whet("tune", rows, *given).stdout)
    assert found["contenders"][name]["exact"]["value"] == 1
    assert found["verdict"]["baseline"] == name
    assert "log_loss" not in found["contenders"][name]
    done = whet("tune", rows, *given[:3], f"{run}2", "eval.endpoints=nobody", check=False)
    assert done.returncode == 2
    assert "eval.endpoints: 'nobody' is no server" in done.stderr
