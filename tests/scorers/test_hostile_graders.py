"""Graders that are wrong or mean harm: told before they run, or ended without harm."""

import math
import os
import time

import pytest

from whet.errors import Interrupted
from whet.scorers._grading.formula import parsed
from whet.scorers._grading.grade import grade, sample_of
from whet.scorers._grading.scorer import Grading
from whet.scorers._grading.shapes import read
from whet.scorers._sandbox import Limits
from whet.types import Message, Prompt

SHORT = Limits(cpu_s=2, wall_s=2.0, memory_mib=256)
MODEL = {"type": "score_model", "name": "m", "model": "x", "input": [{"role": "user", "content": "?"}]}
LABEL = {**MODEL, "type": "label_model", "labels": ["a", "b"], "passing_labels": ["a"]}
CHECK = {"type": "string_check", "name": "c", "input": "a", "reference": "b", "operation": "eq"}


def program(source):
    return {"type": "python", "name": "p", "source": source}


def multi(formula, graders=None):
    return {"type": "multi", "name": "m", "graders": {"a": CHECK} if graders is None else graders,
            "calculate_output": formula}  # fmt: skip


@pytest.mark.parametrize(
    ("grader", "paths"),
    [
        (None, ["grader"]),
        ([], ["grader"]),
        ({}, ["grader.type"]),
        ({"type": "shell", "name": "a"}, ["grader.type"]),
        ({"type": ["multi"], "name": "a"}, ["grader.type"]),
        ({"type": "string_check"}, ["grader.name", "grader.input", "grader.reference", "grader.operation"]),
        ({**CHECK, "input": 3, "operation": []}, ["grader.input", "grader.operation"]),
        ({**CHECK, "shout": True}, ["grader.shout"]),
        ({**CHECK, "input": "{{ os.environ }} {{ item.a | upper }} {{ 1 + 1 }}"}, ["grader.input"] * 3),
        ({**CHECK, "reference": "{{ item..a }}{{}}"}, ["grader.reference"] * 2),
        ({**CHECK, "type": "text_similarity"}, ["grader.operation", "grader.evaluation_metric"]),
        ({**MODEL, "input": []}, ["grader.input"]),
        ({**MODEL, "model": " "}, ["grader.model"]),
        ({**MODEL, "input": [{"role": "robot", "content": None}]}, ["grader.input[0].role", "grader.input[0].content"]),
        ({**MODEL, "range": [1, 0]}, ["grader.range"]),
        ({**MODEL, "range": [0, math.inf]}, ["grader.range"]),
        ({**MODEL, "sampling_params": {"top_p": 2, "tmp": 1}},
         ["grader.sampling_params.top_p", "grader.sampling_params.tmp"]),
        ({**LABEL, "passing_labels": ["c"]}, ["grader.passing_labels"]),
        ({**LABEL, "labels": ["a", "a"]}, ["grader.labels"]),
        (program("def grade(sample): return 1"), ["grader.source"]),
        (program("def grade(*a): return 1"), ["grader.source"]),
        (program("def grade(sample, item, more=1): return 1"), ["grader.source"]),
        (program("async def grade(sample, item): return 1"), ["grader.source"]),
        (program("grade = 1"), ["grader.source"]),
        (program("def grade(sample, item) return 1"), ["grader.source"]),
        (program("(" * 5000), ["grader.source"]),
        (program("#" * 256_001), ["grader.source"]),
        (multi("a", {}), ["grader.graders"]),
        (multi("a + b"), ["grader.calculate_output"]),
        (multi("a", {"a": multi("b")}), ["grader.graders.a.type"]),
        (multi("b +", {"a": {**CHECK, "operation": "is"}, "b": {"type": "python"}}),
         ["grader.graders.a.operation", "grader.graders.b.source", "grader.calculate_output"]),
    ],
)  # fmt: skip
def test_every_fault_is_told_with_its_path(grader, paths):
    found, faults = read(grader)
    assert found is None
    assert [fault.path for fault in faults] == paths


def test_evaluations_know_no_multi_and_jobs_no_label_model():
    assert [fault.path for fault in read(multi("a"), "testing_criteria[0]", ("string_check",))[1]] == [
        "testing_criteria[0].type"
    ]
    assert read(LABEL)[0] is not None


@pytest.mark.parametrize(
    ("text", "worth"),
    [
        ("1 + 2 * 3", 7), ("(1 + 2) * 3", 9), ("-2^2", -4), ("2^3^2", 512), ("2^-1", 0.5), ("8 - 4 - 2", 2),
        ("8 / 4 / 2", 1), ("max(1, 2, 3) - min(4, 5)", -1), ("abs(-1.5) + floor(1.5) + ceil(.5)", 3.5),
        ("exp(0) + sqrt(4) + log(1)", 3), ("+".join(["1"] * 4000), 4000), ("1e2", 100), ("x * x_2", 6),
    ],
)  # fmt: skip
def test_formulas_are_worked_out(text, worth):
    assert parsed(text)({"x": 2.0, "x_2": 3.0}) == pytest.approx(worth)


@pytest.mark.parametrize(
    "text",
    [
        "", "1 +", "a.b", "a[0]", "__import__('os')", "open(a)", "a(1)", "(lambda: 1)()", "1 if a else 2", "a ** 2",
        "a % 2", "a == 1", "a, b", "max()", "abs(1, 2)", "a b", "2a", "\u00b2", "(" * 5000 + "1" + ")" * 5000,
        "-" * 5000 + "1", "1^" * 5000 + "1", "1" * 20_000, "log(1, 2)", "1;2", "a\nimport os",
    ],
)  # fmt: skip
def test_nothing_but_formulas_is_understood(text):
    with pytest.raises(ValueError):
        parsed(text)


@pytest.mark.parametrize("text", ["9^9^9^9", "1 / 0", "log(0)", "sqrt(-1)", "(-8)^(1/3)", "exp(9999)", "1e400", "0^-1"])
def test_formulas_without_a_value_are_an_error_at_once(text):
    with pytest.raises(ArithmeticError):
        parsed(text)({})


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("return float('nan')", "no finite number"),
        ("return 1e999", "no finite number"),
        ("return '1'", "str, not a number"),
        ("return None", "NoneType"),
        ("return 10 ** 400", "OverflowError"),
        ("raise KeyError(sample['output_text'])", "KeyError: 'reply' (line 2 of the grader)"),
        ("import os; os._exit(0)", "ended before"),
        ("import sys; sys.exit(0)", "SystemExit"),
        ("while True: pass", "2 s"),
        ("import time; time.sleep(60)", "longer than 2 s"),
        ("x = b' ' * (1 << 30); return len(x)", "MemoryError"),
        ("import socket; socket.create_connection(('127.0.0.1', 80)); return 1", "Error"),
        ("import subprocess; subprocess.run(['true']); return 1", "Error"),
        ("open('/tmp/whet-was-here', 'w').write('x'); import os; os.kill(os.getppid(), 9); return 1", "Error"),
        ("def f(): f()\n f()", "RecursionError"),
        ("import numpy; return 1", "ModuleNotFoundError"),
    ],
)
def test_a_program_that_gives_no_number_is_worth_nothing_and_says_why(body, why):
    grader, faults = read(program(f"def grade(sample, item):\n {body}"))
    assert not faults
    found = grade(grader, sample_of("reply"), {}, limits=SHORT)
    assert (found.reward, found.errors.python_grader_runtime_error, found.failed) == (0.0, True, True)
    assert why in (found.errors.python_grader_runtime_error_details or "")


def test_a_program_sees_its_row_and_nothing_of_whoever_runs_it(monkeypatch):
    monkeypatch.setenv("WHET_API_KEY", "secret")
    source = (
        "import os\nseen = []\n"
        "def grade(sample, item):\n    seen.append(1)\n    print('noise')\n"
        "    return item['n'] + len(sample['output_text']) + 10 * len(seen) + 100 * ('WHET_API_KEY' in os.environ)"
    )
    grader, _ = read(program(source))
    for _ in range(2):
        assert grade(grader, sample_of("abc"), {"n": 1}, limits=SHORT).reward == 14
    assert os.environ["WHET_API_KEY"] == "secret"


def test_a_stop_is_heard_while_programs_run():
    source = "import time\ndef grade(sample, item):\n    time.sleep(1)\n    return 1.0\n"
    grading = Grading(read({"type": "python", "name": "slow", "source": source})[0])
    asked = []

    def between():
        asked.append(1)
        if len(asked) == 2:
            raise Interrupted("stopped")

    grading.between = between
    start = time.monotonic()
    with pytest.raises(Interrupted):
        grading.many([Prompt((Message("user", "?"),))] * 40, ["a"] * 40)
    assert time.monotonic() - start < 15
