"""Who is compared: the base model asked plainly, in other words, with examples, with passages; the tuned model."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Literal

from whet.config.tree import Config, Eval
from whet.data.split import draw_prompts, prompts
from whet.engines.embedded import Embedder
from whet.engines.fewshot import FewShot
from whet.engines.local import Local
from whet.engines.nearest import Index, Nearest
from whet.engines.open import Opened
from whet.engines.rag import Rag
from whet.errors import UsageError
from whet.train.prepare import Prepared
from whet.tune.distilled import TEACHER
from whet.tune.interview import Contender, Interview
from whet.tune.library import library
from whet.tune.questions import Questions, answer_length
from whet.tune.race import Extend, race
from whet.tune.wordings import Rewording, listed, wordings
from whet.types import Chat, Engine, Example, Message, Prompt

CHOOSING = 32  # validation questions by which a way is chosen at most
SHOTS = (1, 3, 8)
PASSAGES = (1, 3)


class Table:
    """What contenders are made from: the questions, and the rows that they may learn a way from.

    Raises:
        UsageError: `eval.embedder` cannot be had.
    """

    def __init__(
        self, config: Config, prepared: Prepared, asked: Questions, interview: Interview, examples: Sequence[Chat]
    ) -> None:
        self.config, self.labels, self._prepared = config, prepared.labels, prepared
        self._asked, self._interview = asked, interview
        self._examples = examples
        self._listed = listed(prepared.labels)
        embedder = Embedder(config.eval.embedder) if config.eval.embedder else None
        self._index: Index = embedder or Nearest
        self._by = embedder.name if embedder else "BM25"

    def validation(self) -> tuple[Prompt, ...]:
        """Return the questions by which ways are chosen, those of the validation rows that fit."""
        drawn = draw_prompts(prompts(self._prepared.splits.validation), CHOOSING)
        return tuple(prompt for prompt in drawn if self._fits(self._listed(prompt)))

    def untuned(self, engine: Local) -> Iterator[Contender]:
        """Yield each contender that asks the base model."""
        makers: dict[str, Callable[[Local], Contender]] = {
            "zero_shot": self.zero_shot,
            "prompted": self.prompted,
            "few_shot": self.few_shot,
            "rag": partial(self.rag, name="rag"),
        }
        for name in self.config.eval.contenders:
            if name in makers:
                yield makers[name](engine)

    def tuned(self, engine: Local) -> Iterator[Contender]:
        """Yield each contender that asks the tuned model."""
        for name in self.config.eval.contenders:
            if name == "tuned":
                yield Contender("tuned", engine, self._asked.prompts)
            elif name == "tuned_rag":
                yield self.rag(engine, name="tuned_rag")

    def server(self, name: str, engine: Engine) -> Contender:
        """Return the contender that asks a model behind a server."""
        return Contender(name, engine, tuple(map(self._listed, self._asked.prompts)), self._told())

    def teacher(self, opened: Opened) -> Contender:
        """Return the model that was learned from: plainly if it was tuned, else as a base model is asked."""
        name = str(self.config.method.teacher)
        asked, told = self._asked.prompts, [f"is {name}"]
        if not opened.about:
            asked, told = tuple(map(self._listed, asked)), [*told, *self._told()]
        return Contender(TEACHER, opened.engine, asked, tuple(told))

    def zero_shot(self, engine: Local) -> Contender:
        """Return the base model, asked plainly."""
        return Contender("zero_shot", engine, tuple(map(self._listed, self._asked.prompts)), self._told())

    def prompted(self, engine: Local) -> Contender:
        """Return the base model, asked in the words that did best on validation questions."""
        targets = [row.messages[-1].spoken for row in self._examples]
        ways = wordings(targets, self.labels, self.config.eval.prompts)
        fitting = {name: way for name, way in ways.items() if all(map(self._fits, map(way, self._asked.prompts)))}
        won = race(_each(fitting), self.validation(), self._interview.marks("prompted", engine))
        return Contender("prompted", engine, tuple(map(ways[won.name], self._asked.prompts)), (won.remark,))

    def few_shot(self, engine: Local) -> Contender:
        """Return the base model with examples in its prompt."""
        shots = self.config.eval.shots

        def shower(count: int, same: bool) -> FewShot:
            return FewShot(engine, self._examples, count, self._fits, same=same, index=self._index)

        kinds: Sequence[tuple[int, bool]] = [(shots, False)] if isinstance(shots, int) else _kinds(SHOTS)
        ways = {
            f"{count} {'fixed' if same else 'nearest'}": self._worded(shower(count, same).extend)
            for count, same in kinds
        }
        won = race(ways, self.validation(), self._interview.marks("few_shot", engine))
        chosen = shower(*kinds[list(ways).index(won.name)])
        extended = tuple(chosen.extend([self._listed(prompt) for prompt in self._asked.prompts]))
        mean = sum(chosen.shown) / max(1, len(chosen.shown))
        which = "the same for all" if won.name.endswith("fixed") else f"nearest by {self._by}"
        said = f"{mean:.3g} examples a prompt, {which} of {len(self._examples):,} training rows"
        return Contender("few_shot", engine, extended, (*self._told(), *([won.remark] if won.remark else []), said))

    def rag(self, engine: Local, *, name: Literal["rag", "tuned_rag"]) -> Contender:
        """Return a model with passages in its prompt."""
        wanted, sources = self.config.eval.passages, library(self.config.eval.documents, self._examples)
        counts = PASSAGES if wanted == "auto" else (wanted,)

        def shower(count: int) -> Rag:
            return Rag(sources, count, self._fits, self._index)

        def worded(extend: Extend) -> Extend:
            return self._worded(extend) if name == "rag" else extend

        ways = {f"{count} passages": worded(shower(count).extend) for count in counts}
        won = race(ways, self.validation(), self._interview.marks(name, engine))
        chosen = shower(counts[list(ways).index(won.name)])
        extended = worded(chosen.extend)(self._asked.prompts)
        mean = sum(map(len, chosen.shown)) / max(1, len(chosen.shown))
        where = "documents" if self.config.eval.documents else "training rows"
        said = f"{mean:.3g} passages a prompt, nearest by {self._by} of {len(sources):,} from {where}"
        remarks = (*(self._told() if name == "rag" else ()), *([won.remark] if won.remark else []), said)
        return Contender(name, engine, tuple(extended), remarks, tuple(map(tuple, chosen.shown)))

    def _fits(self, prompt: Prompt) -> bool:
        """Say whether a prompt leaves room for its answer."""
        renderer = self._prepared.renderer
        length = len(renderer.prompt(prompt.messages, prompt.tools))
        return length + answer_length(renderer, prompt, self._interview.sampling.max_tokens) <= self._prepared.context

    def _worded(self, extend: Extend) -> Extend:
        return lambda asked: extend([self._listed(prompt) for prompt in asked])

    def _told(self) -> tuple[str, ...]:
        first = self._asked.prompts[:1]
        changed = any(self._listed(prompt) is not prompt for prompt in first)
        return (f"its prompt lists the {len(self.labels)} labels",) if changed else ()


def _each(ways: Mapping[str, Rewording]) -> dict[str, Extend]:
    def extend(way: Rewording, asked: Sequence[Prompt]) -> list[Prompt]:
        return list(map(way, asked))

    return {name: partial(extend, way) for name, way in ways.items()}


def _kinds(shots: Sequence[int]) -> list[tuple[int, bool]]:
    return [(count, same) for count in shots for same in (True, False)]


def examples(rows: Sequence[Example]) -> list[Chat]:
    """Return the rows that can be shown with their answers; of a prompt that is its first target."""
    answered = (
        Chat((*row.messages, Message("assistant", row.targets[0])), row.source, row.tools, groups=row.groups)
        if isinstance(row, Prompt) and row.targets
        else row
        for row in rows
    )
    return [row for row in answered if isinstance(row, Chat)]


def without_examples(config: Config, shown: Sequence[Chat], say: Callable[[str], None]) -> Config:
    """Return the recipe without the contenders that show answers, where rows have none to show.

    Raises: UsageError if such a contender is named in the recipe.
    """
    named = config.eval.contenders
    needy = ("few_shot", *(() if config.eval.documents else ("rag", "tuned_rag")))
    if shown or not (lost := [name for name in named if name in needy]):
        return config
    if named != Eval().contenders:
        way = "leave it out, or add a reference_answer to the rows"
        raise UsageError(f"eval.contenders: {lost[0]} shows answers, and no training row has one; {way}")
    say(f"nobody is shown examples ({', '.join(lost)}), as no training row has an answer")
    left = tuple(name for name in named if name not in lost)
    return config.model_copy(update={"eval": config.eval.model_copy(update={"contenders": left})})
