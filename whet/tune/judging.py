"""A judge for what no scorer can tell: which of two replies is better."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from whet.config.tree import Config
from whet.engines.local import Local
from whet.evals.bias.columns import Sure, decided
from whet.evals.bias.words import plain
from whet.evals.clusters import clusters
from whet.evals.evaluate import Answer, ask
from whet.evals.pairwise import LETTERS, WORDS, Votes, questions, vote, win_rate
from whet.types import Engine, Message, Progress, Sampling

Pair = tuple[Sequence[Message], str, str]  # what was asked, our reply, the other


def votes_of(
    judge: Engine, pairs: Sequence[Pair], config: Config, show: Progress, file: Path | None = None
) -> list[Votes]:
    """Return what a judge says of every pair, greedily, in both orders; one in memory chooses one of two letters."""
    asked = [at for at, (_, one, other) in enumerate(pairs) if one.strip() != other.strip()]
    prompts = [prompt for at in asked for prompt in questions(*pairs[at], config.eval.criterion)]
    sampling = Sampling(max_tokens=WORDS, choices=LETTERS if isinstance(judge, Local) else ())
    show.begin("judging", len(prompts))
    replies = ask(judge, prompts, sampling, show, file, f"judge {config.eval.judge}", log_loss=False)
    letters = [vote(reply.text) for reply in replies]
    found = [Votes(same=True)] * len(pairs)
    for at, first, second in zip(asked, letters[0::2], letters[1::2], strict=True):
        found[at] = Votes(first, second)
    return found


def preferred(
    judge: Engine,
    config: Config,
    answers: Mapping[str, Sequence[Answer]],
    ours: str,
    show: Progress,
    folder: Path | None = None,
) -> dict[str, Any]:
    """Return how often a judge prefers our replies to those of every other contender."""
    sure = Sure(config.eval.resamples, config.eval.confidence, config.seed)
    groups = clusters([answer.prompt for answer in answers[ours]])
    against = {}
    for place, (name, theirs) in enumerate(answers.items()):
        if name == ours:
            continue
        pairs = [
            (mine.prompt.messages, mine.reply.text, other.reply.text)
            for mine, other in zip(answers[ours], theirs, strict=True)
        ]
        file = folder / f"judged-{place}.jsonl" if folder else None
        against[name] = win_rate(votes_of(judge, pairs, config, show, file), groups, sure)
    sentences = [_told(ours, name, one, sure) for name, one in against.items()]
    return {"judge": config.eval.judge, "criterion": config.eval.criterion, "against": against, "sentences": sentences}


def _told(ours: str, other: str, rate: Mapping[str, Any], sure: Sure) -> str:
    if rate["value"] is None:
        return f"Judged against {other}: {rate['why']}."
    which = "more" if rate["value"] > 0.5 else "less"
    told = f"{which} often than not" if decided(rate, sure.confidence) else "as often as not, as far as can be told"
    unsure = f"; it was unsure of {rate['unsure']:,} of {rate['pairs']:,} pairs" if rate["unsure"] else ""
    return f"The judge prefers {ours} to {other} {told}: {plain(rate)}{unsure}."
