"""The method that learns from the rows, and what it has to know before the first step."""

import hashlib
import json
from collections.abc import Callable, Sequence
from statistics import fmean

from torch import Tensor

from whet.config.places import cache_folder
from whet.config.tree import Config
from whet.data.judged import Judged
from whet.data.split import draw_prompts, prompts
from whet.engines.local import Drawn, Local
from whet.errors import RunError
from whet.evals.evaluate import row_logprobs
from whet.methods._base import Method
from whet.methods._judged import FromJudged, Steps
from whet.methods.grpo import GRPO, Try
from whet.methods.sft import SFT
from whet.models.adapt import switched_off
from whet.models.checkpoint import steps as trained_steps
from whet.models.policy import Policy
from whet.plugins import find
from whet.runs.run import Run, disk, replace_whole
from whet.scorers._choose import choose
from whet.train.kinds import ONLINE
from whet.train.prepare import Prepared
from whet.train.stop import Stop
from whet.types import Progress, Prompt, Sampling, Scorer, Tokens

Likely = list[list[float]]


def method_of(
    config: Config, prepared: Prepared, steps: Steps, policy: Policy, run: Run, show: Progress, stop: Stop
) -> Method:
    """Return the method that the recipe names, ready for its first step.

    Raises:
        Interrupted: stopped while the reference was being asked. RunError: there is no reference to be had any more.
    """

    def between() -> None:
        stop.check(str(run.path))

    if prepared.method in ONLINE:
        return _online(config, prepared, steps, policy, between)
    if prepared.judged is None:
        validation = prepared.validation.rows if prepared.validation else ()
        first = config.optim.order or "random"
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


def _online(config: Config, prepared: Prepared, steps: Steps, policy: Policy, between: Callable[[], None]) -> Method:
    """Return the method that draws its own replies, from the weights that train."""
    options, sides = config.method, prepared.splits
    asked = prepared.asked
    fitting = prepared.fitting(prompts(sides.validation), options.longest)
    held_out = draw_prompts(fitting, config.eval.validation_limit)
    targets = [target for prompt in asked for target in prompt.targets]
    scorers: list[Scorer] = [find("scorers", name) for name in options.rewards or choose(targets, prepared.labels)[:1]]
    engine = Local(policy.model, prepared.renderer, prepared.context, packs=policy.packs)
    engine.between = between

    def draw(questions: Sequence[Prompt], temperature: float, seed: int) -> list[Try]:
        policy.model.eval()
        said = engine.sample(questions, Sampling(temperature, max_tokens=options.longest, seed=seed))
        policy.model.train()
        return [Try(_row(one), one.text, one.ended) for one in said]

    def score(prompt: Prompt, text: str) -> float:
        return fmean(scorer(prompt, text).value for scorer in scorers)

    def nats(rows: Sequence[Tokens]) -> list[Tensor]:
        policy.model.eval()
        found = [said for said, _ in row_logprobs(policy, rows, between)]
        policy.model.train()
        return found

    def reference(rows: Sequence[Tokens]) -> list[Tensor]:
        with switched_off(policy.model):
            return nats(rows)

    return GRPO(asked, steps, options, draw=draw, score=score, now=nats, reference=reference, held_out=held_out)


def _row(drawn: Drawn) -> Tokens:
    ids = (*drawn.prompt, *drawn.said)
    return Tokens(ids, tuple(float(at >= len(drawn.prompt)) for at in range(len(ids))))


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
