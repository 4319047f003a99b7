"""From a config to rows of tokens: everything that can be wrong is found here, before a weight is loaded."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from whet.config.tree import Config
from whet.data.content import content_hash
from whet.data.judged import Judged
from whet.data.outline import SIDES
from whet.data.place import asked
from whet.data.preflight import Rendered, instruction_for, longest_row, with_instruction
from whet.data.read import read
from whet.data.render import Renderer
from whet.data.split import Splits, check_apart, draw, part, prompts
from whet.errors import DataError, Problem, UsageError
from whet.models.export import read_about
from whet.models.load import check_folder, context_of
from whet.models.source import Base, weights_digest
from whet.models.start import start_from
from whet.train.kinds import ONLINE, check_options, method_for
from whet.train.lessons import lessons_of
from whet.train.rewards import Rewards, rewards_of
from whet.train.teacher import Teacher, teacher_of
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
    teacher: Teacher | None = None
    rewards: Rewards | None = None  # what such replies are worth

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

    @cached_property
    def own_questions(self) -> tuple[Prompt, ...]:
        """What precedes the last answer of each training row of the task, where that leaves room for a reply."""
        chats = [row for row in self.splits.train if isinstance(row, Chat) and row.messages[1:]]
        return self.fitting([Prompt(row.messages[:-1], (), row.source, row.tools) for row in chats], self.drawn)

    def fitting(self, asked: Iterable[Prompt], reply: int) -> tuple[Prompt, ...]:
        """Return the questions that are no longer than a row may be and leave room for a reply of so many tokens."""
        most = min(self.longest, self.context - reply)
        return tuple(one for one in asked if len(self.renderer.prompt(one.messages, one.tools)) <= most)

    @property
    def largest(self) -> int:
        """The most tokens that have to be held at once: the longest row, or the replies to one prompt."""
        if self.judged is None:
            one = max(len(row.ids) for row in self.train.rows) + self.drawn
            return 2 * one if self.method == "online_dpo" else one
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
            **({"teacher": self.teacher.digest} if self.teacher else {}),
            **{f"data file {path}": digest for path, digest in self.digests.items()},
            **(self.rewards.digests if self.rewards else {}),
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
    base = start_from(config.model.name, show.say)
    settings = check_folder(base.folder)
    renderer = Renderer(base.folder)
    later: list[str] = []
    if not renderer.has_template:
        later.append("the model has no chat template; whet's default is used (docs/templates.md)")
    before = read_about(base.folder).get("instruction")  # of a model that was trained here before
    instruction = instruction_for(config.data.instruction or before, bool(dataset.labels))
    splits = _all_instructed(splits, instruction)
    teacher = teacher_of(config, renderer, show) if method == "distil" else None
    context = min(_context(config, base), teacher.context if teacher else 1 << 30)
    longest = longest_row(config.data, context)
    questions = prompts((*splits.train, *splits.validation, *splits.test)) if method in ONLINE else ()
    rewards = rewards_of(config, questions, dataset.labels, show) if questions else None
    lessons = lessons_of(config, splits, renderer, longest, method)
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
        config.method.longest if method in ONLINE or config.method.on_policy else 0,
        teacher,
        rewards,
    )
    if method in ONLINE or prepared.drawn:
        _demand_questions(prepared, config, show)
    return _that_validate(prepared, show) if method in ONLINE else prepared


def _context(config: Config, base: Base) -> int:
    """Return the longest row that the model can read, in tokens.

    Raises:
        UsageError: virtual tokens leave no room for one.
    """
    whole = context_of(base.folder)
    if config.adapter.ahead >= whole:
        raise UsageError(f"adapter.virtual_tokens: the model's context is {whole:,} tokens; ask for fewer")
    return whole - config.adapter.ahead


def _that_validate(prepared: Prepared, show: Progress) -> Prepared:
    """Return it without validation if no held-out question leaves room for a reply, and say what is left out."""
    every = prompts(prepared.splits.validation)
    kept = len(prepared.fitting(every, prepared.drawn))
    if kept < len(every):
        end = "" if kept else "; early stopping is off"
        show.say(f"{len(every) - kept:,} of {len(every):,} validation questions leave no room for a reply{end}")
    return prepared if kept else replace(prepared, validation=None)


def _demand_questions(prepared: Prepared, config: Config, show: Progress) -> None:
    """Make sure that there are questions to be asked, and say how many leave no room for a reply.

    Raises:
        DataError: none does.
    """
    every, asked = len(prompts(prepared.splits.train)), prepared.asked
    if prepared.teacher:
        every, asked = sum(isinstance(row, Chat) for row in prepared.splits.train), prepared.own_questions
    if not asked:
        if not every:
            raise UsageError("method.on_policy: raw text asks nothing, so no reply to it can be drawn; leave it out")
        what = f"no question leaves room for a reply of {prepared.drawn:,} tokens; lower method.longest"
        raise DataError([Problem(str(config.data.train), 0, what)])
    if left := every - len(asked):
        show.say(f"{left:,} of {every:,} questions leave no room for a reply and are not asked")


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
    asked = Chat | Preference | Feedback | Prompt
    first = [row.messages[0] for row in examples if isinstance(row, asked)]
    openings = {message.content if message.role == "system" else None for message in first}
    return openings.pop() if len(openings) == 1 else None


def _all_instructed(splits: Splits, instruction: str | None) -> Splits:
    return Splits(
        train=_instructed(splits.train, instruction),
        validation=_instructed(splits.validation, instruction),
        test=_instructed(splits.test, instruction),
        notes=splits.notes,
    )


def _instructed(examples: Sequence[Example], instruction: str | None) -> tuple[Example, ...]:
    return tuple(with_instruction(example, instruction) for example in examples)
