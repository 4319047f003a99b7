"""The benchmark's sides do the same work: the same losses, the same replies."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from whet.data.render import Renderer
from whet.types import Message

BENCH = Path(__file__).parents[1] / "bench"
LORA = {"r": 4, "alpha": 8}


def measured(side, folder, work, *arguments):
    (folder / "work.json").write_text(json.dumps(work))
    subprocess.run(
        [sys.executable, BENCH / "sides" / f"{side}.py", folder / "work.json", folder / "out.json", *arguments],
        check=True, env={**os.environ, "PYTHONPATH": str(BENCH)}, timeout=120,
    )  # fmt: skip
    return json.loads((folder / "out.json").read_text())


def workload(tiny, **fields):
    return {"name": "w", "base": str(tiny), "dtype": "float32", "adapter": None, "lr": 0.01, **fields}


@pytest.mark.parametrize("adapter", [LORA, None], ids=["lora", "full"])
def test_whet_and_trl_have_the_same_losses_step_by_step(tiny, tmp_path, adapter):
    draw = random.Random(0)
    rows = [[draw.randrange(3, 259) for _ in range(length)] for length in (7, 40, 23)]
    step = [(ids, [0.0] * 4 + [1.0] * (len(ids) - 4)) for ids in rows]
    work = workload(tiny, adapter=adapter, steps=[step] * 4)
    ours = measured("whet_trains", tmp_path, work)
    theirs = measured("trl_trains", tmp_path, work, "best")
    assert ours["losses"] == pytest.approx(theirs["losses"], abs=1e-4)  # TRL rounds what it logs to four places
    assert ours["losses"][-1] < ours["losses"][0] - 0.1
    for side in (ours, theirs):
        assert len(side["seconds"]) == 4
        assert side["peak_memory_bytes"] > 1e8


def test_whet_and_trl_have_the_same_dpo_losses_step_by_step(tiny, tmp_path):
    draw = random.Random(0)

    def reply(prompt, length):
        return [*prompt, *(draw.randrange(3, 259) for _ in range(length))]

    step = []
    for size in (5, 30):
        prompt = [draw.randrange(3, 259) for _ in range(size)]
        for length in (12, 20):
            ids = reply(prompt, length)
            step.append((ids, [0.0] * size + [1.0] * length))
    work = workload(tiny, adapter=LORA, steps=[step] * 4)
    ours = measured("whet_prefers", tmp_path, work)
    for how in ((), ("row by row",)):
        theirs = measured("trl_prefers", tmp_path, work, *how)
        assert ours["losses"] == pytest.approx(theirs["losses"], abs=1e-4)
    assert ours["losses"][-1] < ours["losses"][0] - 0.1


def test_whet_and_transformers_give_the_same_replies(tiny, tmp_path):
    renderer = Renderer(tiny)
    prompts = []
    for asked in ("a", "how long is this?", "zz " * 9):
        ids = renderer.prompt((Message("user", asked),), ())
        prompts.append({"messages": [{"role": "user", "content": asked}], "ids": ids})
    work = workload(tiny, prompts=prompts, new_tokens=12)
    ours, theirs = (measured(side, tmp_path, work) for side in ("whet_generates", "transformers_generates"))
    assert ours["replies"] == theirs["replies"]
    assert ours["new_tokens"] == theirs["new_tokens"] > 12
