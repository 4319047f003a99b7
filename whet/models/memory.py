"""What a model remembers of prompts while it answers them: keys and values, the shared start's only once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from whet.models.attention import Bucket, suits_once
from whet.models.packed import Layout, states
from whet.models.paged import Pages, Pairs
from whet.models.tree import Tree
from whet.models.virtual import Virtual


def length_of(start: Pairs) -> int:
    """Return how many tokens a start has."""
    return next(iter(start.values()))[0].shape[2] if start else 0


def size_of(start: Pairs) -> int:
    """Return how many bytes a start takes."""
    return sum(part.nbytes for pair in start.values() for part in pair)


@dataclass(frozen=True, slots=True)
class Start:
    """What all rows continue: the keys and values of virtual tokens, and of `shared` tokens of the prompts."""

    pairs: Pairs = field(default_factory=dict)
    shared: int = 0


class Memory(Protocol):
    """The prompts that are being answered, in places 0 to B - 1."""

    def reserve(self, lengths: Sequence[int]) -> None:
        """Make space at once for more rows that may come to so many tokens."""

    def read(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """Remember more rows, after those that are there, and return the last hidden state of each. Shapes: (B, H)."""

    def branch(self, rows: Sequence[Sequence[Sequence[int]]]) -> list[list[Tensor]]:
        """Return the hidden states of every way to continue each of the rows read last; none is remembered.

        Shapes: (T, H) each, T being the tokens of that continuation.
        """

    def grow(self, rows: int, tree: Tree) -> Tensor:
        """Return the hidden states of a tree of continuations of each of the rows read last; none is remembered.

        Shapes: (rows, N, H).
        """

    def step(self, tokens: Tensor) -> Tensor:
        """Append one token to each row. Shapes: tokens (B,); result (B, H)."""

    def drop(self, place: int) -> None:
        """Forget a row; the last one takes its place."""


class _Filling(Layout):
    """A layout that hands the keys and values that go by to a store."""

    def __init__(self, lengths: Sequence[int], slots: Tensor, store: "Packed") -> None:
        super().__init__(lengths, length_of(store.start), slots.device, inside=False)
        self._slots, self._store = slots, store

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, window: int | None, **options: Any
    ) -> Tensor:
        """See Layout.attend."""
        self._store.pages.put(layer, self._slots, key[0].transpose(0, 1), value[0].transpose(0, 1))
        return super().attend(layer, query, key, value, window, **options)

    def before(self, layer: int, bucket: Bucket, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor] | None:
        return self._store.start.get(layer)


class _Branching(Layout):
    """Rows in groups, each group continuing one row that a store remembers."""

    def __init__(
        self, lengths: Sequence[int], groups: Sequence[tuple[int, int]], rows: list[int], store: "Packed"
    ) -> None:
        super().__init__(lengths, 0, store.device, inside=False, groups=groups)
        self._slots = {first: store.pages.slots([row]) for (first, _), row in zip(groups, rows, strict=True)}
        self._store = store

    def before(self, layer: int, bucket: Bucket, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor] | None:
        own = self._store.pages.at(layer, self._slots[bucket.first])
        if not self._store.start:
            return own
        keys, values = (torch.cat(parts, 2) for parts in zip(self._store.start[layer], own, strict=True))
        return keys, values


class _Growing(_Branching):
    """One tree of continuations for each row, a token attending to its row and to what leads to it."""

    def __init__(self, rows: Sequence[int], tree: Tree, store: "Packed") -> None:
        size = len(tree.tokens)
        super().__init__([size] * len(rows), [(at, at + 1) for at in range(len(rows))], list(rows), store)
        self._sees, self._depths = (part.to(store.device) for part in (tree.sees, tree.depths))

    def _mask(self, before: int, width: int, window: int | None, query: Tensor) -> Tensor:
        place = (before, width, window, query.dtype)
        if (mask := self._masks.get(place)) is None:
            seen = torch.cat([self._sees.new_ones(width, before), self._sees], 1)
            if window is not None:
                now = before + self._depths
                seen &= now[:, None] - torch.cat([torch.arange(before, device=now.device), now]) < window
            mask = torch.zeros_like(seen, dtype=query.dtype).masked_fill(~seen, float("-inf"))
            self._masks[place] = mask
        return mask


class _Stepping(Layout):
    """One new token per row, attending to the start, to what its row remembers and to itself."""

    def __init__(self, store: "Packed") -> None:
        self._start, self._pages, self._slots = store.start, store.pages, store.pages.newest()
        self._lengths = torch.tensor(store.pages.lengths)
        self._now = self._lengths.to(store.device)[:, None] - 1  # the new token's place
        self._grid: Tensor | None = None

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, window: int | None, **options: Any
    ) -> Tensor:
        """Shapes: query (1, heads, B, D); result (1, B, heads, D)."""
        self._pages.put(layer, self._slots, key[0].transpose(0, 1), value[0].transpose(0, 1))
        scale = options["scale"] or query.shape[-1] ** -0.5
        first = self._shared(layer, query, window, scale) if self._start else None
        if own := suits_once(query, key, value):
            query = query if query.stride(3) == 1 else query.contiguous()
            pages = *self._pages.all(layer), self._pages.table, self._lengths
            return own.attend_once(query, pages, first, window or 0, scale)[None]
        said, sums = self._own(layer, query, window, scale)
        if first is not None:
            whole = torch.logaddexp(sums, first[1])
            said, before = said * (sums - whole).exp()[..., None], first[0] * (first[1] - whole).exp()[..., None]
            said = said + before
        return said.to(query.dtype)[None]

    def _shared(self, layer: int, query: Tensor, window: int | None, scale: float) -> tuple[Tensor, Tensor]:
        """Return what the rows get of the start, and the logarithm of what their weights sum up to.

        Shapes: (B, heads, D), (B, heads) in float32.
        """
        keys, values = (one[0] for one in self._start[layer])  # (groups, S, D)
        asked = query[0].reshape(len(keys), -1, query.shape[3]) * scale  # (groups, heads of a group * B, D)
        scores = (asked @ keys.mT).float().view(len(keys), -1, query.shape[2], keys.shape[1])
        if window is not None:
            age = self._now + keys.shape[1] - torch.arange(keys.shape[1], device=query.device)
            scores = scores.masked_fill(age >= window, float("-inf"))
        sums = scores.logsumexp(-1)
        likely = (scores - sums[..., None]).exp().nan_to_num(0.0)  # a window may see nothing of it
        said = likely.to(values.dtype).flatten(1, 2) @ values
        return said.view(*query.shape[1:]).transpose(0, 1), sums.flatten(0, 1).T

    def _own(self, layer: int, query: Tensor, window: int | None, scale: float) -> tuple[Tensor, Tensor]:
        """Return the same of what each row remembers itself."""
        if self._grid is None:
            self._grid = self._pages.grid()
        keys, values = (space[self._grid].transpose(1, 2) for space in self._pages.all(layer))  # (B, groups, T, D)
        heads = (len(keys), keys.shape[1], -1, query.shape[3])
        asked = query[0].transpose(0, 1).reshape(heads) * scale  # (B, groups, heads of a group, D)
        age = self._now - torch.arange(keys.shape[2], device=query.device)
        hidden = age < 0 if window is None else (age < 0) | (age >= window)
        scores = (asked @ keys.mT).float().masked_fill(hidden[:, None, None], float("-inf"))
        sums = scores.logsumexp(-1)
        said = (scores - sums[..., None]).exp().to(values.dtype) @ values
        return said.flatten(1, 2), sums.flatten(1, 2)


class Packed:
    """Rows laid end to end; the keys and values of a shared start are held once for all of them."""

    def __init__(self, core: nn.Module, device: torch.device, start: Pairs | None = None) -> None:
        self._core, self.device = core, device
        self.start: Pairs = start or {}
        self._begin = length_of(self.start)
        self.pages = Pages(device)

    @classmethod
    def begun(cls, core: nn.Module, device: torch.device, ids: Sequence[int], after: Pairs | None = None) -> Pairs:
        """Return the keys and values of a start that many rows share, after those that they continue."""
        reader = cls(core, device, after)
        reader.read([ids])
        return reader._all()

    @classmethod
    def led(cls, core: nn.Module, device: torch.device, tokens: Virtual) -> Pairs:
        """Return the keys and values of virtual tokens."""
        read = tokens.embeddings(torch.zeros(0, dtype=torch.long, device=device))
        if pairs := tokens.pairs(read):
            return pairs
        reader = cls(core, device)
        reader.pages.extend(0, tokens.count)
        layout = _Filling([tokens.count], reader.pages.slots([0]), reader)
        states(core, read, torch.arange(tokens.count, device=device), layout)
        return reader._all()

    def _all(self) -> Pairs:
        """Return what the only row and what it continues have come to."""
        slots, start = self.pages.slots([0]), self.start
        own = {layer: self.pages.at(layer, slots) for layer in self.pages.layers}
        if not start:
            return own
        return {
            layer: (torch.cat([start[layer][0], key], 2), torch.cat([start[layer][1], value], 2))
            for layer, (key, value) in own.items()
        }

    def reserve(self, lengths: Sequence[int]) -> None:
        """See Memory.reserve."""
        self.pages.reserve(lengths)

    def read(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """See Memory.read; the rows do not hold the start."""
        order = sorted(range(len(rows)), key=lambda at: len(rows[at]))
        first = len(self.pages.lengths)
        for at, row in enumerate(rows, first):
            self.pages.extend(at, len(row))
        lengths = [len(rows[at]) for at in order]
        layout = _Filling(lengths, self.pages.slots([first + at for at in order]), self)
        hidden = self._states([rows[at] for at in order], [0] * len(rows), layout)
        last = torch.tensor(lengths, device=self.device).cumsum(0) - 1
        return hidden[last[torch.tensor(order, device=self.device).argsort()]]

    def branch(self, rows: Sequence[Sequence[Sequence[int]]]) -> list[list[Tensor]]:
        """See Memory.branch."""
        first = len(self.pages.lengths) - len(rows)
        ways = [
            (row, number)
            for row, branches in enumerate(rows)
            for number in sorted(range(len(branches)), key=lambda number: len(branches[number]))
            if branches[number]
        ]
        said = [[torch.empty(0, 0)] * len(branches) for branches in rows]
        if not ways:
            return said
        lengths = [len(rows[row][number]) for row, number in ways]
        starts = [at for at, (row, _) in enumerate(ways) if not at or ways[at - 1][0] != row]
        groups = list(pairwise([*starts, len(ways)]))
        layout = _Branching(lengths, groups, [first + ways[at][0] for at in starts], self)
        after = [self.pages.lengths[first + row] for row, _ in ways]
        hidden = self._states([rows[row][number] for row, number in ways], after, layout)
        for (row, number), states_of in zip(ways, torch.split(hidden, lengths), strict=True):
            said[row][number] = states_of
        return said

    def grow(self, rows: int, tree: Tree) -> Tensor:
        """See Memory.grow."""
        lengths = self.pages.lengths
        every = range(len(lengths) - rows, len(lengths))
        places = torch.cat([tree.depths + lengths[row] for row in every]) + self._begin
        ids = torch.tensor(tree.tokens * rows, device=self.device)
        hidden = states(self._core, ids, places.to(self.device), _Growing(every, tree, self))
        return hidden.unflatten(0, (rows, -1))  # type: ignore[no-untyped-call, no-any-return]

    def _states(self, rows: Sequence[Sequence[int]], after: Sequence[int], layout: Layout) -> Tensor:
        """Return the hidden states of rows that begin after so many tokens of their own (and the start)."""
        ids = torch.tensor([token for row in rows for token in row], device=self.device)
        places = [torch.arange(begin, begin + len(row)) for row, begin in zip(rows, after, strict=True)]
        return states(self._core, ids, torch.cat(places).to(self.device) + self._begin, layout)

    def step(self, tokens: Tensor) -> Tensor:
        """See Memory.step."""
        places = torch.tensor(self.pages.lengths, device=self.device) + self._begin
        for place in range(len(tokens)):
            self.pages.extend(place, 1)
        return states(self._core, tokens, places, _Stepping(self))

    def drop(self, place: int) -> None:
        """See Memory.drop."""
        self.pages.drop(place)


class Single:
    """One row in transformers' own cache: for architectures whose attention is not ours to lay out."""

    def __init__(self, core: nn.Module, device: torch.device) -> None:
        self._core, self._device = core, device
        self._cache = None
        self._row: Sequence[int] = ()
        self._length = 0

    def reserve(self, lengths: Sequence[int]) -> None:
        """See Memory.reserve."""

    def read(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """See Memory.read."""
        (self._row,) = rows
        out = self._core(input_ids=torch.tensor([list(self._row)], device=self._device), use_cache=True)
        self._cache, self._length = out.past_key_values, len(self._row)
        return out.last_hidden_state[:, -1]  # type: ignore[no-any-return]

    def branch(self, rows: Sequence[Sequence[Sequence[int]]]) -> list[list[Tensor]]:
        """See Memory.branch; not every cache can forget, so the row is read again for each."""
        said = []
        for branch in rows[0]:
            ids = torch.tensor([[*self._row, *branch]], device=self._device)
            said.append(self._core(input_ids=ids, use_cache=False).last_hidden_state[0, len(self._row) :])
        return [said]

    def grow(self, rows: int, tree: Tree) -> Tensor:
        """See Memory.grow; every way to an end of the tree is read by itself."""
        ends = (tree.sees.sum(0) == 1).nonzero()[:, 0].tolist()
        ways = [tree.sees[end].nonzero()[:, 0].tolist() for end in ends]
        (said,) = self.branch([[[tree.tokens[at] for at in way] for way in ways]])
        hidden = said[0].new_empty(len(tree.tokens), said[0].shape[1])
        for way, states_of in zip(ways, said, strict=True):
            hidden[way] = states_of
        return hidden[None]

    def step(self, tokens: Tensor) -> Tensor:
        """See Memory.step."""
        place = torch.tensor([[self._length]], device=self._device)
        out = self._core(input_ids=tokens[:, None], position_ids=place, past_key_values=self._cache, use_cache=True)
        self._length += 1
        return out.last_hidden_state[:, -1]  # type: ignore[no-any-return]

    def drop(self, place: int) -> None:
        """See Memory.drop."""
        self._cache = None
