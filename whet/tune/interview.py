"""Everybody is asked the same questions, and what was said is kept."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from whet.evals.evaluate import Answer, ask, score
from whet.scorers._named import scored
from whet.tune.race import Marks
from whet.types import Engine, Progress, Prompt, Sampling, Scorer


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to answer the questions, and what a reader should know about it.

    `evidence`: per question, where the passages or examples that it was shown stand.
    """

    name: str
    engine: Engine
    prompts: tuple[Prompt, ...]
    remarks: tuple[str, ...] = ()
    evidence: tuple[tuple[str, ...], ...] = ()


class Interview:
    """Asks contenders and scores what they say; the first of the scorers decides.

    Args:
        folder: where replies are kept, so that nobody is asked twice.
        questions: with their targets, as they stand in the data.
    """

    def __init__(
        self,
        folder: Path,
        questions: Sequence[Prompt],
        sampling: Sampling,
        scorers: Mapping[str, Scorer],
        show: Progress,
    ) -> None:
        self._folder, self.questions, self.sampling = folder, tuple(questions), sampling
        self._scorers, self.show = scorers, show
        self.answers: dict[str, list[Answer]] = {}
        self.remarks: dict[str, tuple[str, ...]] = {}
        self.evidence: dict[str, tuple[tuple[str, ...], ...]] = {}

    def hold(self, contender: Contender) -> None:
        """Ask a contender every question."""
        self.show.begin(f"asking {contender.name}", len(self.questions))
        file = self._folder / f"{_slug(contender.name)}.jsonl"
        replies = ask(contender.engine, contender.prompts, self.sampling, self.show, file, contender.name)
        choices = self.sampling.choices
        said = (f"answers with the likeliest of {len(choices)} labels",) if choices else ()
        told = tuple(getattr(contender.engine, "remarks", ()))
        self.answers[contender.name] = score(self.questions, replies, self._scorers)
        self.remarks[contender.name] = (*contender.remarks, *said, *told, *self._failures(contender.name))
        self.evidence[contender.name] = contender.evidence

    def _failures(self, name: str) -> Iterator[str]:
        """Yield, per scorer, how many replies it failed on."""
        for scorer in self._scorers:
            failed = [one.scores[scorer].why for one in self.answers[name] if one.scores[scorer].failed]
            if failed:
                yield f"{scorer} failed on {len(failed):,} replies, which count as 0: {failed[0]}"

    def marks(self, contender: str, engine: Engine) -> Marks:
        """Return what scores a contender's ways to ask on validation questions."""
        decides = next(iter(self._scorers.values()))

        def marked(way: str, prompts: Sequence[Prompt], begin: int, end: int) -> list[float]:
            self.show.begin(f"trying {contender}: {way}", end - begin)
            file = self._folder / "validation" / f"{_slug(f'{contender} {way} {begin}')}.jsonl"
            replies = ask(engine, prompts, self.sampling, self.show, file, f"{contender} {way}", log_loss=False)
            return [one.value for one in scored(decides, prompts, [reply.text for reply in replies])]

        return marked


def _slug(name: str) -> str:
    """Return a name as a file may have it."""
    return re.sub(r"[^\w.-]+", "_", name, flags=re.ASCII).strip("_")[-100:] or "_"
