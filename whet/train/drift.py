"""A run goes on with what it was begun with, or says what changed."""

import torch

from whet.config.load import digest
from whet.config.tree import Config
from whet.errors import DriftError
from whet.models.load import device_of
from whet.runs.run import Run
from whet.train.prepare import Prepared


def check_drift(config: Config, run: Run, prepared: Prepared, allow: bool) -> None:
    """Remember what a run was begun with, or make sure that it is still so.

    Raises:
        DriftError: something changed, every such thing is named; `allow` records it instead.
    """
    now = {
        **prepared.fingerprint(config),
        "recipe": digest(config),
        "torch": torch.__version__,
        "device": device_of(config.model.device).type,
        "threads": str(torch.get_num_threads()),
    }
    file = run.path / "fingerprint.json"
    if not file.exists():
        run.write_json("fingerprint.json", now)
        return
    then = run.read_json("fingerprint.json")
    changed = [name for name in sorted({*now, *then}) if now.get(name) != then.get(name)]
    if changed and not allow:
        lines = [f"  {name}: was {then.get(name)}, is {now.get(name)}" for name in changed]
        raise DriftError(
            "\n".join(
                [
                    f"{run.path}: changed since this run was begun:",
                    *lines,
                    "put it back as it was, start a new run, or resume with --allow-drift (it is then recorded)",
                ]
            )
        )
    if changed:
        run.log(
            "events",
            event="drift allowed",
            changed={name: [then.get(name), now.get(name)] for name in changed},
        )
        run.write_json("fingerprint.json", now)
