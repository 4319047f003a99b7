"""lm-eval's tasks through whet, beside lm-eval's own way to ask the same model."""

import json

import lm_eval
import pytest
from command import whet
from conftest import Quiet
from lm_eval.tasks import TaskManager

from whet.config.load import load
from whet.config.tree import Model
from whet.engines.open import open_model
from whet.errors import DataError, UsageError
from whet.evals.likelihood import scored
from whet.evals.suites import load_suite
from whet.models.policy import Policy
from whet.tune.harness import task_answers

CHOICES = "output_type: multiple_choice\ndoc_to_choice: choices\ndoc_to_target: gold\n"
TASKS = {
    "choose": 'doc_to_text: "{{query}}\\nAnswer:"\n' + CHOICES + "metric_list: [{metric: acc}, {metric: acc_norm}]\n",
    "say": (
        'output_type: generate_until\ndoc_to_text: "{{query}}"\ndoc_to_target: "{{choices[gold]}}"\n'
        'generation_kwargs: {until: ["x"], max_gen_toks: 8, do_sample: false}\n'
        "metric_list: [{metric: exact_match}]\n"
    ),
    "read": (
        'output_type: loglikelihood_rolling\ndoc_to_text: ""\ndoc_to_target: "{{query}}"\n'
        "metric_list: [{metric: word_perplexity}]\n"
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("tasks")
    rows = [
        {"query": f"Question {at}: what is {at}?", "choices": [f"it is {at}", f"{at + 1}", "none"], "gold": at % 3}
        for at in range(24)
    ]
    (place / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, text in TASKS.items():
        where = f"dataset_path: json\ndataset_kwargs: {{data_files: {{test: {place}/rows.jsonl}}}}\ntest_split: test\n"
        (place / f"{name}.yaml").write_text(f"task: {name}\n{where}{text}")
    return place


@pytest.fixture(scope="module")
def theirs(tiny, folder, tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("cache")))
    found = lm_eval.simple_evaluate(
        "hf", model_args={"pretrained": str(tiny), "dtype": "float32"}, tasks=list(TASKS), device="cpu", batch_size=1,
        task_manager=TaskManager(include_path=str(folder), include_defaults=False), bootstrap_iters=0,
    )  # fmt: skip
    yield found["samples"]
    patch.undo()


@pytest.fixture(scope="module")
def engine(tiny):
    return open_model(str(tiny), Model(dtype="float32")).engine


@pytest.mark.parametrize(("task", "metric"), [("choose", "acc"), ("choose", "acc_norm"), ("say", "exact_match")])
def test_each_item_is_scored_as_lm_eval_scores_it_through_transformers(engine, folder, theirs, task, metric):
    answers, notes = task_answers(f"lm-eval:{folder}#{task}", engine, load(None, []), Quiet())
    wanted = {one["doc_id"]: one for one in theirs[task]}
    assert len(answers) == len(wanted) == 24
    for at, answer in enumerate(answers):
        assert answer.scores[metric].value == wanted[at][metric]
        assert answer.prompt.source == f"{task}:{at}"
    assert any("asked by lm-eval" in note for note in notes)


def test_a_suite_of_the_same_rows_finds_what_lm_eval_finds_of_every_item(engine, folder, theirs):
    (folder / "suite.yaml").write_text('name: choose\nkind: choice\nprompt: "{query}\\nAnswer:"\n')
    found = scored(Policy(engine.model), engine.renderer, load_suite(folder), engine.context)
    for one, answer in zip(sorted(theirs["choose"], key=lambda one: one["doc_id"]), found, strict=True):
        assert {name: score.value for name, score in answer.scores.items()} == {n: one[n] for n in ("acc", "acc_norm")}


def test_replies_and_likelihoods_are_those_of_transformers(engine, folder, theirs):
    from whet.tune.harness_model import Harness

    harness = Harness(engine, Quiet())

    class Asked:
        def __init__(self, *args):
            self.args = args

    chosen = sorted(theirs["choose"], key=lambda one: one["doc_id"])
    found = harness.loglikelihood([Asked(*pair) for one in chosen for pair in one["arguments"]])
    wanted = [reply[0] for one in chosen for reply in one["resps"]]
    for (nats, greedy), (theirs_nats, theirs_greedy) in zip(found, wanted, strict=True):
        assert nats == pytest.approx(float(theirs_nats), abs=1e-3)
        assert greedy == (str(theirs_greedy) == "True")
    texts = sorted(theirs["read"], key=lambda one: one["doc_id"])
    rolled = harness.loglikelihood_rolling([Asked(one["arguments"][0][0]) for one in texts])
    assert rolled == pytest.approx([float(one["resps"][0][0]) for one in texts], abs=1e-2)
    asked = sorted(theirs["say"], key=lambda one: one["doc_id"])
    until = {"until": ["x"], "max_gen_toks": 8, "do_sample": False}
    replies = harness.generate_until([Asked(one["arguments"][0][0], until) for one in asked])
    assert replies == [one["resps"][0][0] for one in asked]


def test_a_task_is_compared_from_the_command_line_with_an_interval(tiny, folder):
    named = (
        "compare",
        tiny,
        tiny,
        "--data",
        f"lm-eval:{folder}#choose",
        "model.dtype=float32",
        "eval.limit=9",
        "--json",
    )
    found = json.loads(whet(*named).stdout)
    assert (found["rows"], found["decides"]) == (9, "acc")
    first, second = found["contenders"].values()
    assert first == second
    assert first["acc"]["low"] <= first["acc"]["value"] <= first["acc"]["high"]
    assert found["verdict"]["difference"] == 0


def test_a_task_that_is_not_there_is_named(engine, folder, tmp_path):
    with pytest.raises(UsageError, match="lm-eval has no task 'chose'"):
        task_answers(f"lm-eval:{folder}#chose", engine, load(None, []), Quiet())
    with pytest.raises(UsageError, match="is no folder of tasks"):
        task_answers(f"lm-eval:{tmp_path / 'absent'}#choose", engine, load(None, []), Quiet())
    (tmp_path / "lost.yaml").write_text(
        f"task: lost\ndataset_path: json\ndataset_kwargs: {{data_files: {{test: {tmp_path}/none.jsonl}}}}\n"
        f'test_split: test\ndoc_to_text: "{{{{query}}}}"\n{CHOICES}metric_list: [{{metric: acc}}]\n'
    )
    with pytest.raises(DataError, match="the rows of lost cannot be had"):
        task_answers(f"lm-eval:{tmp_path}#lost", engine, load(None, []), Quiet())
