"""Speed and memory of whet against its peers: the same weights, rows, steps and LoRA shape, in turn (A B A B).

python bench/run.py [--workloads NAME ...] [--peers NAME ...] [--steps 5] [--repeats 2] [--limit 900]

Prints a table and writes bench/results.json, which keeps the last figures of each workload and peer. Every measurement
is a process of its own, so that its peak memory is its own. A peer that needs other packages than whet gets an
environment of its own under bench/.peers.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measured import Workload
from workloads import WORKLOADS, as_fields

from whet.runs.lineage import environment

HERE = Path(__file__).parent
PINNED = HERE.parent / "constraints.txt"


@dataclass(frozen=True)
class Peer:
    """Another way to do the work.

    `needs`: what its own environment installs, none for whet's; `without`: what is taken out of it again, as its
    wheels want CUDA.
    """

    side: str
    arguments: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    full: bool = True  # whether it can train all weights by the same script


FACTORY, TOO_MUCH = ("llamafactory==0.9.5",), ("torchvision", "torchaudio")
TRAINERS = {
    "trl, its defaults": Peer("trl_trains"),
    "trl, its best": Peer("trl_trains", ("best",)),
    "trl, its best, row by row": Peer("trl_trains", ("best", "row by row")),
    "litgpt": Peer("litgpt_trains", needs=("litgpt==0.5.13",), full=False),
    "llama-factory": Peer("llamafactory_trains", needs=FACTORY, without=TOO_MUCH),
    "llama-factory, row by row": Peer("llamafactory_trains", ("row by row",), needs=FACTORY, without=TOO_MUCH),
}
PREFERERS = {
    "trl dpo": Peer("trl_prefers"),
    "trl dpo, row by row": Peer("trl_prefers", ("row by row",)),
}
GENERATORS = {"transformers generate": Peer("transformers_generates")}
PEERS = [*TRAINERS, *PREFERERS, *GENERATORS]


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", nargs="+", choices=list(WORKLOADS), default=list(WORKLOADS))
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=PEERS)
    parser.add_argument("--steps", type=int, default=5, help="optimizer steps, the first of which warms up")
    parser.add_argument("--repeats", type=int, default=2, help="times that whet and its peer take turns")
    parser.add_argument("--limit", type=float, default=900, help="seconds that one measurement may take")
    parser.set_defaults(gpu=False)
    asked = parser.parse_args()
    for name in asked.workloads:
        workload = WORKLOADS[name](asked.steps)
        ours, peers = ("whet_generates", GENERATORS) if workload.prompts else ("whet_trains", TRAINERS)
        if workload.name == "pairs":
            ours, peers = "whet_prefers", PREFERERS
        with tempfile.TemporaryDirectory() as place:
            file = Path(place) / "workload.json"
            file.write_text(json.dumps(as_fields(workload)))
            for title, peer in peers.items():
                if title in asked.peers and (peer.full or workload.adapter):
                    result = against(workload, file, Peer(ours), title, peer, asked)
                    keep(result)
                    print(line(result), flush=True)


def keep(result: dict[str, Any]) -> None:
    """Write a result in the place of an earlier one of the same workload and peer."""
    file = HERE / "results.json"
    results = json.loads(file.read_text()) if file.exists() else []
    others = [one for one in results if (one["workload"], one["peer"]) != (result["workload"], result["peer"])]
    file.write_text(json.dumps([*others, result], indent=2) + "\n")


def against(
    workload: Workload, file: Path, ours: Peer, title: str, peer: Peer, asked: argparse.Namespace
) -> dict[str, Any]:
    """Take turns and return what came of it."""
    mine: list[dict[str, Any]] = []
    theirs: list[dict[str, Any]] = []
    reason = None
    for _ in range(asked.repeats):
        mine.append(_measured(ours, file, asked, workload))
        try:
            theirs.append(_measured(peer, file, asked, workload))
        except subprocess.TimeoutExpired:
            reason = f"did not end within {asked.limit:.0f} s"
        except subprocess.CalledProcessError as error:
            told = (error.stderr or "").strip().splitlines()[-1:] or [str(error)]
            reason = told[0] if error.returncode > 0 else f"was killed by signal {-error.returncode}"
        if reason:
            break
    ratios = [a["tokens_per_second"] / b["tokens_per_second"] for a, b in zip(mine, theirs, strict=False)]
    ratio = {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)} if ratios else None
    said = {"workload": workload.name, "peer": title, "ratio": ratio, "whet": mine, "peer_figures": theirs}
    return {**said, "dtype": workload.dtype, "hardware": environment(), **({"reason": reason} if reason else {})}


def _measured(peer: Peer, file: Path, asked: argparse.Namespace, workload: Workload) -> dict[str, Any]:
    """Run one side and return its figures."""
    target = file.with_name("measured.json")
    target.unlink(missing_ok=True)
    script = [str(HERE / "sides" / f"{peer.side}.py"), str(file), str(target), *peer.arguments]
    path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    quiet = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "DISABLE_VERSION_CHECK": "1"}
    if not asked.gpu:
        quiet["CUDA_VISIBLE_DEVICES"] = ""  # every side on the processor
    subprocess.run(
        [_python(peer), *script],
        check=True, capture_output=True, text=True, timeout=asked.limit,
        env={**os.environ, **quiet, "PYTHONPATH": path},
    )  # fmt: skip
    said = json.loads(target.read_text())
    if workload.prompts:
        tokens, seconds = said["new_tokens"], said["seconds"][0]
    else:
        tokens, seconds = sum(workload.counted[1:]), sum(said["seconds"][1:])
    return {"tokens_per_second": tokens / seconds, **said}


def _python(peer: Peer) -> str:
    """Return the interpreter of the peer's environment, which is made when it is first needed."""
    if not peer.needs:
        return sys.executable
    folder = HERE / ".peers" / peer.side
    python = folder / "bin" / "python"
    if not (folder / "done").exists():
        print(f"installing {', '.join(peer.needs)} ...", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        torch = next(line for line in PINNED.read_text().splitlines() if line.startswith("torch=="))
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", torch, *peer.needs],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        if peer.without:
            subprocess.run([str(python), "-m", "pip", "uninstall", "--quiet", "--yes", *peer.without], check=True)
        (folder / "done").touch()
    return str(python)


def line(result: dict[str, Any]) -> str:
    ours, theirs = result["whet"], result["peer_figures"]
    head = f"{result['workload']:15} {result['peer']:22}"
    if result["ratio"] is None:
        return f"{head} {result['reason']}"
    ratio = result["ratio"]
    speed, peer_speed = (statistics.median(one["tokens_per_second"] for one in side) for side in (ours, theirs))
    memory = ours[-1]["peak_memory_bytes"] / theirs[-1]["peak_memory_bytes"]
    line = f"{head} {speed:7.0f} / {peer_speed:6.0f} tokens/s = {ratio['median']:5.2f}"
    line += f" ({ratio['low']:.2f} to {ratio['high']:.2f})  memory {memory:.2f}"
    if ours[-1]["losses"]:
        return f"{line}  loss {ours[-1]['losses'][-1]:.3f} / {theirs[-1]['losses'][-1]:.3f}"
    same = sum(a == b for a, b in zip(ours[-1]["replies"], theirs[-1]["replies"], strict=True))
    return f"{line}  {same} of {len(ours[-1]['replies'])} replies the same"


if __name__ == "__main__":
    main()
