"""What replies are worth: scorers, graders, reward models and judges, weighed against each other."""

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from whet.config.tree import Config
from whet.data.render import Renderer
from whet.errors import DataError, Interrupted, ModelError, Problem, UsageError, WhetError
from whet.models.export import read_about
from whet.models.load import context_of, device_of
from whet.models.scoring import RewardModel
from whet.models.source import is_file, is_folder, weights_digest
from whet.scorers._apart import Apart
from whet.scorers._choose import choose
from whet.scorers._grading.scorer import Grading
from whet.scorers._grading.scorer import is_file as holds_grader
from whet.scorers._named import scored, scorer_named
from whet.train.asking import Models
from whet.types import Message, Progress, Prompt, Score, Scorer

_WEIGHED = re.compile(r"(.+?)\s*\*\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)")
RUN = "run:"
WHOLE = "reward"  # what the sum of several is called


@dataclass(frozen=True, slots=True)
class Part:
    """One of the scorers that a reward is made of."""

    name: str
    weight: float
    scorer: Scorer


class Rewards:
    """Scores whole lists of replies; see `rewards_of`.

    Args:
        parts: what is added up.
        failed: what a reply is worth on which a part fails: nothing that is known, or zero.
        models: those that graders ask.
        files: what parts were read from.
    """

    def __init__(
        self, parts: Sequence[Part], failed: str = "unscored", models: Models | None = None, files: Sequence[Path] = ()
    ) -> None:
        self.parts, self.files = tuple(parts), tuple(files)
        self._failed, self._models = failed, models
        self.tell: Callable[[str], None] = lambda _: None  # hears each new reason why a reply could not be scored
        self._told = set[str]()

    def stop_with(self, between: Callable[[], None]) -> None:
        """Call `between`, which may raise, while models are asked, and programs and functions run."""
        if self._models:
            self._models.between = between
        for part in self.parts:
            if isinstance(part.scorer, Grading | Apart):
                part.scorer.between = between

    def __call__(self, prompts: Sequence[Prompt], replies: Sequence[str]) -> tuple[list[float | None], list[str]]:
        """Return what each reply is worth, None where that cannot be told, and every reason why, each once.

        With `failed` "zero" those are worth 0, unless all of them are.
        """
        found = self.scores(prompts, replies)
        reasons = list(dict.fromkeys(score.why for score in found if score.failed))
        for why in reasons:
            if why not in self._told and len(self._told) < 20:
                self._told.add(why)
                self.tell(why)
        lost = 0.0 if self._failed == "zero" and not all(score.failed for score in found) else None
        return [lost if score.failed else score.value for score in found], reasons

    def scores(self, prompts: Sequence[Prompt], replies: Sequence[str]) -> list[Score]:
        """Return the weighted sum of each reply's scores; it failed where one of them did or is no finite number."""
        columns = [_scored(part, prompts, replies) for part in self.parts]
        found = []
        for row in zip(*columns, strict=True):
            total = math.fsum(part.weight * score.value for part, score in zip(self.parts, row, strict=True))
            if broken := next((score for score in row if score.failed), None):
                found.append(Score(0.0, broken.why, failed=True))
            elif not math.isfinite(total):
                found.append(Score(0.0, "it is no finite number", failed=True))
            elif len(row) == 1:
                found.append(Score(total, row[0].why))
            else:
                told = (f"{part.name} {score.value:.3g}" for part, score in zip(self.parts, row, strict=True))
                found.append(Score(total, ", ".join(told)))
        return found

    @property
    def as_scorers(self) -> Mapping[str, Scorer]:
        """What it is measured by elsewhere: of several parts their sum, which decides, and each part."""
        kept = [replace(part, scorer=_Kept(part.scorer)) for part in self.parts]
        each = {part.name: _Alone(Rewards([replace(part, weight=1.0)])) for part in kept}
        if len(self.parts) == 1 and self.parts[0].weight == 1:
            return each
        return {WHOLE: _Alone(Rewards(kept)), **each}

    @property
    def digests(self) -> dict[str, str]:
        """The digest of each file that parts were read from, and of the weights of each reward model."""
        found = {f"reward file {file}": hashlib.sha256(file.read_bytes()).hexdigest() for file in self.files}
        models = [part.scorer for part in self.parts if isinstance(part.scorer, ByModel)]
        return found | {f"reward model {at}": weights_digest(one.folder) for at, one in enumerate(models, 1)}

    def load(self) -> None:
        """Load reward models, so that what memory is left for training is known."""
        for part in self.parts:
            if isinstance(part.scorer, ByModel):
                part.scorer.load()


class _Alone:
    """A reward as a scorer: what fails is worth 0 and says so."""

    def __init__(self, rewards: Rewards) -> None:
        self._rewards = rewards

    def __call__(self, prompt: Prompt, reply: str) -> Score:
        return self.many([prompt], [reply])[0]

    def many(self, prompts: Sequence[Prompt], replies: Sequence[str]) -> list[Score]:
        """Return the score of each reply."""
        return self._rewards.scores(prompts, replies)


class _Kept:
    """A scorer that remembers the last list of replies: a sum and its parts are told of the same ones."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._last: tuple[Sequence[Prompt], Sequence[str], list[Score]] = ((), (), [])

    def __call__(self, prompt: Prompt, reply: str) -> Score:
        return self.many([prompt], [reply])[0]

    def many(self, prompts: Sequence[Prompt], replies: Sequence[str]) -> list[Score]:
        """Return the score of each reply."""
        asked, said, found = self._last
        if not replies or list(said) != list(replies) or list(map(id, asked)) != list(map(id, prompts)):
            found = scored(self._scorer, prompts, replies)
            self._last = (tuple(prompts), tuple(replies), found)
        return found


def _scored(part: Part, prompts: Sequence[Prompt], replies: Sequence[str]) -> list[Score]:
    """Return a part's scores; a scorer that fails on all of them at once is asked one by one."""
    try:
        return scored(part.scorer, prompts, replies)
    except Interrupted:
        raise
    except Exception as error:  # a scorer may be anybody's
        if len(prompts) == 1:
            return [Score(0.0, str(error) if isinstance(error, WhetError) else repr(error), failed=True)]
        pairs = zip(prompts, replies, strict=True)
        return [score for prompt, reply in pairs for score in _scored(part, [prompt], [reply])]


class ByModel:
    """Scores replies with a reward model: the value of the conversation that ends with the reply.

    Args:
        folder: of the model that `method.name=reward` made.
        device: where to compute.
    """

    def __init__(self, folder: Path, device: Literal["auto", "cpu", "cuda", "mps"]) -> None:
        self.folder, self._device = folder, device
        self._renderer, self._most = Renderer(folder), context_of(folder)
        said = read_about(folder).get("instruction")
        self._instruction = said if isinstance(said, str) else None
        self._model: RewardModel | None = None

    def __call__(self, prompt: Prompt, reply: str) -> Score:
        """Return the value of one conversation."""
        return self.many([prompt], [reply])[0]

    def many(self, prompts: Sequence[Prompt], replies: Sequence[str]) -> list[Score]:
        """Return the value of each conversation, computed many at a time; one that is too long fails."""
        found, rows = dict[int, Score](), dict[int, list[int]]()
        for at, (prompt, reply) in enumerate(zip(prompts, replies, strict=True)):
            try:
                row = self._renderer.conversation((*self._asked(prompt), Message("assistant", reply)), prompt.tools)
            except ModelError as error:
                found[at] = Score(0.0, str(error), failed=True)
                continue
            if len(row) > self._most:
                why = f"the conversation has {len(row):,} tokens, and the reward model's context is {self._most:,}"
                found[at] = Score(0.0, why, failed=True)
            else:
                rows[at] = row
        found.update(zip(rows, map(Score, self.load().values(list(rows.values()))), strict=True))
        return [found[at] for at in range(len(replies))]

    def load(self) -> RewardModel:
        """Return the model, loaded once."""
        if self._model is None:
            self._model = RewardModel(self.folder, device_of(self._device))
        return self._model

    def _asked(self, prompt: Prompt) -> tuple[Message, ...]:
        if self._instruction is None or prompt.messages[0].role == "system":
            return prompt.messages
        return (Message("system", self._instruction), *prompt.messages)


def rewards_of(config: Config, prompts: Sequence[Prompt], labels: Sequence[str], show: Progress) -> Rewards:
    """Return what replies to these prompts are worth, as `method.rewards` says or as the rows do.

    Raises:
        UsageError: nothing has one of the names, a grader's file is wrong, or a model cannot be had; all at once.
        DataError: rows with a grader that is none, or without what is needed to score a reply.
    """
    models = Models(show.say)
    names = config.method.rewards or _chosen(prompts, labels, str(config.data.train))
    asked, problems, parts = _weighed(names), list[str](), list[Part]()
    for name, weight in asked:
        try:
            parts.append(Part(name, weight, _named(name, config, models)))
        except (UsageError, ModelError) as error:
            problems += [f"method.rewards: {line}" for line in str(error).splitlines()]
    if problems:
        raise UsageError("\n".join(problems))
    make_ready([part.scorer for part in parts], prompts, "method.rewards")
    files = [Path(name) for name, _ in asked if holds_grader(name)]
    return Rewards(parts, config.method.failed, models, files)


def make_ready(scorers: Iterable[Scorer], prompts: Sequence[Prompt], key: str) -> None:
    """Make sure that graders can judge the replies to these prompts, and open the models that they ask.

    Raises:
        DataError: rows with a grader that is none, or without what the grader reads. UsageError: a model that cannot be
            had; the message begins with the recipe's `key`.
    """
    graders = [scorer for scorer in scorers if isinstance(scorer, Grading)]
    if faults := [problem for grader in graders for problem in grader.problems(prompts)]:
        raise DataError(sorted(faults, key=lambda fault: (fault.path, fault.line)))
    try:
        for grader in graders:
            if isinstance(grader.ask, Models):
                grader.ask.open(grader.models(prompts))
    except UsageError as error:
        raise UsageError("\n".join(f"{key}: {line}" for line in str(error).splitlines())) from None


def _weighed(names: Sequence[str]) -> list[tuple[str, float]]:
    """Return each name with its weight; without weights their mean counts.

    Raises: UsageError if some have a weight and some do not, or one is named twice.
    """
    found = [(match[1], float(match[2])) if (match := _WEIGHED.fullmatch(name)) else (name, None) for name in names]
    plain = [name for name, weight in found if weight is None]
    if plain and len(plain) < len(found):
        raise UsageError(f"method.rewards: {plain[0]} has no weight and others have; write NAME*WEIGHT for all or none")
    if len({name for name, _ in found}) < len(found):
        raise UsageError("method.rewards: one is named twice; leave one out")
    return [(name, 1 / len(found) if weight is None else weight) for name, weight in found]


def _chosen(prompts: Sequence[Prompt], labels: Sequence[str], where: str) -> tuple[str, ...]:
    """Return what suits the rows: their own graders, or the scorer that suits what is right.

    Raises: DataError for every row that says neither.
    """
    if any(prompt.grader is not None for prompt in prompts):
        return ("grader",)
    what = "nothing says what a good reply is; add a grader or a reference_answer, or name a reward with method.rewards"
    bare = [prompt.source.rpartition(":") for prompt in prompts if not prompt.targets]
    faults = [Problem(path or where, int(line) if line.isdigit() else 0, what) for path, _, line in bare]
    if faults:
        raise DataError(sorted(faults, key=lambda fault: (fault.path, fault.line)))
    return choose([target for prompt in prompts for target in prompt.targets], labels)[:1]


def _named(name: str, config: Config, models: Models) -> Scorer:
    """Return one scorer by name, or the reward model in a folder."""
    if name.startswith(RUN) or is_folder(Path(name)):
        folder = Path(name.removeprefix(RUN))
        folder = folder / "model" if is_file(folder / "run.json") else folder
        if not is_folder(folder):
            raise UsageError(f"{name}: there is no finished model in {folder}")
        if not read_about(folder).get("scores"):
            raise UsageError(f"{name}: is no reward model; make one with method.name=reward")
        return ByModel(folder, config.model.device)
    return scorer_named(name, models, config.method.patience)
