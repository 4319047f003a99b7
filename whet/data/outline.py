"""What decides where a row goes, in a few bytes: files of any size are parted without their rows at hand."""

import hashlib
from array import array
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from whet.data.content import content_hash, fingerprint, question, share
from whet.data.near import Near
from whet.data.origins import Origins
from whet.types import Chat, Example, SplitName

SIDES: tuple[SplitName, ...] = ("train", "validation", "test")
FREE = -1  # of a row that names no side


class Outline:
    """Takes in rows one at a time. `alike`: also keep what finds the rows that ask nearly the same.

    `contents` and `questions` are hashes; `places` are from 0 to 1, by content; `named` are numbers of SIDES or FREE;
    `times` are NaN where a row has none; `labels` are numbers of `label_names`, 0 for none. Of groups, `groups` are
    hashes, `owners` the rows that belong to them and `kinds` numbers of `kind_names`.
    """

    def __init__(self, alike: bool = True) -> None:
        self.origins = Origins()
        self.contents, self.questions = array("Q"), array("Q")
        self.places, self.times = array("d"), array("d")
        self.named, self.chats = array("b"), array("b")
        self.labels, self.label_names = array("l"), {"": 0}
        self.groups, self.owners, self.kinds = array("Q"), array("q"), array("l")
        self.kind_names: dict[str, int] = {}
        self._near = Near() if alike else None
        self._leaders: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, examples: Iterable[Example], alike: bool = True) -> "Outline":
        """Return the outline of rows."""
        outline = cls(alike)
        for example in examples:
            outline.add(example)
        return outline

    def __len__(self) -> int:
        """How many rows were taken in."""
        return len(self.contents)

    def add(self, example: Example) -> None:
        """Take in the next row."""
        asked, content = question(example), content_hash(example)
        for group in dict.fromkeys(example.groups):
            self.groups.append(fingerprint(group))
            self.owners.append(len(self))
            self.kinds.append(self.kind_names.setdefault(group.partition("=")[0], len(self.kind_names)))
        self.origins.add(example.source)
        self.contents.append(int(content[:16], 16))
        self.questions.append(fingerprint(asked))
        self.places.append(share(hashlib.sha256(b"split" + content.encode()).hexdigest()))
        self.named.append(SIDES.index(example.split) if example.split else FREE)
        self.chats.append(isinstance(example, Chat))
        self.times.append(float("nan") if example.time is None else example.time)
        label = getattr(example, "label", None) or ""
        self.labels.append(self.label_names.setdefault(label, len(self.label_names)))
        if self._near:
            self._near.add(asked)

    def leaders(self) -> NDArray[np.int64]:
        """Return, per row, the first of all rows that must stand on its side: alike, or of one group."""
        if self._leaders is None:
            leaders = self._near.settled() if self._near else list(range(len(self)))
            self._near = None  # what it kept is not needed again
            self._leaders = np.array(joined(leaders, self.groups, self.owners), np.int64)
        return self._leaders


def joined(leaders: list[int], groups: Iterable[object], owners: Iterable[int]) -> list[int]:
    """Return, per row, the first of all that belong together, once those of one group do; `owners` are its rows."""
    first: dict[object, int] = {}

    def find(at: int) -> int:
        while leaders[at] != at:
            leaders[at] = leaders[leaders[at]]
            at = leaders[at]
        return at

    for group, owner in zip(groups, owners, strict=True):
        one, other = find(first.setdefault(group, owner)), find(owner)
        leaders[max(one, other)] = min(one, other)
    return [find(at) for at in range(len(leaders))]
