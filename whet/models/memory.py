"""What a model remembers of prompts while it answers them: keys and values, the shared start's only once."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from whet.models.attention import Bucket
from whet.models.packed import Layout, states
from whet.models.tree import Tree

ROOM = 64  # tokens of space made at a time

Pairs = dict[int, tuple[Tensor, Tensor]]  # keys and values by layer; not every layer has them


def length_of(start: Pairs) -> int:
    """Return how many tokens a start has."""
    return next(iter(start.values()))[0].shape[2] if start else 0


def size_of(start: Pairs) -> int:
    """Return how many bytes a start takes."""
    return sum(part.nbytes for pair in start.values() for part in pair)


class Memory(Protocol):
    """The prompts that are being answered, in places 0 to B - 1."""

    def reserve(self, rows: int, tokens: int) -> None:
        """Make space at once for so many more rows, of so many tokens at most."""

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

    def __init__(self, lengths: Sequence[int], into: Tensor, store: "Packed") -> None:
        super().__init__(lengths, length_of(store.start), into.device, inside=False)
        self._into, self._store = into, store

    def before(self, layer: int, bucket: Bucket, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor] | None:
        return self._store.start.get(layer)

    def keep(self, layer: int, bucket: Bucket, keys: Tensor, values: Tensor) -> None:
        self._store.put(layer, self._into[bucket.first : bucket.first + bucket.rows], keys, values)


class _Branching(Layout):
    """Rows in groups, each group continuing one row that a store remembers."""

    def __init__(
        self, lengths: Sequence[int], groups: Sequence[tuple[int, int]], rows: list[int], store: "Packed"
    ) -> None:
        super().__init__(lengths, 0, store.lengths.device, inside=False, groups=groups)
        self._row = {first: row for (first, _), row in zip(groups, rows, strict=True)}
        self._store = store

    def before(self, layer: int, bucket: Bucket, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor] | None:
        return self._store.remembered(layer, self._row[bucket.first])


class _Growing(_Branching):
    """One tree of continuations for each row, a token attending to its row and to what leads to it."""

    def __init__(self, rows: Sequence[int], tree: Tree, store: "Packed") -> None:
        size = len(tree.tokens)
        super().__init__([size] * len(rows), [(at, at + 1) for at in range(len(rows))], list(rows), store)
        self._sees, self._depths = (part.to(store.lengths.device) for part in (tree.sees, tree.depths))

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
        self._store = store

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, window: int | None, **options: Any
    ) -> Tensor:
        """Shapes: query (1, heads, B, D); result (1, B, heads, D)."""
        store = self._store
        keys, values = store.append(layer, key[0].transpose(0, 1), value[0].transpose(0, 1))
        groups, rows, seen = key.shape[1], query.shape[2], keys.shape[2]
        scale = options["scale"] or query.shape[-1] ** -0.5
        asked = query[0].reshape(groups, -1, rows, query.shape[3]) * scale  # (groups, heads of a group, B, D)
        own = asked.permute(2, 0, 1, 3) @ keys.mT  # (B, groups, heads of a group, seen)
        age = store.lengths[:, None] - torch.arange(seen, device=query.device)
        hidden = age < 0 if window is None else (age < 0) | (age >= window)
        scores = own.float().masked_fill(hidden[:, None, None], float("-inf"))
        if store.start:
            before, told = store.start[layer]
            shared = (asked.flatten(1, 2) @ before[0].mT).float().view(groups, -1, rows, before.shape[2])
            if window is not None:
                far = before.shape[2] + store.lengths[:, None] - torch.arange(before.shape[2], device=query.device)
                shared = shared.masked_fill((far >= window)[None, None], float("-inf"))
            scores = torch.cat([shared.permute(2, 0, 1, 3), scores], -1)
        likely = scores.softmax(-1).to(value.dtype)
        said: Tensor = likely[..., -seen:] @ values  # (B, groups, heads of a group, D)
        if store.start:
            first = likely[..., :-seen].permute(1, 2, 0, 3).flatten(1, 2) @ told[0]
            said = said + first.unflatten(1, (-1, rows)).permute(2, 0, 1, 3)
        return said.flatten(1, 2)[None]


class Packed:
    """Rows laid end to end; the keys and values of a shared start are held once for all of them."""

    def __init__(self, core: nn.Module, device: torch.device, start: Pairs | None = None) -> None:
        self._core, self._device = core, device
        self.start: Pairs = start or {}
        self._begin = length_of(self.start)
        self._rows: Pairs = {}  # (places, heads, room, D); what stands behind a row's end is never seen
        self._space = (0, 0)  # places and room that every layer shall have
        self._kept: list[int] = []  # tokens remembered of each row, the start excluded
        self.lengths = torch.zeros(0, dtype=torch.long, device=device)  # the same

    @classmethod
    def begun(cls, core: nn.Module, device: torch.device, ids: Sequence[int]) -> Pairs:
        """Return the keys and values of a start that many rows share."""
        reader = cls(core, device)
        reader.read([ids])
        return reader._rows

    def reserve(self, rows: int, tokens: int) -> None:
        """See Memory.reserve."""
        places, room = self._space
        rows += len(self._kept)
        if tokens > room:  # everything moves; places that nobody needs are given back
            self._space = (rows, tokens)
        elif rows > places:
            self._space = (rows, room)

    def read(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """See Memory.read; the rows do not hold the start."""
        order = sorted(range(len(rows)), key=lambda at: len(rows[at]))
        lengths = [len(rows[at]) for at in order]
        self.reserve(len(rows), lengths[-1])
        into = torch.tensor(order, device=self._device) + len(self._kept)
        hidden = self._states([rows[at] for at in order], [0] * len(rows), _Filling(lengths, into, self))
        self._remember([*self._kept, *map(len, rows)])
        last = torch.tensor(lengths, device=self._device).cumsum(0) - 1
        return hidden[last[into.argsort()]]

    def branch(self, rows: Sequence[Sequence[Sequence[int]]]) -> list[list[Tensor]]:
        """See Memory.branch."""
        first = len(self._kept) - len(rows)
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
        after = [self._kept[first + row] for row, _ in ways]
        hidden = self._states([rows[row][number] for row, number in ways], after, layout)
        for (row, number), states_of in zip(ways, torch.split(hidden, lengths), strict=True):
            said[row][number] = states_of
        return said

    def grow(self, rows: int, tree: Tree) -> Tensor:
        """See Memory.grow."""
        every = range(len(self._kept) - rows, len(self._kept))
        ids = torch.tensor(tree.tokens * rows, device=self._device)
        places = torch.cat([self._begin + self._kept[row] + tree.depths for row in every])
        hidden = states(self._core, ids, places.to(self._device), _Growing(every, tree, self))
        return hidden.unflatten(0, (rows, -1))  # type: ignore[no-untyped-call, no-any-return]

    def _states(self, rows: Sequence[Sequence[int]], after: Sequence[int], layout: Layout) -> Tensor:
        """Return the hidden states of rows that begin after so many tokens of their own (and the start)."""
        ids = torch.tensor([token for row in rows for token in row], device=self._device)
        places = [torch.arange(begin, begin + len(row)) for row, begin in zip(rows, after, strict=True)]
        return states(self._core, ids, torch.cat(places).to(self._device) + self._begin, layout)

    def remembered(self, layer: int, place: int) -> tuple[Tensor, Tensor]:
        """Return all keys and values that a row continues with, the start's first. Shapes: (1, heads, T, D)."""
        own = [space[place : place + 1, :, : self._kept[place]] for space in self._rows[layer]]
        if self.start:
            own = [torch.cat([before, rest], 2) for before, rest in zip(self.start[layer], own, strict=True)]
        return own[0], own[1]

    def put(self, layer: int, places: Tensor, keys: Tensor, values: Tensor) -> None:
        """Remember the keys and values of some rows of a layer. Shapes: places (B,); keys, values (B, heads, T, D)."""
        for space, new in zip(self._spaces(layer, keys, values), (keys, values), strict=True):
            space[places, :, : new.shape[2]] = new

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Remember one more token of every row and return all that is remembered. Shapes: (B, heads, D)."""
        count, longest = len(self._kept), max(self._kept) + 1
        if longest > self._space[1]:
            self.reserve(0, longest + ROOM)
        every = torch.arange(count, device=self._device)
        first, second = self._spaces(layer, keys, values)
        first[every, :, self.lengths] = keys
        second[every, :, self.lengths] = values
        return first[:count, :, :longest], second[:count, :, :longest]

    def _spaces(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return a layer's keys and values in the space that they shall have."""
        old = self._rows.get(layer)
        if old is None or (old[0].shape[0], old[0].shape[2]) != self._space:
            key, value = (
                new.new_zeros(self._space[0], new.shape[1], self._space[1], new.shape[-1]) for new in (keys, values)
            )
            if old is not None and self._kept:
                count, longest = len(self._kept), max(self._kept)
                key[:count, :, :longest] = old[0][:count, :, :longest]
                value[:count, :, :longest] = old[1][:count, :, :longest]
            self._rows[layer] = (key, value)
        return self._rows[layer]

    def step(self, tokens: Tensor) -> Tensor:
        """See Memory.step."""
        hidden = states(self._core, tokens, self._begin + self.lengths, _Stepping(self))
        self._remember([length + 1 for length in self._kept])
        return hidden

    def drop(self, place: int) -> None:
        """See Memory.drop."""
        last = self._kept.pop()
        if place < len(self._kept):
            for space in (space for pair in self._rows.values() for space in pair):
                space[place, :, :last] = space[len(self._kept), :, :last]
            self._kept[place] = last
        self._remember(self._kept)

    def _remember(self, lengths: list[int]) -> None:
        self._kept = lengths
        self.lengths = torch.tensor(lengths, dtype=torch.long, device=self._device)


class Single:
    """One row in transformers' own cache: for architectures whose attention is not ours to lay out."""

    def __init__(self, core: nn.Module, device: torch.device) -> None:
        self._core, self._device = core, device
        self._cache = None
        self._row: Sequence[int] = ()
        self._length = 0

    def reserve(self, rows: int, tokens: int) -> None:
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
