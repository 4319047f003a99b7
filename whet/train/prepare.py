"""From a config to rows of tokens: everything that can be wrong is found here, before a weight is loaded."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from whet.config.tree import Config
from whet.data.content import content_hash
from whet.data.judged import Judged, RenderedJudged, render_judged
from whet.data.outline import SIDES
from whet.data.place import asked
from whet.data.preflight import Rendered, instruction_for, longest_row, not_lessons, render_all, with_instruction
from whet.data.read import read
from whet.data.render import Renderer
from whet.data.split import Splits, check_apart, draw, part, prompts
from whet.errors import DataError, Problem, UsageError
from whet.models.load import check_folder, context_of
from whet.models.source import Base, resolve, weights_digest
from whet.train.kinds import ONLINE, check_options, method_for
from whet.train.mix import mix
from whet.types import Chat, Dataset, Example, Feedback, Preference, Progress, Prompt, Tokens


@dataclass(frozen=True)
class Prepared:
    """The base model's folder, the rows of each side, and the rows that train as tokens."""

    base: Base
    renderer: Renderer
    hidden: int
    longest: int
    context: int
    splits: Splits
    shape: str
    labels: tuple[str, ...]
    instruction: str | None
    train: Rendered  # with what is mixed in, which comes first
    mixed: int  # rows of it that are
    validation: Rendered | None
    notes: tuple[str, ...]
    digests: Mapping[str, str]
    method: str = "sft"
    judged: tuple[Judged, ...] | None = None  # of rows with judged replies: `train` by prompt
    held_out: tuple[Judged, ...] = ()  # and `validation`
    drawn: int = 0  # tokens of a reply that is drawn in training, at most

    @property
    def count(self) -> int:
        """How many rows there are to learn from, judged replies to one prompt being one."""
        if self.judged is not None:
            return len(self.judged)
        return len(self.asked) if self.method in ONLINE else len(self.train.rows)

    @cached_property
    def asked(self) -> tuple[Prompt, ...]:
        """The training questions that a model which draws its own replies is asked: those that leave room for one."""
        return self.fitting(prompts(self.splits.train), self.drawn)

    def fitting(self, asked: Iterable[Prompt], reply: int) -> tuple[Prompt, ...]:
        """Return the questions that are no longer than a row may be and leave room for a reply of so many tokens."""
        most = min(self.longest, self.context - reply)
        return tuple(one for one in asked if len(self.renderer.prompt(one.messages, one.tools)) <= most)

    @property
    def largest(self) -> int:
        """The most tokens that have to be held at once: the longest row, or the replies to one prompt."""
        if self.judged is None:
            return max(len(row.ids) for row in self.train.rows) + self.drawn
        return max(group.tokens for group in self.judged)

    @property
    def own(self) -> tuple[Tokens, ...]:
        """The token rows of the task itself."""
        return self.train.rows[self.mixed :]

    @cached_property
    def base_weights(self) -> str:
        """The digest of the base model's weights."""
        return weights_digest(self.base.folder)

    def fingerprint(self, config: Config) -> dict[str, str]:
        """Return what must not change between the start of a run and its resumption, by name."""
        rows = hashlib.sha256()
        for row in self.train.rows:
            rows.update(json.dumps([row.ids, row.weights]).encode())
        for group in self.judged or ():
            rows.update(json.dumps(group.grades).encode())
        return {
            "training rows": rows.hexdigest(),
            "chat template and tokenizer": self.renderer.digest,
            "base weights": self.base_weights,
            **{f"data file {path}": digest for path, digest in self.digests.items()},
        }


def prepare(config: Config, show: Progress) -> Prepared:
    """Return everything a run needs, or every reason why it cannot be; `show` is told every note.

    Raises:
        UsageError, DataError, ModelError: each names the key, or the file and line, and the way out.
    """
    if config.data.train is None:
        raise UsageError("data.train: name the file of examples, e.g. data.train=tickets.jsonl")
    dataset, splits, digests, notes = read_sides(config, show)
    _say(show, notes)
    method = method_for(config.method.name, splits, config.data)
    check_options(config, method)
    base = resolve(config.model.name, show.say)
    settings = check_folder(base.folder)
    renderer = Renderer(base.folder)
    later: list[str] = []
    if not renderer.has_template:
        later.append("the model has no chat template; whet's default is used (docs/templates.md)")
    instruction = instruction_for(config.data.instruction, bool(dataset.labels))
    splits = Splits(
        train=_instructed(splits.train, instruction),
        validation=_instructed(splits.validation, instruction),
        test=_instructed(splits.test, instruction),
        notes=splits.notes,
    )
    context = _context(config, base)
    longest = longest_row(config.data, context)
    lessons = (_answers if method in ("sft", *ONLINE) else _replies)(config, splits, renderer, longest, method)
    if lessons.validation is None:
        later.append("no validation rows: early stopping is off; set data.validation or data.shares")
    later += lessons.notes
    _say(show, later)
    prepared = Prepared(
        base,
        renderer,
        int(settings.get("hidden_size") or settings.get("n_embd") or 1024),
        longest,
        context,
        splits,
        dataset.shape,
        dataset.labels,
        shared_instruction(splits.train),
        lessons.train,
        lessons.mixed,
        lessons.validation,
        (*notes, *later),
        {**digests, **lessons.digests},
        method,
        lessons.judged,
        lessons.held_out,
        config.method.longest if method in ONLINE else 0,
    )
    if method in ONLINE:
        _demand_questions(prepared, config, show)
    return prepared


def _context(config: Config, base: Base) -> int:
    """Return the longest row that the model can read, in tokens.

    Raises:
        UsageError: virtual tokens leave no room for one.
    """
    whole = context_of(base.folder)
    if config.adapter.ahead >= whole:
        raise UsageError(f"adapter.virtual_tokens: the model's context is {whole:,} tokens; ask for fewer")
    return whole - config.adapter.ahead


def _demand_questions(prepared: Prepared, config: Config, show: Progress) -> None:
    """Make sure that there are questions to be asked, and say how many leave no room for a reply.

    Raises:
        DataError: none does.
    """
    every = len(prompts(prepared.splits.train))
    if not prepared.asked:
        what = f"no question leaves room for a reply of {prepared.drawn:,} tokens; lower method.longest"
        raise DataError([Problem(str(config.data.train), 0, what)])
    if left := every - len(prepared.asked):
        show.say(f"{left:,} of {every:,} questions leave no room for a reply and are not asked")


@dataclass(frozen=True, slots=True)
class _Lessons:
    """What trains and validates, as tokens."""

    train: Rendered
    validation: Rendered | None
    notes: Sequence[str]
    mixed: int = 0
    digests: Mapping[str, str] = field(default_factory=dict)
    judged: tuple[Judged, ...] | None = None
    held_out: tuple[Judged, ...] = ()


def _answers(config: Config, splits: Splits, renderer: Renderer, longest: int, method: str) -> _Lessons:
    """Return answers to be learned."""
    data = config.data
    if data.mix and method != "sft":
        raise UsageError(f"data.mix: {method} learns from its own replies, so nothing can be mixed in; leave it out")
    mixed = mix(data, splits)
    besides = render_all(mixed.rows, renderer, data, longest) if mixed.rows else Rendered(())
    train = besides + render_all(splits.train, renderer, data, longest)
    held_out = draw(splits.validation, config.eval.validation_limit)
    validation = render_all(held_out, renderer, data, longest) if held_out else None
    notes = [*mixed.notes, *train.notes()]
    return _Lessons(train, validation, notes, len(besides.rows), dict(mixed.digests))


def _replies(config: Config, splits: Splits, renderer: Renderer, longest: int, method: str) -> _Lessons:
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
    return _Lessons(flat(train.groups), validation, train.notes(), judged=train.groups, held_out=groups)


def read_sides(config: Config, show: Progress | None = None) -> tuple[Dataset, Splits, dict[str, str], list[str]]:
    """Return the training file as understood, the rows of each side, every file's digest, and remarks.

    Raises:
        DataError: unusable rows of all files at once; a row in two splits; nothing left to train on.
    """
    problems: list[Problem] = []
    read_files: dict[str, Dataset] = {}
    for key in SIDES:
        path = getattr(config.data, key)
        if path is not None:
            try:
                read_files[key] = read(path, config.data, key, show)
            except DataError as error:
                problems += error.problems
    first = ((next(iter(one.digests)), one.shape, one.examples[0]) for one in read_files.values())
    problems += [why for one in first if isinstance(one[2], Prompt) and (why := not_lessons(*one))]
    if problems:
        raise DataError(problems)
    main = read_files["train"]
    for name in asked(config.data):
        if not any(group.startswith(f"{name}=") for row in main.examples for group in row.groups):
            raise UsageError(f"data.group: no row of {config.data.train} has anything in a column {name!r}")
    parted = part(main.examples, config.data, "validation" not in read_files, "test" not in read_files)
    sides = {
        "train": parted.train,
        "validation": read_files["validation"].examples if "validation" in read_files else parted.validation,
        "test": read_files["test"].examples if "test" in read_files else parted.test,
    }
    notes = [*main.notes, *parted.notes]
    for side in ("validation", "test"):
        if side not in read_files:
            continue
        notes += [f"data.{side}: {note}" for note in read_files[side].notes]
        if count := len(getattr(parted, side)):
            notes.append(f"{count:,} rows of {config.data.train} are named for {side} and left out, as a file is given")
    if config.data.limit is not None and len(sides["train"]) > config.data.limit:
        # The rows are whet's to choose here, so it does not choose any that is also held out.
        held = {content_hash(row) for row in (*sides["validation"], *sides["test"])}
        free = [row for row in sides["train"] if content_hash(row) not in held]
        if passed := len(sides["train"]) - len(free):
            notes.append(f"{passed:,} training rows also stand in a held-out file and were not drawn")
        sides["train"] = draw(free, config.data.limit)
    if not sides["train"]:
        raise DataError(
            [
                Problem(
                    str(config.data.train),
                    0,
                    "no row is left to train on after the split; add rows or lower data.shares",
                )
            ]
        )
    splits = Splits(sides["train"], sides["validation"], sides["test"], parted.notes)
    notes += check_apart(splits)
    labels = tuple(sorted({e.label for side in sides.values() for e in side if isinstance(e, Chat) and e.label}))
    digests = {path: digest for one in read_files.values() for path, digest in one.digests.items()}
    return replace(main, labels=labels), splits, digests, notes


def _say(show: Progress, notes: Sequence[str]) -> None:
    for note in notes:
        show.say(note)


def shared_instruction(examples: Sequence[Example]) -> str | None:
    """Return the system message that every row begins with, if it is one and the same: serving will send it too."""
    first = [row.messages[0] for row in examples if isinstance(row, Chat | Preference | Feedback)]
    openings = {message.content if message.role == "system" else None for message in first}
    return openings.pop() if len(openings) == 1 else None


def _instructed(examples: Sequence[Example], instruction: str | None) -> tuple[Example, ...]:
    return tuple(with_instruction(example, instruction) for example in examples)
