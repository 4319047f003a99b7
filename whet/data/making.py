"""Rows made by a model: asked in batches, within a budget, kept as they come."""

import hashlib
import json
import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from whet.data.makers import Ask, Bench, Discard, Kind, Making, Row
from whet.data.scan import Refused, parse
from whet.errors import EndpointError, Interrupted, RunError, WhetError
from whet.types import Engine, Example, Progress, Prompt, Reply, Sampling

AT_ONCE = 64  # rows that are being made at a time
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be made and spent; None is as much as it takes. `price`: money a million tokens read, and written."""

    rows: int | None = None
    tokens: int | None = None
    money: float | None = None
    price: tuple[float, float] = (0.0, 0.0)


@dataclass(slots=True)
class Spent:
    """What was asked and what it took."""

    asks: int = 0
    read: int = 0
    written: int = 0

    def add(self, read: int, written: int, asks: int = 1) -> None:
        """Count asks and their tokens."""
        self.asks, self.read, self.written = self.asks + asks, self.read + read, self.written + written

    def money(self, price: tuple[float, float]) -> float:
        """Return what that costs."""
        return (self.read * price[0] + self.written * price[1]) / 1e6

    def left(self, budget: Budget) -> float:
        """Return how many more asks the budget allows, going by what one took so far."""
        pairs = ((self.read + self.written, budget.tokens), (self.money(budget.price), budget.money))
        limits = [(spent, most) for spent, most in pairs if most is not None]
        if limits and not self.asks:
            return 1.0  # nobody knows yet what an ask takes
        return min(((most - spent) / max(spent / self.asks, 1e-12) for spent, most in limits), default=math.inf)


@dataclass(slots=True)
class Piece:
    """What became of one row of the source: rows, or why there are none."""

    key: str
    rows: list[Row] = field(default_factory=list)
    why: str = ""
    read: int = 0
    written: int = 0
    asks: int = 0


class Workshop:
    """Makes rows of one kind from the rows of a source, `per` of each, the first of every row before the second of any.

    Args:
        engines: who is asked: "maker" and "judge".
        journal: file that keeps every finished piece; a later Workshop with the same settings goes on from it.

    Raises (from `pieces`):
        WhetError: whatever the engine raises when it cannot be asked at all.
    """

    def __init__(
        self,
        kind: Kind,
        source: Sequence[Example],
        engines: Mapping[str, Engine],
        journal: Path,
        *,
        settings: Mapping[str, Any],
        budget: Budget,
        show: Progress,
    ) -> None:
        self._kind, self._source, self._engines = kind, source, engines
        self._journal, self._budget, self._show = journal, budget, show
        self._temperature, self._seed = float(settings["temperature"]), int(settings["seed"])
        said = json.dumps([FORMAT, dict(settings), [example.source for example in source]], sort_keys=True)
        self._digest = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()
        self.spent = Spent()
        self.done = self._kept()
        for piece in self.done.values():
            self.spent.add(piece.read, piece.written, piece.asks)
        self._waiting = (
            (f"{example.source}#{time}", example)
            for time in range(int(settings["per"]))
            for example in source
            if f"{example.source}#{time}" not in self.done
        )
        self._active: list[_Active] = []
        self.exhausted = ""  # why no more can be made

    @property
    def rows(self) -> int:
        """How many rows were made."""
        return sum(len(piece.rows) for piece in self.done.values())

    def work(self, rows: int | None) -> None:
        """Make rows until there are so many (None: as many as can be made), or until `exhausted` says why not."""
        while not self.exhausted and (rows is None or self.rows < rows):
            self._fill(AT_ONCE if rows is None else min(AT_ONCE, rows - self.rows))
            if not self._active:
                self.exhausted = "every row of the source was used"
                return
            allowed = self.spent.left(self._budget)
            if allowed < 1:
                self.exhausted = "the budget is spent"
                return
            for active, reply in self._heard(self._active[: int(min(allowed, AT_ONCE))]):
                if active.goes_on(reply):
                    continue
                self._active.remove(active)
                self.done[active.piece.key] = active.piece
                self._keep(active.piece)
                self._show.advance(len(active.piece.rows), f"{len(self.done):,} asked about")

    def _fill(self, most: int) -> None:
        for key, example in islice(self._waiting, max(0, most - len(self._active))):
            bench = Bench(random.Random(f"{self._seed}:{key}"), self._source)
            active = _Active(Piece(key), self._kind(example, bench))
            if active.goes_on(None):
                self._active.append(active)
            else:
                self.done[key] = active.piece
                self._keep(active.piece)

    def _heard(self, actives: Sequence["_Active"]) -> Iterator[tuple["_Active", Reply | WhetError]]:
        """Yield what is answered; where some of a batch cannot be asked, each is asked alone."""
        for who in ("judge", "maker"):
            batch = [active for active in actives if active.ask.who == who]
            answered: set[int] = set()
            try:
                for at, reply in self._asked(who, batch):
                    answered.add(at)
                    yield batch[at], reply
            except WhetError as failure:
                if _stops(failure):
                    raise
                missing = [active for at, active in enumerate(batch) if at not in answered]
                worked = len(missing) < len(batch) or self.spent.asks > 0
                for active in missing:
                    try:
                        for _, reply in self._asked(who, [active]):
                            worked = True
                            yield active, reply
                    except WhetError as error:
                        if _stops(error) or not worked:  # it is not this row
                            raise
                        yield active, error

    def _asked(self, who: str, batch: Sequence["_Active"]) -> Iterator[tuple[int, Reply]]:
        if not batch:
            return
        longest = max(active.ask.longest for active in batch)
        sampling = Sampling(0.0 if who == "judge" else self._temperature, 1.0, longest, self._seed)
        prompts = [Prompt(active.ask.messages, source=f"{active.piece.key}/{active.piece.asks}") for active in batch]
        for at, reply in self._engines[who].complete(prompts, sampling):
            self.spent.add(reply.prompt_tokens, reply.completion_tokens)
            yield at, reply

    def _keep(self, piece: Piece) -> None:
        fresh = not self._journal.exists()
        fields = {name: getattr(piece, name) for name in Piece.__slots__}
        head = json.dumps({"settings": self._digest}) + "\n" if fresh else ""
        try:
            with self._journal.open("ab") as file:
                line = json.dumps(fields, ensure_ascii=False)
                file.write(f"{head}{line}\n".encode("utf-8", "replace"))
        except OSError as error:
            raise RunError(f"{self._journal}: {error.strerror or error}") from None

    def _kept(self) -> dict[str, Piece]:
        """Return what an earlier run with the same settings made; a line torn by a crash is made again."""
        if not self._journal.exists():
            return {}
        head, *lines = self._journal.read_bytes().decode("utf-8", "replace").split("\n")
        try:
            same = json.loads(head).get("settings") == self._digest
        except ValueError:
            same = False
        if not same:
            what = "was made with other settings, by another model or from other rows"
            raise RunError(f"{self._journal}: {what}; go on as it was begun, or remove it and begin anew")
        pieces = []
        for line in lines:
            try:
                pieces.append(Piece(**parse(line)))
            except (Refused, TypeError):
                continue
        kept = "".join(
            json.dumps({n: getattr(p, n) for n in Piece.__slots__}, ensure_ascii=False) + "\n" for p in pieces
        )
        self._journal.write_bytes(f"{head}\n{kept}".encode())
        self._show.say(f"going on after {len(pieces):,} pieces that were made before")
        return {piece.key: piece for piece in pieces}


def _stops(error: WhetError) -> bool:
    """Say whether asking for other rows would be in vain."""
    return isinstance(error, Interrupted) or (isinstance(error, EndpointError) and error.stopping)


class _Active:
    """A row that is being made, and what it wants to have asked."""

    def __init__(self, piece: Piece, making: Making) -> None:
        self.piece, self._making = piece, making
        self.ask: Ask

    def goes_on(self, reply: Reply | WhetError | None) -> bool:
        """Take in a reply (None at first) and say whether something else is to be asked."""
        piece = self.piece
        if isinstance(reply, Reply):
            piece.read, piece.written = piece.read + reply.prompt_tokens, piece.written + reply.completion_tokens
            piece.asks += 1
        try:
            if isinstance(reply, WhetError):
                self._making.close()
                raise Discard("it could not be asked: " + str(reply).partition("\n")[0][:200])
            if isinstance(reply, Reply) and reply.finish == "length" and self.ask.who == "maker":
                self._making.close()
                raise Discard("the reply was longer than it may be")
            self.ask = next(self._making) if reply is None else self._making.send(reply.text)
            return True
        except StopIteration as end:
            piece.rows = end.value
        except Discard as error:
            piece.why = "; ".join(error.whats)
        return False


def reasons(pieces: Sequence[Piece]) -> Counter[str]:
    """Return why nothing came of how many rows."""
    return Counter(piece.why for piece in pieces if piece.why)
