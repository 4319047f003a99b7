"""Rows to learn from with their twins beside them, in which other groups are spoken of (`whet data swap`)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from whet.config.tree import Data
from whet.data.beside import Act, Beside, write_beside
from whet.data.swaps import CONTROL, Axis, twin_row
from whet.errors import UsageError
from whet.types import Chat, Progress


def write_twins(path: str, axes: Sequence[Axis], out: Path, data: Data, show: Progress | None = None) -> Beside:
    """Write every row of a file and after it one twin for each axis that it speaks of, and leave a trail.

    Counterfactual data augmentation: the model sees the same answer given to both groups.

    Raises:
        UsageError: `out` cannot be used, or an axis would teach nothing. And whatever `write_beside` raises.
    Source: Zmigrod et al. 2019, arXiv:1906.04571; Lu et al. 2018, arXiv:1807.11714.
    """
    if any(axis.name == CONTROL for axis in axes):
        raise UsageError(f"--axes: {CONTROL} swaps nothing that tells groups apart; it is for `whet bias`")
    names = [axis.name for axis in axes]

    def twins(row: Chat) -> Iterator[tuple[str, Chat]]:
        for axis in axes:
            if twin := twin_row(row, axis):
                yield axis.name, twin

    act = Act("swap", {"axes": names}, "swapped", f"none speaks of a group ({', '.join(names)})")
    return write_beside(path, twins, act, out, data, show)
