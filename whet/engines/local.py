"""A local model that answers: a common start computed once, rows leaving as they end, others entering."""

import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Literal

import torch
from torch import Tensor, nn

from whet.data.render import Renderer
from whet.errors import UsageError
from whet.models.adapt import causal
from whet.models.batch import common_start
from whet.models.heads import Head
from whet.models.logprobs import chosen
from whet.models.memory import Memory, Packed, Single, Start, size_of
from whet.models.paged import PAGE
from whet.models.tree import Tree
from whet.models.virtual import virtual
from whet.models.work import free_memory
from whet.types import Delta, Prompt, Reply, Sampling

BUDGET = 2 << 30  # bytes of keys and values a batch may grow to, a shared start counted once
SHARE = 0.4  # and at most this share of the free memory
MOST = 128  # rows in a batch
ENTER = 8  # others enter when one place in so many is free: reading a few short prompts at a time is slow
READ = 2048  # tokens read at a time
SHARED = 8  # tokens that a shared start must have to be worth a pass of its own

Ways = tuple[tuple[int, ...], ...]


@dataclass(slots=True)
class Row:
    """One prompt on its way to a reply.

    `ways`: the tokens of every reply that it may choose from; `longest`: tokens that it may come to; `seconds`: its
    share of the time.
    """

    place: int
    ids: list[int]
    targets: list[list[int]]
    ways: Ways
    longest: int
    draws: random.Random
    said: list[int] = field(default_factory=list)
    end: int | None = None
    finish: Literal["stop", "length"] = "length"
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Drawn:
    """A reply in tokens: those of its prompt, its own with the end token if it ended, and its text."""

    prompt: tuple[int, ...]
    said: tuple[int, ...]
    text: str
    ended: bool


class Local:
    """Answers with a causal language model in memory.

    Args:
        model: the model, with its adapter if it has one, in evaluation mode.
        renderer: the renderer that training used.
        context: the longest prompt and reply together, in tokens.
        packs: whether the model lets us lay out its rows (see Policy); if not, it answers one prompt at a time.
    """

    def __init__(self, model: nn.Module, renderer: Renderer, context: int, *, packs: bool) -> None:
        self.renderer, self.context, self.packs = renderer, context, packs
        self.model = model
        self.between: Callable[[], None] = lambda: None  # called before every pass over the model; may raise
        self.device = next(model.parameters()).device
        inner = causal(model)
        self._core: nn.Module = getattr(inner, str(inner.base_model_prefix))
        self._head = Head(inner)
        self._room = 0
        if packs:
            with torch.inference_mode():
                token = size_of(Packed.begun(self._core, self.device, [0]))
            self._room = min(BUDGET, int(SHARE * free_memory(self.device))) // token

    def prompt_ids(self, prompt: Prompt) -> list[int]:
        """Return the prompt's tokens, as `complete` will send them."""
        return self.renderer.prompt(prompt.messages, prompt.tools)

    def complete(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, log_loss: bool = False
    ) -> Iterator[tuple[int, Reply]]:
        """Yield (index, reply) as replies end; short prompts enter first.

        What is drawn for a prompt depends on the seed and its source alone, but for the folder (and on its number among
        prompts of one source), never on its company.

        Raises:
            UsageError: a prompt leaves no room for a reply or a target; nothing is cut silently.
        """
        for row, text in self._replied(prompts, sampling, log_loss):
            yield row.place, self._reply(row, text)

    def sample(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Drawn]:
        """Return a reply to each prompt in the tokens that were drawn, in order."""
        found: dict[int, Drawn] = {}
        for row, text in self._replied(prompts, sampling, log_loss=False):
            end = () if row.end is None else (row.end,)
            found[row.place] = Drawn(tuple(row.ids), (*row.said, *end), text, bool(end))
        return [found[place] for place in range(len(prompts))]

    @torch.inference_mode()
    def _replied(self, prompts: Sequence[Prompt], sampling: Sampling, log_loss: bool) -> Iterator[tuple[Row, str]]:
        """Yield each row as its reply ends, with its text."""
        rows, seen, ways = list[Row](), Counter[str](), Ways()
        for at, prompt in enumerate(prompts):
            if sampling.choices:
                ways = self._ways(prompt, sampling.choices, ways)
            rows.append(self._row(at, prompt, sampling, log_loss, seen[prompt.source], ways))
            seen[prompt.source] += 1
        rows.sort(key=lambda row: (len(row.ids), row.ids))
        shared = common_start([row.ids for row in rows]) if self.packs and len(rows) > 1 else 0
        begun = self._start()
        if shared >= SHARED:
            self.between()
            begun = Start(Packed.begun(self._core, self.device, rows[0].ids[:shared], begun.pairs), shared)
        if sampling.choices:
            yield from self._choose(rows, begun, sampling)
            return
        waiting, going = deque(rows), list[Row]()
        memory = self._memory(begun)
        hidden: list[Tensor] = []
        while waiting or going:
            if group := self._entering(waiting, going, begun.shared):
                hidden.append(self._read(group, memory, begun))
                going += group
            start = time.perf_counter()
            self.between()
            tokens = _draw(self._head(torch.cat(hidden)), going, sampling).tolist()
            company = list(going)
            ended = self._leaving(going, tokens, memory, sampling)
            hidden = [memory.step(torch.tensor(tokens, device=self.device))] if going else []
            share = (time.perf_counter() - start) / len(company)
            for row in company:
                row.seconds += share
            for row in ended:
                yield row, self.renderer.decode(row.said)

    def _reply(self, row: Row, text: str) -> Reply:
        loss = sum(row.losses) / len(row.losses) if row.losses else None
        return Reply(text, row.finish, len(row.ids), len(row.said), row.seconds, loss)

    def _choose(self, rows: Sequence[Row], begun: Start, sampling: Sampling) -> Iterator[tuple[Row, str]]:
        """Yield each row with its text, one of the choices."""
        for ways, alike in groupby(rows, lambda row: row.ways):
            tree = Tree(ways)
            most = min(READ, self._room) if self.packs else 1
            for group in _pieces(list(alike), begun.shared, most, len(tree.tokens)):
                start = time.perf_counter()
                memory = self._memory(begun)
                last = self._read(group, memory, begun)
                self.between()
                grown = memory.grow(len(group), tree) if tree.tokens else last[:, None][:, :0]
                likely = tree.likelihood(last, grown, self._head)
                share = (time.perf_counter() - start) / len(group)
                for row, said in zip(group, likely, strict=True):
                    row.seconds = share
                    at = int(_draw(said[None], [row], sampling))
                    row.said, row.finish = list(ways[at][:-1]), "stop"
                    yield row, sampling.choices[at]

    def _ways(self, prompt: Prompt, choices: Sequence[str], known: Ways) -> Ways:
        """Return the tokens of every choice as the answer to a prompt, the end token included.

        They are the same after every prompt with hardly any template, but that is not taken on trust: one is compared.
        """

        def way(choice: str) -> tuple[int, ...]:
            whole, begin = self.renderer.answer(prompt, choice)
            return tuple(whole[begin:])

        return known if known and way(choices[0]) == known[0] else tuple(map(way, choices))

    def _row(
        self, place: int, prompt: Prompt, sampling: Sampling, log_loss: bool, number: int = 0, ways: Ways = ()
    ) -> Row:
        ids = self.prompt_ids(prompt)
        targets = []
        for target in prompt.targets if log_loss else ():
            whole, begin = self.renderer.answer(prompt, target)
            targets.append(whole[begin:])
        need = len(ids) + max(map(len, [*targets, *ways]), default=1)
        if need > self.context:
            where = f"{prompt.source}: " if prompt.source else ""
            what = f"the prompt has {len(ids):,} tokens" + (f", {need:,} with its answer," if targets or ways else "")
            raise UsageError(f"{where}{what} and the model's context is {self.context:,}; shorten it")
        longest = min(self.context, max(need, len(ids) + sampling.max_tokens))
        return Row(place, ids, targets, ways, longest, _dice(sampling, prompt, number))

    def _entering(self, waiting: deque[Row], going: Sequence[Row], shared: int) -> list[Row]:
        """Take the rows that enter now off those that wait."""
        left = self._room - sum(row.longest - shared + PAGE for row in going)
        free = (MOST if self.packs else 1) - len(going)
        group: list[Row] = []
        for row in islice(waiting, free):
            left -= row.longest - shared + PAGE
            if left < 0 and (going or group):
                break
            group.append(row)
        if going and len(group) < min(len(waiting), (len(going) + len(group)) // ENTER):
            return []
        for _ in group:
            waiting.popleft()
        return group

    def _start(self) -> Start:
        tokens = virtual(self.model)
        return Start() if tokens is None else Start(Packed.led(self._core, self.device, tokens))

    def _memory(self, begun: Start) -> Memory:
        return Packed(self._core, self.device, begun.pairs) if self.packs else Single(self._core, self.device)

    def _read(self, rows: Sequence[Row], memory: Memory, begun: Start) -> Tensor:
        """Read the prompts, note how likely their targets are, and return what comes after the prompts.

        Shapes: (B, H), the hidden states that say the first token of each reply.
        """
        shared = begun.shared
        memory.reserve([row.longest - shared for row in rows])
        after = []
        for group in _pieces(rows, shared, READ):
            start = time.perf_counter()
            self.between()
            after.append(memory.read([row.ids[shared:] for row in group]))
            self._judge(group, after[-1], memory)
            for row in group:
                row.seconds += (time.perf_counter() - start) / len(group)
        return torch.cat(after)

    def _judge(self, rows: Sequence[Row], last: Tensor, memory: Memory) -> None:
        """Note the mean log-loss of every target of the rows read last. Shapes: last (B, H)."""
        if not any(row.targets for row in rows):
            return
        self.between()
        branches = memory.branch([[target[:-1] for target in row.targets] for row in rows])
        states, lengths = [], []
        for at, row in enumerate(rows):
            for target, hidden in zip(row.targets, branches[at], strict=True):
                states += [last[at : at + 1], hidden] if len(target) > 1 else [last[at : at + 1]]
                lengths.append(len(target))
        tokens = [token for row in rows for target in row.targets for token in target]
        said = chosen(torch.cat(states), self._head, torch.tensor(tokens, device=self.device))
        losses = iter([-float(part.mean()) for part in torch.split(said, lengths)])
        for row in rows:
            row.losses = [next(losses) for _ in row.targets]

    def _leaving(self, going: list[Row], tokens: list[int], memory: Memory, sampling: Sampling) -> list[Row]:
        """Append a token to every reply and return those that end with it; they leave all three."""
        ended = []
        for at in reversed(range(len(going))):
            if self._ends(going[at], tokens[at], sampling):
                ended.append(going[at])
                memory.drop(at)
                going[at], tokens[at] = going[-1], tokens[-1]
                going.pop()
                tokens.pop()
        return ended

    def _ends(self, row: Row, token: int, sampling: Sampling) -> bool:
        """Add a token to a reply and say whether that was the last."""
        if token in self.renderer.stops:
            row.finish, row.end = "stop", token
            return True
        row.said.append(token)
        return len(row.said) >= sampling.max_tokens or len(row.ids) + len(row.said) >= self.context

    @torch.inference_mode()
    def stream(self, prompt: Prompt, sampling: Sampling) -> Iterator[Delta]:
        """Yield the pieces of one reply as they are drawn; a piece never holds half of a character."""
        if sampling.choices:
            ((_, reply),) = self.complete([prompt], sampling)
            yield Delta(reply.text, reply.finish)
            return
        row = self._row(0, prompt, sampling, False)
        shown = ""
        memory = self._memory(begun := self._start())
        hidden = self._read([row], memory, begun)
        while True:
            token = _draw(self._head(hidden), [row], sampling)
            ended = self._ends(row, int(token), sampling)
            text = self.renderer.decode(row.said)
            if not text.endswith("\ufffd") and len(text) > len(shown):
                yield Delta(text[len(shown) :])
                shown = text
            if ended:
                break
            self.between()
            hidden = memory.step(token)
        yield Delta(self.renderer.decode(row.said)[len(shown) :], row.finish)


def _dice(sampling: Sampling, prompt: Prompt, number: int) -> random.Random:
    return random.Random(f"{sampling.seed}:{prompt.source.rpartition('/')[2]}:{number}")


def _pieces(rows: Sequence[Row], shared: int, most: int, more: int = 0) -> Iterator[list[Row]]:
    """Cut the rows so that not too much is read at a time: `more` tokens after each beside its prompt and targets."""
    piece: list[Row] = []
    held = 0
    for row in rows:
        size = len(row.ids) - shared + sum(map(len, row.targets)) + more
        if piece and held + size > most:
            yield piece
            piece, held = [], 0
        piece.append(row)
        held += size
    yield piece


def _draw(logits: Tensor, rows: Sequence[Row], sampling: Sampling) -> Tensor:
    """Return the next token of each row. Shapes: logits (B, V); result (B,)."""
    if sampling.temperature <= 0:
        return logits.argmax(-1)
    likely = (logits / sampling.temperature).softmax(-1)
    tokens = None
    if sampling.top_p < 1:
        likely, tokens = likely.sort(-1, descending=True)
        likely = likely.masked_fill(likely.cumsum(-1) - likely >= sampling.top_p, 0.0)  # the first token always stays
    reached = likely.cumsum(-1)
    drawn = torch.tensor([[row.draws.random()] for row in rows], dtype=reached.dtype, device=reached.device)
    whole = reached[:, -1:].contiguous()
    place = torch.searchsorted(reached, drawn * whole, right=True)
    place = place.minimum(torch.searchsorted(reached, whole))  # rounding never draws what cannot be
    return (place if tokens is None else tokens.gather(-1, place))[:, 0]
