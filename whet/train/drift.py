"""A run goes on with what it was begun with, or says what changed."""

from collections.abc import Mapping

import torch

from whet.config.load import digest
from whet.config.tree import Config
from whet.errors import DriftError
from whet.models.load import device_of
from whet.runs.lineage import environment
from whet.runs.run import Run
from whet.train.prepare import Prepared

LEARNED = ("training rows", "chat template and tokenizer", "base weights")
"""What a finished model is made of: no later change of it can be recorded, only learned from anew."""


def check_drift(
    config: Config, run: Run, prepared: Prepared, allow: bool, ended: Mapping[str, str] | None = None
) -> None:
    """Remember what a run was begun with, or make sure that it is still so.

    `ended` is what training ended with, where it has.

    Raises:
        DriftError: something changed, every such thing is named; `allow` records it instead, unless it is something
            that a finished model has learned from.
    """
    made = _made_by()
    now = {
        **prepared.fingerprint(config),
        "recipe": digest(config),
        **made,
        "device": device_of(config.model.device).type,
        "threads": str(torch.get_num_threads()),
    }
    file = run.path / "fingerprint.json"
    if not file.exists():
        run.write_json("fingerprint.json", now)
        return
    then = {**made, **run.read_json("fingerprint.json")}  # older runs did not note all of these
    if ended and (lost := _changes({name: ended.get(name) for name in LEARNED}, {name: now[name] for name in LEARNED})):
        raise DriftError(
            "\n".join(
                [
                    f"{run.path}: changed since this run's training ended, so its model has not seen it:",
                    *(f"  {line}" for line in lost),
                    "put it back as it was, or start a new run; --allow-drift cannot help here",
                ]
            )
        )
    changes = _changes(then, now)
    if changes and not allow:
        raise DriftError(
            "\n".join(
                [
                    f"{run.path}: changed since this run was begun:",
                    *(f"  {line}" for line in changes),
                    "put it back as it was, start a new run, or resume with --allow-drift (it is then recorded)",
                ]
            )
        )
    if changes:
        when = "after training ended" if ended else "before training ended"
        run.log(
            "events",
            event="drift allowed",
            what=f"changed {when}: {'; '.join(changes)}",
            changed={
                name: [then.get(name), now.get(name)]
                for name in sorted({*now, *then})
                if now.get(name) != then.get(name)
            },
        )
        run.write_json("fingerprint.json", now)


def _made_by() -> dict[str, str]:
    """Return the versions and the processor that a step's last bits depend on."""
    here, names = environment(), ("transformers", "peft", "whet-llm", "processor")
    return {"torch": torch.__version__, **{name: here[name] for name in names}}


def _changes(then: Mapping[str, str | None], now: Mapping[str, str | None]) -> list[str]:
    """Return a line for everything that is not as it was."""
    names = [name for name in sorted({*now, *then}) if now.get(name) != then.get(name)]
    return [f"{name}: was {then.get(name)}, is {now.get(name)}" for name in names]
