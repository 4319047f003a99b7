"""Who is compared: the base model asked plainly, the base model shown examples, the tuned model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from whet.config.tree import Config
from whet.data.preflight import CLASSIFY
from whet.data.render import Renderer
from whet.data.split import draw_prompts, prompts
from whet.engines.fewshot import FewShot
from whet.engines.local import Local
from whet.errors import DataError, Problem, UsageError
from whet.train.prepare import Prepared
from whet.tune.compare import unseen
from whet.types import Chat, Engine, Message, Prompt

SHOWN = 100  # labels listed in a prompt at most


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to answer the questions, and what a reader should know about it."""

    name: str
    engine: Engine
    prompts: tuple[Prompt, ...]
    remarks: tuple[str, ...] = ()


@dataclass(slots=True)
class Questions:
    """The test questions that everybody is asked, and what was left out."""

    prompts: tuple[Prompt, ...]
    notes: list[str] = field(default_factory=list)


def questions(config: Config, prepared: Prepared, max_tokens: int) -> Questions:
    """Return the test questions that fit the model with room for an answer, in every contender's wording.

    Raises:
        DataError: questions do not fit and the recipe does not say to drop them; or none is left.
        UsageError: they would fit, if eval.max_tokens were less.
    """
    drawn = draw_prompts(prompts(prepared.splits.test), config.eval.limit)
    worded = base_prompts(prepared.labels, drawn)
    ask, context = prepared.renderer.prompt, prepared.context
    kept, problems, tight = [], [], list[int]()
    for prompt, listed in zip(drawn, worded, strict=True):
        length = max(len(ask(p.messages, p.tools)) for p in (prompt, listed))
        target = _answer(prepared.renderer, prompt, 1)
        need = length + max(target, max_tokens)
        if need <= context:
            kept.append(prompt)
        elif max_tokens == config.eval.max_tokens and length + target <= context:
            tight.append(context - length)
        else:
            path, _, line = prompt.source.rpartition(":")
            what = f"the question and its answer may need {need:,} tokens, but the model's context is {context:,}"
            problems.append(Problem(path, int(line), what + "; shorten it or set data.overlong=drop"))
    drop = config.data.overlong != "error" and kept
    if problems and not drop:
        raise DataError(problems)
    if tight and not drop:
        raise UsageError(
            f"eval.max_tokens: replies of {max_tokens:,} tokens do not fit the model's context of {context:,} after "
            f"{len(tight):,} of {len(drawn):,} test questions; set at most {min(tight):,}, or leave it out"
        )
    dropped = len(problems) + len(tight)
    notes = [f"{dropped:,} test questions were dropped because they do not fit the model"] if dropped else []
    if prepared.labels:
        notes += unseen(
            kept, sorted({row.label for row in prepared.splits.train if isinstance(row, Chat) and row.label})
        )
    return Questions(tuple(kept), notes)


def _answer(renderer: Renderer, prompt: Prompt, max_tokens: int) -> int:
    """Return how many tokens may follow the prompt: a reply, or the longest of its targets."""
    rendered = (renderer.answer(prompt, target) for target in prompt.targets)
    return max([max_tokens, *(len(whole) - begin for whole, begin in rendered)])


def base_prompts(labels: Sequence[str], asked: Sequence[Prompt]) -> tuple[Prompt, ...]:
    """Return the questions as the base model is asked them: with the labels listed, where there are labels.

    A model that was not tuned cannot know them otherwise. What the user's own instruction says is kept.
    """
    if not labels or len(labels) > SHOWN:
        return tuple(asked)
    listing = listed_labels(labels)

    def listed(prompt: Prompt) -> Prompt:
        said = [m.content for m in prompt.messages if m.role == "system" and m.content != CLASSIFY]
        system = Message("system", "\n".join([*(said or ["Classify the message."]), listing]))
        return replace(prompt, messages=(system, *(m for m in prompt.messages if m.role != "system")))

    return tuple(map(listed, asked))


def listed_labels(labels: Sequence[str]) -> str:
    """Return the instruction that names the labels."""
    return f"Answer with exactly one of these labels and nothing else: {', '.join(labels)}"


def untuned(
    config: Config, prepared: Prepared, asked: Questions, max_tokens: int
) -> list[tuple[str, Callable[[Local], Contender]]]:
    """Return how to make each contender that asks the base model."""
    examples = [row for row in prepared.splits.train if isinstance(row, Chat)]
    worded = base_prompts(prepared.labels, asked.prompts)
    remarks = (f"its prompt lists the {len(prepared.labels)} labels",) if worded != asked.prompts else ()

    def zero_shot(engine: Local) -> Contender:
        return Contender("zero_shot", engine, worded, remarks)

    def few_shot(engine: Local) -> Contender:
        def fits(prompt: Prompt) -> bool:
            answer = _answer(prepared.renderer, prompt, max_tokens)
            return len(engine.prompt_ids(prompt)) + answer <= engine.context

        shower = FewShot(engine, examples, config.eval.shots, fits)
        extended = tuple(shower.extend(worded))
        shown = shower.shown
        mean = sum(shown) / max(1, len(shown))
        said = f"{mean:.3g} examples a prompt, nearest by BM25 of {len(examples):,} training rows"
        return Contender("few_shot", engine, extended, (*remarks, said))

    made: dict[str, Callable[[Local], Contender]] = {"zero_shot": zero_shot, "few_shot": few_shot}
    return [(name, made[name]) for name in config.eval.contenders if name in made]
