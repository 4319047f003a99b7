"""What trains and what validates, as tokens: answers, questions whose replies are yet to be drawn, judged replies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from whet.config.tree import Config
from whet.data.judged import Judged, RenderedJudged, render_judged
from whet.data.preflight import Rendered, render_all
from whet.data.render import Renderer
from whet.data.split import Splits, draw, prompts
from whet.errors import DataError, ModelError, Problem, UsageError
from whet.train.kinds import ONLINE
from whet.train.mix import mix
from whet.types import Chat, Example, Feedback, Preference, Prompt, Text, Tokens


@dataclass(frozen=True, slots=True)
class Lessons:
    """What trains and validates, as tokens."""

    train: Rendered
    validation: Rendered | None
    notes: Sequence[str]
    mixed: int = 0
    digests: Mapping[str, str] = field(default_factory=dict)
    judged: tuple[Judged, ...] | None = None
    held_out: tuple[Judged, ...] = ()


def answers(config: Config, splits: Splits, renderer: Renderer, longest: int, method: str) -> Lessons:
    """Return answers to be learned."""
    data = config.data
    if method in ONLINE:
        _unmixed(config, method)
    mixed = mix(data, splits)
    besides = render_all(mixed.rows, renderer, data, longest) if mixed.rows else Rendered(())
    train = besides + render_all(splits.train, renderer, data, longest)
    held_out = draw(splits.validation, config.eval.validation_limit)
    validation = render_all(held_out, renderer, data, longest) if held_out else None
    notes = [*mixed.notes, *train.notes()]
    return Lessons(train, validation, notes, len(besides.rows), dict(mixed.digests))


def _unmixed(config: Config, method: str) -> None:
    if config.data.mix:
        raise UsageError(f"data.mix: {method} learns from its own replies, so nothing can be mixed in; leave it out")


def questions(config: Config, splits: Splits, renderer: Renderer, longest: int, method: str) -> Lessons:
    """Return prompts whose replies are yet to be drawn: as tokens, of which none trains.

    Raises:
        DataError: the template refuses some of them, or all are too long.
    """
    _unmixed(config, method)

    def rendered(examples: Sequence[Example]) -> Rendered:
        rows, problems = list[Tokens](), list[Problem]()
        for prompt in prompts(examples):
            path, _, line = prompt.source.rpartition(":")
            try:
                ids = renderer.prompt(prompt.messages, prompt.tools)
            except ModelError as error:
                what = f"{error}; change the row, or choose a model whose template takes it"
                problems.append(Problem(path, int(line) if line.isdigit() else 0, what))
                continue
            rows.append(Tokens(tuple(ids), (0.0,) * len(ids), prompt.source))
        if problems:
            raise DataError(problems)
        kept = tuple(row for row in rows if len(row.ids) <= longest)
        return Rendered(kept, dropped=len(rows) - len(kept), written=tuple(len(row.ids) for row in rows))

    train = rendered(splits.train)
    if not train.rows:
        raise DataError([Problem(str(config.data.train), 0, "every prompt is longer than data.max_tokens")])
    held_out = rendered(draw(splits.validation, config.eval.validation_limit))
    return Lessons(train, held_out if held_out.rows else None, train.notes())


def replies(config: Config, splits: Splits, renderer: Renderer, longest: int, method: str) -> Lessons:
    """Return judged replies to learn from, by prompt."""
    if config.data.mix:
        raise UsageError("data.mix: only answers can be mixed in (method.name=sft); leave it out")

    def rendered(examples: Sequence[Example]) -> RenderedJudged:
        rows = [row for row in examples if isinstance(row, Preference | Feedback)]
        how = {"single": method == "kto", "scored": method == "reward"}
        return render_judged(rows, renderer, config.data, longest, **how)

    def flat(groups: Sequence[Judged]) -> Rendered:
        return Rendered(tuple(row for group in groups for row in group.rows))

    train = rendered(splits.train)
    held_out = draw(splits.validation, config.eval.validation_limit)
    groups = rendered(held_out).groups if held_out else ()
    validation = flat(groups) if groups else None
    return Lessons(flat(train.groups), validation, train.notes(), judged=train.groups, held_out=groups)


def lessons_of(config: Config, splits: Splits, renderer: Renderer, longest: int, method: str) -> Lessons:
    """Return what the rows of each side are to a method.

    Raises:
        DataError: every row that cannot be learned from. UsageError: something is mixed in that cannot be.
    """
    first = splits.train[0]
    way = answers if isinstance(first, Chat | Text) else questions if isinstance(first, Prompt) else replies
    return way(config, splits, renderer, longest, method)
