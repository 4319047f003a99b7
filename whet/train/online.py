"""What a method that draws its own replies is given: the model as it is, the one training began with, and scorers."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from whet.config.tree import Config
from whet.data.split import draw_prompts, prompts
from whet.engines.local import Local
from whet.methods._judged import Steps
from whet.methods._rollout import Draw, FromRewards, Said, Tools, Try
from whet.models.adapt import switched_off
from whet.models.batch import collate, cut
from whet.models.checkpoint import steps as trained_steps
from whet.models.policy import Policy
from whet.plugins import find
from whet.runs.run import Run, disk, replace_whole
from whet.train.prepare import Prepared
from whet.types import Prompt, Sampling, Tokens

FOLDER = "drawn"


def online(
    config: Config,
    prepared: Prepared,
    steps: Steps,
    policy: Policy,
    begun: Policy | None,
    run: Run,
    between: Callable[[], None],
) -> FromRewards:
    """Return the method that draws its own replies, from the weights that train.

    `begun` is the model that training began with, where it is not what is left when the adapter is switched off.
    """
    options, sides = config.method, prepared.splits
    kind: type[FromRewards] = find("methods", prepared.method)
    fitting = prepared.fitting(prompts(sides.validation), options.longest)
    held_out = draw_prompts(fitting, config.eval.validation_limit)
    assert prepared.rewards is not None
    prepared.rewards.tell = lambda why: run.log("events", event="unscored", what=why)
    prepared.rewards.stop_with(between)
    policy.temper(options.temperature)

    def now(rows: Sequence[Tokens]) -> list[Said]:
        return said_of(policy, rows, steps.tokens, between)

    def start(rows: Sequence[Tokens]) -> list[Said]:
        if begun:
            begun.temper(options.temperature)
            return said_of(begun, rows, steps.tokens, between)
        with switched_off(policy.model):
            return now(rows)

    again = options.updates or kind.updates
    keep, kept = kept_in(run, again)
    return kind(
        prepared.asked,
        steps,
        options,
        Tools(drawing(config, prepared, policy, between), prepared.rewards, now, start, keep, kept),
        held_out,
    )


def drawing(config: Config, prepared: Prepared, policy: Policy, between: Callable[[], None]) -> Draw:
    """Return what draws replies from the weights that train, as they are when it is asked."""
    engine = Local(policy.model, prepared.renderer, prepared.context, packs=policy.packs)
    engine.between = between

    def drawn(questions: Sequence[Prompt], temperature: float, seed: int) -> list[Try]:
        was_training = policy.model.training
        policy.model.eval()
        try:
            said = engine.sample(questions, Sampling(temperature, max_tokens=config.method.longest, seed=seed))
        finally:
            policy.model.train(was_training)
        return [Try(_row((*one.prompt, *one.said), len(one.prompt)), one.text, one.ended) for one in said]

    return drawn


def asks_the_start(config: Config, prepared: Prepared) -> bool:
    """Say whether training asks the model it began with of replies that are yet to be drawn."""
    kind: type[FromRewards] = find("methods", prepared.method)
    return kind.refers or bool(kind.kl if config.method.kl is None else config.method.kl)


def _row(ids: tuple[int, ...], begin: int) -> Tokens:
    return Tokens(ids, tuple(float(at >= begin) for at in range(len(ids))))


@torch.inference_mode()
def said_of(policy: Policy, rows: Sequence[Tokens], tokens: int, between: Callable[[], None]) -> list[Said]:
    """Return what a policy says of each row, in order, and leave it training if it was."""
    was_training = policy.model.training
    policy.model.eval()
    found: dict[int, Said] = {}
    place = {id(row): at for at, row in enumerate(rows)}
    try:
        for part in cut(rows, tokens, padded=not policy.packs):
            between()
            batch = collate(part, share=policy.packs)
            out = policy(batch)
            nats, values = out.logprobs.cpu(), None if out.values is None else out.values.cpu()
            for at, row in enumerate(part):
                trains = batch.weights[at] > 0
                found[place[id(row)]] = Said(nats[at][trains], None if values is None else values[at][trains])
    finally:
        policy.model.train(was_training)
    return [found[at] for at in range(len(rows))]


def kept_in(
    run: Run, again: int
) -> tuple[Callable[[int, Mapping[str, Any]], None], Callable[[int], Mapping[str, Any] | None]]:
    """Return what writes a drawing into the run's folder under its number, and what reads it again.

    Those that neither of the two newest checkpoints goes on from are removed.
    """
    folder = run.path / FOLDER

    def file(number: int) -> Path:
        return folder / f"{number:08d}.json"

    def keep(number: int, drawing: Mapping[str, Any]) -> None:
        with disk(folder):
            folder.mkdir(exist_ok=True)
        replace_whole(file(number), json.dumps(drawing))
        oldest = min(list(trained_steps(run.path))[-2:], default=0) // again
        for old in sorted(folder.glob("*.json")):
            if int(old.stem) < oldest - 1:
                old.unlink()

    def kept(number: int) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = json.loads(file(number).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found

    if not list(trained_steps(run.path)):
        with disk(folder):
            shutil.rmtree(folder, ignore_errors=True)
    return keep, kept
