"""What a model forgot: general questions before and after tuning, and an adapter weakened until it keeps to a budget.

One half of every suite chooses how strong the adapter is, the other half judges what was kept.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from whet.config.adapters import LINEAR
from whet.config.tree import Config
from whet.engines.local import Local
from whet.engines.open import open_model
from whet.errors import UsageError
from whet.evals.bounds import bound, numbers
from whet.evals.divergence import divergences
from whet.evals.evaluate import replied, row_losses
from whet.evals.likelihood import continuation, scored
from whet.evals.stats import mean_interval, paired_difference
from whet.evals.suites import Item, Suite, load_suite
from whet.models.adapt import scaled, switched_off, weaken
from whet.models.policy import Policy
from whet.runs.run import Run
from whet.train.prepare import Prepared
from whet.types import Progress, Tokens

SCALES = (1.0, 0.8, 0.6, 0.4, 0.2)  # of the adapter, the strongest first
FILE = "forgetting.json"


@dataclass(frozen=True, slots=True)
class Panel:
    """Suites in two halves, parted by content."""

    choosing: tuple[Suite, ...]
    judging: tuple[Suite, ...]


def panel(config: Config) -> Panel | None:
    """Return the suites that a recipe names, before anything costs time.

    Raises:
        UsageError: a budget without suites, or for a model without an adapter. DataError: a suite that is not sound.
    """
    if config.eval.forgetting is not None and not config.eval.panel:
        raise UsageError("eval.forgetting: nothing says what must not be forgotten; name suites with eval.panel=FOLDER")
    if config.eval.forgetting is not None and config.adapter.kind not in LINEAR:
        what = "only an adapter" if config.adapter.kind == "full" else f"no {config.adapter.kind}"
        raise UsageError(f"eval.forgetting: {what} can be weakened; use adapter.kind=lora, or mix rows in")
    if not config.eval.panel:
        return None
    suites = [load_suite(name) for name in config.eval.panel]
    if config.eval.forgetting is None:
        return Panel((), tuple(_drawn(suite, config.eval.limit) for suite in suites))
    if not any(suite.kind == "choice" for suite in suites):
        raise UsageError("eval.forgetting: a text has no right and wrong answers; name a suite of choices as well")
    halves = [_halves(_drawn(suite, 2 * config.eval.limit)) for suite in suites]
    return Panel(tuple(one for one, _ in halves if one.kind == "choice"), tuple(other for _, other in halves))


def _digest(item: Item) -> str:
    return hashlib.sha256(repr((item.prompt, item.choices)).encode("utf-8", "replace")).hexdigest()


def _drawn(suite: Suite, limit: int) -> Suite:
    return replace(suite, items=tuple(sorted(suite.items, key=_digest)[:limit]))


def _halves(suite: Suite) -> tuple[Suite, Suite]:
    if len(suite.items) == 1:
        raise UsageError(f"eval.panel: {suite.name} has one item; two are needed to choose by one and judge by another")
    return replace(suite, items=suite.items[0::2]), replace(suite, items=suite.items[1::2])


def keep_to_budget(
    run: Run, config: Config, prepared: Prepared, asked: Panel, show: Progress, between: Callable[[], None]
) -> dict[str, Any]:
    """Weaken the saved adapter until general questions are answered as well as before, but for the budget.

    The strongest of a few scales is taken that loses no more than the budget on the choosing halves. Returns the curve:
    what each scale keeps, and the loss (nats a token) that the validation rows have at it.

    Source: Wortsman et al. 2022, arXiv:2109.01903, section 3, for weights between those before and after tuning; an
    adapter that is scaled is that.
    """
    budget = config.eval.forgetting or 0.0
    if (run.path / FILE).exists():
        found: dict[str, Any] = run.read_json(FILE)
    else:
        engine = open_model(str(run.path), config.model, show.say).engine
        with switched_off(engine.model):
            before = _mean(engine, asked.choosing, "the base", show, between)
        curve, held = [], False
        for scale in SCALES:
            with scaled(engine.model, scale):
                kept = _mean(engine, asked.choosing, f"the adapter at {scale:g}", show, between)
                loss = _validation(engine, prepared)
            curve.append({"scale": scale, "change": kept - before, "validation_loss": loss})
            if held := kept - before >= -budget - 1e-9:  # of 20 items one is 0.05, which floats make a little more
                break
        found = {"budget": budget, "scale": scale, "chosen_within": held, "curve": curve}
        run.write_json(FILE, found)
    if found["scale"] < 1:
        weaken(run.path / "model", found["scale"])
        show.say(f"the adapter is kept at {found['scale']:g} of its strength, as general questions suffered from more")
    return found


def forgotten(
    config: Config, asked: Panel, tuned: Local, base: Local, show: Progress, between: Callable[[], None]
) -> dict[str, Any]:
    """Return how the tuned model and its base answer general questions, with the paired difference of each suite.

    Of a suite of texts it is the log-loss, nats a token, of which less is better. `divergence` is how far what is said
    next was moved on each suite's own words, KL(base || tuned) in nats a token: what moves before answers do. `base`
    may be the tuned model, whose adapter is then switched off.
    """
    options: dict[str, Any] = {
        "resamples": config.eval.resamples, "confidence": config.eval.confidence, "seed": config.seed,
    }  # fmt: skip
    with switched_off(base.model):
        before = {suite.name: _marks(base, suite, "the base", show, between) for suite in asked.judging}
    after = {suite.name: _marks(tuned, suite, "the tuned model", show, between) for suite in asked.judging}
    moved = {suite.name: _moved(tuned, base, suite, show, between) for suite in asked.judging}

    def told(old: Sequence[float], new: Sequence[float]) -> dict[str, Any]:
        gap = paired_difference(new, old, **options)
        return {
            "base": numbers(mean_interval(old, **options)),
            "tuned": numbers(mean_interval(new, **options)),
            "difference": {"value": gap.value, "low": bound(gap.low), "high": bound(gap.high), "p_value": gap.p_value},
            "items": len(old),
        }

    found: dict[str, Any] = {
        "suites": {
            suite.name: {
                **told(before[suite.name], after[suite.name]),
                "metric": suite.decides,
                "divergence": numbers(mean_interval(moved[suite.name], **options)),
            }
            for suite in asked.judging
        }
    }
    asked_right = [suite.name for suite in asked.judging if suite.kind != "text"]
    if asked_right:
        every = told(*([mark for name in asked_right for mark in side[name]] for side in (before, after)))
        far = [nats for name in asked_right for nats in moved[name]]
        found |= {
            "all": {**every, "metric": "right answers", "divergence": numbers(mean_interval(far, **options))},
            "sentence": _sentence(every["difference"], config.eval.forgetting),
        }
    return found


def _sentence(gap: Mapping[str, Any], budget: float | None) -> str:
    """Return in words what was forgotten."""
    value, low, high = gap["value"], gap["low"], gap["high"]
    bounded = low is not None and high is not None
    around = f"{value:+.3f}" + (f" ({low:+.3f} to {high:+.3f})" if bounded else "")
    if not bounded or low <= 0 <= high:
        said = f"General questions are answered as well as before, as far as can be told: {around}"
    else:
        said = f"General questions are answered {'better' if value > 0 else 'worse'} than before: {around}"
    if budget is None:
        return f"{said}."
    if bounded and low >= -budget:
        return f"{said}, within the budget of {budget:g}."
    if value >= -budget:
        return f"{said}, within the budget of {budget:g} by its value, though the interval reaches beyond it."
    return f"{said}, over the budget of {budget:g}."


def _marks(engine: Local, suite: Suite, who: str, show: Progress, between: Callable[[], None]) -> list[float]:
    show.begin(f"asking {who}: {suite.name}", len(suite.items))
    if suite.kind == "reply":
        engine.between = between
        return [answer.scores[suite.decides].value for answer in replied(engine, suite, show)]
    answers = scored(Policy(engine.model), engine.renderer, suite, engine.context, between, show.advance)
    if suite.kind == "text":
        return [float(answer.reply.log_loss or 0.0) for answer in answers]
    return [answer.scores[suite.decides].value for answer in answers]


def _moved(tuned: Local, base: Local, suite: Suite, show: Progress, between: Callable[[], None]) -> list[float]:
    """Return the divergence of each item, over its question and right answer, or its text."""
    show.begin(f"how far words moved: {suite.name}", len(suite.items))
    rows = [_all_of(tuned, item) for item in suite.items]
    policies = Policy(tuned.model), Policy(base.model)
    return divergences(*policies, rows, between, show.advance)


def _all_of(engine: Local, item: Item) -> Tokens:
    said = item.between + (*item.choices, "")[item.gold]
    ids = continuation(engine.renderer, item.prompt, said, engine.context).ids
    return Tokens(ids, tuple(float(at > 0) for at in range(len(ids))))


def _mean(engine: Local, suites: Sequence[Suite], who: str, show: Progress, between: Callable[[], None]) -> float:
    return fmean(mark for suite in suites for mark in _marks(engine, suite, who, show, between))


def _validation(engine: Local, prepared: Prepared) -> float | None:
    if prepared.validation is None or not prepared.validation.rows:
        return None
    return fmean(row_losses(Policy(engine.model), prepared.validation.rows))
