"""What can be wrong with the main job, found before anything costs time."""

from collections.abc import Sequence
from dataclasses import dataclass

from whet.config.tree import Config
from whet.data.judged import Judged
from whet.data.preflight import reply_length
from whet.data.swaps import axes_of
from whet.engines.endpoint import Endpoint, from_name
from whet.engines.fewshot import last_exchange
from whet.errors import DataError, Problem, UsageError
from whet.train.prepare import Prepared, prepare
from whet.tune import compare
from whet.tune.contenders import examples, without_examples
from whet.tune.fairness import Swapped, swapped_of
from whet.tune.forgetting import Panel, panel
from whet.tune.preferring import heed, held_out, scored
from whet.tune.questions import Questions, questions
from whet.tune.several import opened
from whet.tune.where import Parts, parts
from whet.types import Chat, Message, Progress, Prompt, Sampling, Scorer, Text


@dataclass(frozen=True, slots=True)
class Exam:
    """What everybody is asked, and who judges it, where answers are learned."""

    asked: Questions
    sampling: Sampling
    scorers: dict[str, Scorer]
    servers: dict[str, Endpoint]
    by: Parts
    swapped: Swapped | None


@dataclass(frozen=True, slots=True)
class Foreseen:
    """The rows of a job, and what it is judged by: an exam, held-out judged replies (`seen` as a reward model sees
    them), or of raw text neither.
    """

    prepared: Prepared
    general: Panel | None
    exam: Exam | None = None
    groups: tuple[Judged, ...] = ()
    seen: tuple[Judged, ...] = ()


def foresee(config: Config, show: Progress) -> Foreseen:
    """Return all that a job needs before it trains, or every reason why it cannot be.

    Raises:
        DataError, UsageError, ModelError, EndpointError: each names the key, or the file and line, and the way out.
    """
    prepared = prepare(config, show)
    _demand_test(config, prepared)
    without_examples(config, examples(prepared.splits.train), lambda _: None)  # what cannot be shown is told at once
    sampling = _sampling(config, prepared)
    general = panel(config)
    if config.eval.judge:
        opened(config.eval.judge, config, show)
    if prepared.judged is not None:
        return Foreseen(prepared, general, None, *_judged(config, prepared))
    if isinstance(prepared.splits.test[0], Text):
        return Foreseen(prepared, general)
    asked = questions(config, prepared, sampling.max_tokens)
    for note in asked.notes:
        show.say(note)
    scorers, servers = _scorers(config, asked.prompts, prepared), _servers(config)
    by, swapped = parts(asked.prompts, config.eval.slices), _swapped(config, asked.prompts, prepared)
    return Foreseen(prepared, general, Exam(asked, sampling, scorers, servers, by, swapped))


def _judged(config: Config, prepared: Prepared) -> tuple[tuple[Judged, ...], tuple[Judged, ...]]:
    """Return the held-out judged replies, and the same as a reward model sees them."""
    heed(config, prepared.method)
    groups = held_out(config, prepared)
    if prepared.method != "reward":
        return groups, ()
    seen = scored(config, prepared)
    # a row at the border of what is too long may be one of them alone
    known = {group.source for group in groups} & {group.source for group in seen}
    kept, both = (tuple(one for one in side if one.source in known) for side in (groups, seen))
    return kept, both


def _demand_test(config: Config, prepared: Prepared) -> None:
    if not prepared.splits.test:
        where = str(config.data.test or config.data.train)
        raise DataError([Problem(where, 0, "no row to judge on; give a file with --test, or raise data.shares")])
    kinds = {type(row) for row in (*prepared.splits.test, *prepared.splits.train)}
    if len(kinds) > 1:
        raise DataError(
            [Problem(str(config.data.test), 0, "raw text and conversations cannot be judged against each other")]
        )
    what = "nothing is asked before the answer, so it cannot be judged; add a user message or remove the row"
    alone = [
        row.source.rpartition(":") for row in prepared.splits.test if isinstance(row, Chat) and not row.messages[1:]
    ]
    if alone:
        raise DataError([Problem(path, int(line or 0), what) for path, _, line in alone])
    shown = any(isinstance(row, Chat) and last_exchange(row) for row in prepared.splits.train)
    if "few_shot" in config.eval.contenders and kinds == {Chat} and not shown:
        raise UsageError(
            "eval.contenders: few_shot has no training row with a question to show; leave it out with "
            "eval.contenders=[zero_shot,tuned]"
        )


def _sampling(config: Config, prepared: Prepared) -> Sampling:
    longest = config.eval.max_tokens or (reply_length(prepared.own) if prepared.train.trained else prepared.drawn)
    choices = compare.choices(config.eval, prepared.labels)
    asked = Prompt((Message("user", "?"),))
    ways = [prepared.renderer.answer(asked, choice) for choice in choices]
    most = max([longest, *(len(whole) - begin for whole, begin in ways)])
    return Sampling(config.eval.temperature, max_tokens=most, seed=config.seed, choices=choices)


def _scorers(config: Config, asked: Sequence[Prompt], prepared: Prepared) -> dict[str, Scorer]:
    """Return the scorers; a misspelt one, or one that fails, is told before training.

    Prompts without answers are judged by the reward that is learned from, unless others are named.
    """
    if prepared.rewards and not config.eval.scorers and isinstance(prepared.splits.train[0], Prompt):
        return dict(prepared.rewards.as_scorers)
    targets = [target for prompt in asked for target in prompt.targets]
    scorers = compare.scorers_for(config.eval, targets, prepared.labels)
    compare.try_out(scorers, asked)
    return scorers


def _servers(config: Config) -> dict[str, Endpoint]:
    """Return the models behind servers, before anything costs time.

    Raises:
        UsageError: a name that is none, or a server that cannot do what everybody is asked to. EndpointError: no reply.
    """
    if config.eval.endpoints and config.eval.choose:
        raise UsageError("eval.choose: a server cannot choose among labels; leave it out, or eval.endpoints")
    found = {}
    for name in config.eval.endpoints:
        if (engine := from_name(name)) is None:
            raise UsageError(f"eval.endpoints: {name!r} is no server; write http://host:port/v1#model")
        found[name] = engine
    return found


def _swapped(config: Config, asked: Sequence[Prompt], prepared: Prepared) -> Swapped | None:
    """Return the test questions that speak of groups of people, with their twins, if they are to be asked."""
    if not config.eval.swaps:
        return None
    axes = axes_of(",".join(config.eval.swaps), "eval.swaps")
    return swapped_of(asked, axes, "eval.swaps", labelled=bool(prepared.labels), limit=config.eval.limit)
