"""Keys and values of rows that grow, in pages that any row may take (PagedAttention, arXiv:2309.06180, section 4.1)."""

from collections.abc import Sequence

import torch
from torch import Tensor

PAGE = 16  # tokens

Pairs = dict[int, tuple[Tensor, Tensor]]  # keys and values by layer; not every layer has them


class Pages:
    """What is remembered of the rows in places 0 to B - 1, token by token: a slot for each in every layer.

    Attributes:
        lengths: tokens of each row.
        table: the pages of each row, in order; what stands behind its last is no page of its own. Shapes: (at least B,
            most pages of a row), on the processor.
    """

    def __init__(self, device: torch.device) -> None:
        self.lengths: list[int] = []
        self.table = torch.zeros(0, 0, dtype=torch.long)
        self._device = device
        self._layers: Pairs = {}  # (slots, heads, D)
        self._taken: list[int] = []  # how many pages each row has
        self._free: list[int] = []
        self._pages = 0

    @property
    def layers(self) -> list[int]:
        """The layers that have keys and values."""
        return list(self._layers)

    def reserve(self, lengths: Sequence[int]) -> None:
        """Make space at once for more rows that may come to so many tokens."""
        short = sum(-(-length // PAGE) for length in lengths) - len(self._free)
        if short > 0:
            new = range(self._pages, self._pages + short)
            self._free = [*reversed(new), *self._free]  # taken from the end: first what was there, then the lowest
            self._pages += short

    def extend(self, place: int, tokens: int) -> None:
        """Give a row, the one after the last too, the slots of more tokens."""
        if place == len(self.lengths):
            self.lengths.append(0)
            self._taken.append(0)
        self.lengths[place] += tokens
        more = -(-self.lengths[place] // PAGE) - self._taken[place]
        if not more:
            return
        if more > len(self._free):
            self.reserve([more * PAGE + self._pages * PAGE // 4])  # everything moves, so not for one page alone
        last = self._taken[place] + more
        rows, wide = self.table.shape
        if place >= rows or last > wide:
            grown = self.table.new_zeros(max(rows, 2 * place + 1), max(wide, last + last // 4))
            grown[:rows, :wide] = self.table
            self.table = grown
        self.table[place, self._taken[place] : last] = torch.tensor([self._free.pop() for _ in range(more)])
        self._taken[place] = last

    def drop(self, place: int) -> None:
        """Forget a row; the last one takes its place."""
        self._free += self.table[place, : self._taken[place]].tolist()
        last = len(self.lengths) - 1
        self.table[place] = self.table[last]
        self.lengths[place], self._taken[place] = self.lengths[last], self._taken[last]
        del self.lengths[last], self._taken[last]

    def slots(self, places: Sequence[int]) -> Tensor:
        """Return where every token of some rows is, row after row. Shapes: (N,)."""
        return torch.cat([self._slots(place, torch.arange(self.lengths[place])) for place in places]).to(self._device)

    def newest(self) -> Tensor:
        """Return where the last token of every row is. Shapes: (B,)."""
        last = torch.tensor(self.lengths) - 1
        return self._slots(torch.arange(len(last)), last).to(self._device)

    def grid(self) -> Tensor:
        """Return where all tokens of all rows are, the first again behind a row's end. Shapes: (B, longest)."""
        lengths = torch.tensor(self.lengths)
        at = torch.arange(max(self.lengths))[None]
        at = torch.where(at < lengths[:, None], at, 0)
        return self._slots(torch.arange(len(lengths))[:, None], at).to(self._device)

    def _slots(self, places: int | Tensor, at: Tensor) -> Tensor:
        return self.table[places, at // PAGE] * PAGE + at % PAGE

    def put(self, layer: int, slots: Tensor, keys: Tensor, values: Tensor) -> None:
        """Remember keys and values of a layer. Shapes: slots (N,); keys, values (N, heads, D)."""
        old = self._layers.get(layer)
        if old is None or len(old[0]) < self._pages * PAGE:
            key, value = (new.new_empty(self._pages * PAGE, *new.shape[1:]) for new in (keys, values))
            if old is not None:
                key[: len(old[0])], value[: len(old[1])] = old
            self._layers[layer] = (key, value)
        for space, new in zip(self._layers[layer], (keys, values), strict=True):
            space.index_copy_(0, slots, new)

    def all(self, layer: int) -> tuple[Tensor, Tensor]:
        """Return the keys and values of every slot. Shapes: (slots, heads, D)."""
        return self._layers[layer]

    def at(self, layer: int, slots: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values. Shapes: slots (T,); (1, heads, T, D)."""
        key, value = (space[slots].transpose(0, 1)[None] for space in self._layers[layer])
        return key, value
