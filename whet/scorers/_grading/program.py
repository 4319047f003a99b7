"""Graders that are programs of Python: run one at a time, each in a sandbox of its own that keeps nothing."""

import ast
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from whet.scorers._sandbox import Limits, run

LIMITS = Limits(cpu_s=120, wall_s=120.0, memory_mib=2048, file_mib=64)  # OpenAI's: two minutes and 2 GB
SOURCE_BYTES = 256_000
_INMATE = Path(__file__).with_name("_inmate.py")


class Failed(ValueError):
    """The program gave no number; the message says why."""


def graded(source: str, sample: Mapping[str, Any], item: Mapping[str, Any], limits: Limits = LIMITS) -> float:
    """Return what `grade(sample, item)` returns.

    What it may do is said in `_sandbox`: Python's standard library, no network, no other processes, no environment.

    Raises:
        Failed: an exception, something that is no finite number, an early end, or more than the limits allow.
        UsageError: this machine has no means to lock a program in.
    """
    ended = run(_INMATE.read_text(encoding="utf-8"), {"source": source, "sample": sample, "item": item}, (), limits)
    said = next((one for one in ended.told if isinstance(one, dict)), {})
    reward = said.get("reward")
    if isinstance(reward, int | float) and not isinstance(reward, bool):
        if math.isfinite(reward):
            return float(reward)
        raise Failed(f"grade returned {reward}, which is no finite number")
    raise Failed(str(said.get("failed") or ended.why or "it ended before grade returned anything"))


def no_grade(source: str) -> str:
    """Return why a text is no program with a function `grade` of two arguments, "" if it is one."""
    if (size := len(source.encode("utf-8", "replace"))) > SOURCE_BYTES:
        return f"has {size:,} bytes; at most {SOURCE_BYTES:,} are run"
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"is not Python: {error}"
    made = [one for one in tree.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and one.name == "grade"]
    if not made:
        return "defines no function grade; write def grade(sample, item): ..."
    takes = made[-1].args
    two = len(takes.posonlyargs) + len(takes.args) == 2 and not (takes.vararg or takes.kwarg or takes.kwonlyargs)
    return "" if two and isinstance(made[-1], ast.FunctionDef) else "grade should take two arguments: sample and item"
