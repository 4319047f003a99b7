"""The method that learns from the rows, and what it has to know before the first step."""

import hashlib
import json
from collections.abc import Callable, Sequence

from whet.config.places import cache_folder
from whet.config.tree import Config
from whet.data.judged import Judged
from whet.errors import RunError
from whet.evals.evaluate import row_logprobs
from whet.methods._base import Method
from whet.methods._judged import FromJudged, Steps
from whet.methods.distil import Distil
from whet.methods.sft import SFT
from whet.models.adapt import switched_off
from whet.models.checkpoint import steps as trained_steps
from whet.models.policy import Policy
from whet.plugins import find
from whet.runs.run import Run, disk, replace_whole
from whet.train.kinds import ONLINE
from whet.train.online import drawing, online
from whet.train.prepare import Prepared
from whet.train.stop import Stop
from whet.types import Progress, Tokens

Likely = list[list[float]]


def method_of(
    config: Config,
    prepared: Prepared,
    steps: Steps,
    policy: Policy,
    run: Run,
    show: Progress,
    stop: Stop,
    begun: Policy | None = None,
) -> Method:
    """Return the method that the recipe names, ready for its first step.

    `begun` is a copy of the model that training began with, where a method asks it of what is yet to be drawn.

    Raises:
        Interrupted: stopped while the reference was being asked. RunError: there is no reference to be had any more.
    """

    def between() -> None:
        stop.check(str(run.path))

    if prepared.method in ONLINE:
        return online(config, prepared, steps, policy, begun, run, between)
    validation = prepared.validation.rows if prepared.validation else ()
    first = config.optim.order or "random"
    if prepared.method == "distil":
        asked = {one.source: one for one in prepared.own_questions}
        return Distil(
            prepared.train.rows, steps, config.method, asked=asked, draw=drawing(config, prepared, policy, between),
            first=first, held_out=validation,
        )  # fmt: skip
    if prepared.judged is None:
        return SFT(
            prepared.train.rows, steps.rows, steps.tokens, steps.seed, packs=steps.packs, first=first,
            held_out=validation,
        )  # fmt: skip
    kind: type[FromJudged] = find("methods", prepared.method)
    held_out = prepared.held_out
    groups = (*prepared.judged, *held_out)
    reference = _reference(config, prepared, groups, policy, run, show, between) if kind.refers else []
    return kind(
        prepared.judged, steps, config.method, likely=lambda rows: likelihood(policy, rows, between),
        reference=reference, held_out=held_out,
    )  # fmt: skip


def likelihood(
    policy: Policy,
    rows: Sequence[Tokens],
    between: Callable[[], None] = lambda: None,
    done: Callable[[float], None] = lambda _: None,
) -> list[float]:
    """Return how likely the model finds what trains in each row, in nats, and leave it training if it was."""
    was_training = policy.model.training
    policy.model.eval()
    try:
        return [float(said.sum()) for said, _ in row_logprobs(policy, rows, between, done)]
    finally:
        policy.model.train(was_training)


def _reference(
    config: Config,
    prepared: Prepared,
    groups: Sequence[Judged],
    policy: Policy,
    run: Run,
    show: Progress,
    between: Callable[[], None],
) -> Likely:
    """Return what the model that training began with says of every row, asked once for the same rows and weights.

    Of an adapter that is the base, with the adapter switched off. Where all weights train it is the model before its
    first step, so what it said is kept with the run.
    """
    precision = f"{next(policy.model.parameters()).dtype}, exact: {policy.exact}"
    about = [prepared.base_weights, precision, str(config.model.quantize)]
    digest = hashlib.sha256(json.dumps(about).encode())
    for group in groups:
        for row in group.every:
            digest.update(json.dumps([row.ids, row.weights]).encode())
    name = f"{digest.hexdigest()[:32]}.json"
    places = [run.path / "reference.json", cache_folder() / "references" / name]
    for place in places:
        found = json.loads(place.read_text()) if place.is_file() else {}
        if found.get("about") == name:
            if place != places[0]:
                replace_whole(places[0], json.dumps(found))
            return found["nats"]  # type: ignore[no-any-return]
    if config.adapter.kind == "full" and any(trained_steps(run.path)):
        raise RunError(f"{run.path}: its reference.json is gone or of other rows; put it back, or begin a new run")
    rows = [row for group in groups for row in group.every]
    show.begin("asking the reference", len(rows))
    with switched_off(policy.model):
        said = iter(likelihood(policy, rows, between, show.advance))
    nats = [[next(said) for _ in group.every] for group in groups]
    with disk(places[1]):
        places[1].parent.mkdir(parents=True, exist_ok=True)
    for place in places:
        replace_whole(place, json.dumps({"about": name, "nats": nats}))
    return nats
