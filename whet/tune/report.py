"""What a report says of a run besides its comparisons, and what of it `--json` prints."""

import time
from typing import Any

from whet.config.adapters import settled
from whet.config.load import dump
from whet.config.tree import Config
from whet.data.trail import follow
from whet.models.source import BUILT_IN
from whet.runs.run import Run
from whet.train.plan import make
from whet.train.prepare import Prepared
from whet.train.train import Trained

BESIDE = ("doctor", "distilled", "forgetting", "judged", "seeds", "moved", "moved_sentence", "length_correlation")


def described(
    config: Config, run: Run, prepared: Prepared, trained: Trained, begun: float, asked: float
) -> dict[str, Any]:
    """Return everything about the run that is not a comparison."""
    known = BUILT_IN.get(config.model.name)
    plan = make(config, prepared.count, prepared.hidden, prepared.method)
    metrics, evals = list(run.read("metrics")), list(run.read("evals"))
    drifted = [event["what"] for event in run.read("events") if event["event"] == "drift allowed" and "what" in event]
    return {
        "run": str(run.path),
        "created": run.read_json("run.json")["created"],
        "seconds": {
            "total": time.time() - begun,
            "training": trained.seconds,
            "evaluation": time.time() - asked,
        },
        "training": {
            **trained.as_dict(),
            "plan": plan.as_dict(),
            "history": {
                "train": [[entry["step"], entry["loss"]] for entry in metrics],
                "validation": [[entry["step"], entry["loss"]] for entry in evals],
            },
        },
        "data": {
            "files": dict(prepared.digests),
            "trails": {path: trail for path in prepared.digests if (trail := follow(path)[0])},
            "rows": {side: len(getattr(prepared.splits, side)) for side in ("train", "validation", "test")}
            | ({"mixed in": prepared.mixed} if prepared.mixed else {}),
            "tokens": prepared.train.tokens,
            "trained_tokens": prepared.train.trained,
            "longest": prepared.longest,
            "lengths": [len(row.ids) for row in prepared.train.rows],
            "notes": [*prepared.notes, *drifted],
            "instruction": prepared.instruction,
            "shape": prepared.shape,
        },
        "base": {
            "name": prepared.base.name,
            "origin": prepared.base.origin,
            "public_name": prepared.base.public_name,
            "license": known.license if known else None,
            "quantize": config.model.quantize,
        },
        "method": prepared.method,
        "adapter": settled(config.adapter),
        "recipe": dump(config),
        "environment": run.read_json("run.json")["environment"],
        "lineage": learned_from(run),
    }


def learned_from(run: Run) -> dict[str, str]:
    """Return what training ended with."""
    found: dict[str, str] = run.read_json("trained.json").get("fingerprint") or run.read_json("fingerprint.json")
    return found  # runs that were trained before it was kept there have the other


def summary(report: dict[str, Any]) -> dict[str, Any]:
    """Return the object that `--json` prints: the contract of the main job."""
    found = report.get("verdict")
    fields = ("status", "metric", "difference", "low", "high", "rows", "baseline", "sentence")
    return {
        "run": report["run"],
        "model": f"{report['run']}/model",
        "verdict": {name: found[name] for name in fields} if found else None,
        "contenders": {name: figures["metrics"] for name, figures in report["contenders"].items()},
        **{name: report[name] for name in BESIDE if name in report},
        "seconds": round(report["seconds"]["total"], 1),
    }
