"""What a finished model says about how it was trained, for those who ask it later."""

from typing import Any

from whet.config.tree import Config
from whet.data.form import form_of
from whet.train.prepare import Prepared


def about_model(config: Config, prepared: Prepared) -> dict[str, Any]:
    """Return what whet.json keeps beside a model; `rows` says how its training file was read."""
    form = form_of(config.data)
    return {
        "base_weights": prepared.base_weights,
        "kind": config.adapter.kind,
        "quantize": config.model.quantize,
        "template": prepared.renderer.digest,
        "instruction": prepared.instruction,
        "longest": prepared.longest,
        "labels": list(prepared.labels),
        **({"scores": True} if prepared.method == "reward" else {}),
        "rows": form.as_dict() if form else None,
    }
