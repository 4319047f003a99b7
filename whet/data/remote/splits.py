"""Which files of a data set on the hub a name stands for: named ones, or those of one split."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from whet.data.formats import ENDINGS, is_data
from whet.data.place import SPLITS
from whet.data.unpack import KINDS as PACKED
from whet.errors import DataError, Problem
from whet.types import SplitName

DOCUMENTS = (".md", ".markdown", ".html", ".htm", ".docx", ".pdf")
ABOUT = re.compile(  # files of data's kinds that are about it
    r"(dataset_infos?|dataset_dict|state|metadata|config|croissant|requirements|license|licence|readme|notice|citation)"
    r"\.(json|txt)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^A-Za-z]+")
_SHARD = re.compile(r"([-_.]?\d+)?([-_.]of[-_.]\d+)?([-_.][0-9a-f]{16})?$")


def chosen(base: str, pattern: str | None, side: SplitName, paths: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the files of a data set, called `base`, that are meant, and what a person should know.

    A file, a pattern (`*` also stands for `/`) or a split (`train`, `validation`, `test`) is taken as it is named. In
    a folder, or the whole, files called after a split are told apart, and those of `side` are taken; of a single
    split, all are.

    Raises:
        DataError: there is none, or several sets of files could be meant; they are named.
    """
    every = sorted(paths)
    data = [path for path in every if _is_rows(path)]
    if pattern is None:
        return _of_side(base, base, side, data)
    named = f"{base}:{pattern}"
    if pattern in every:
        if not is_data(PurePosixPath(pattern)):
            raise _refused(named, f"is no file that can be read as data; the endings are {', '.join(ENDINGS)}")
        return [pattern], []
    folder = pattern.strip("/") + "/"
    if below := [path for path in data if path.startswith(folder)]:
        return _of_side(base, named, side, below)
    if matched := [path for path in data if fnmatchcase(path, pattern)]:
        return matched, []
    wanted = SPLITS.get(pattern)
    if wanted and (found := [path for path in data if split_of(path) == wanted]):
        return _one_set(base, named, wanted, found), []
    raise _refused(named, f"nothing there is called so; there are {_listed(data or every) or 'no files'}")


def split_of(path: str) -> SplitName | None:
    """Return the split that a file is called after, or else its nearest folder that is called after one.

    `data/train-00000-of-00005.parquet`, `test.jsonl` and `validation/part1.csv` are; `trained.csv` is not.
    """
    for part in reversed(PurePosixPath(path).parts):
        for word in _WORD.split(part):
            if found := SPLITS.get(word.lower()):
                return found
    return None


def _of_side(base: str, named: str, side: SplitName, data: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the files of one split, where files are called after splits, else all of one kind."""
    if not data:
        raise _refused(named, f"there is no file that can be read as data; the endings are {', '.join(ENDINGS)}")
    splits: dict[SplitName, list[str]] = defaultdict(list)
    for path in data:
        if split := split_of(path):
            splits[split].append(path)
    if not splits:
        kinds = {_ending(path) for path in data}
        if len(kinds) > 1:
            what = f"holds files of several kinds ({', '.join(sorted(kinds))}): {_listed(data)}"
            raise _refused(named, f"{what}; name a file or a pattern, as in {base}:{data[0]}")
        return list(data), [f"{named}: all {len(data):,} files are taken"] if len(data) > 1 else []
    taken = side if side in splits else next(iter(splits))
    if side not in splits and len(splits) > 1:
        what = f"no file is called after {side}; there are {_counts(splits)}"
        raise _refused(named, f"{what}; name one, as in {base}:{_pattern(splits[taken][0])}")
    files = _one_set(base, named, taken, splits[taken])
    told = f"{named}: the {taken} split is taken ({len(files):,} {'file' if len(files) == 1 else 'files'})"
    others = {split: found for split, found in splits.items() if split != taken}
    beside = f"; beside it are {_counts(others)}, which are read only where they are named" if others else ""
    loose = len(data) - sum(map(len, splits.values()))
    return files, [told + beside + (f"; {loose:,} other files are left out" if loose else "")]


def _one_set(base: str, named: str, split: SplitName, files: Sequence[str]) -> list[str]:
    """Return the files of a split, if they belong together: shards of one thing, in one place, of one kind."""
    sets: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for path in files:
        sets[_set(path)].append(path)
    if len(sets) == 1:
        return list(files)
    firsts = [found[0] for found in sets.values()]
    what = f"holds {len(sets)} sets of files called after {split}, such as {_listed(firsts)}"
    raise _refused(named, f"{what}; name a folder, a file or a pattern, as in {base}:{_pattern(firsts[0])}")


def _set(path: str) -> tuple[str, str, str]:
    """Return the folder that a file is one of, not counting those called after splits, its name without the number
    of its shard, and its ending.
    """
    pure = PurePosixPath(path)
    parent = "/".join(part for part in pure.parts[:-1] if not split_of(part))
    ending = _ending(path)
    stem = pure.name[: len(pure.name) - len(ending)]
    return parent, _SHARD.sub("", stem) if split_of(pure.name) else "", ending


def _pattern(path: str) -> str:
    """Return a pattern for a file and the other shards of what it is a part of."""
    folder, name = path.rpartition("/")[::2]
    ending = _ending(path)
    stem = _SHARD.sub("", name[: len(name) - len(ending)])
    return f"{folder}/{stem}*{ending}" if folder else f"{stem}*{ending}"


def _ending(path: str) -> str:
    pure = PurePosixPath(path)
    return "".join(pure.suffixes[-2:]) if pure.suffix.lower() in PACKED else pure.suffix


def _is_rows(path: str) -> bool:
    """Say whether a file holds rows: documents and files about a data set are read only if they are named."""
    pure = PurePosixPath(path)
    if any(part.startswith(".") for part in pure.parts) or ABOUT.fullmatch(pure.name):
        return False
    return is_data(pure) and pure.suffix.lower() not in DOCUMENTS


def _counts(splits: dict[SplitName, list[str]]) -> str:
    return ", ".join(f"{split} ({len(found):,})" for split, found in sorted(splits.items()))


def _listed(paths: Sequence[str]) -> str:
    return ", ".join(paths[:8]) + (f" and {len(paths) - 8:,} more" if len(paths) > 8 else "")


def _refused(named: str, what: str) -> DataError:
    return DataError([Problem(named, 0, what)])
