"""Data sets on the Hugging Face hub: their data files alone, as they were at one commit. No code of theirs is run."""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from whet.config.places import HUB, cache_folder
from whet.data.remote.cache import Unreachable, bound, make_room, remember, remembered, said
from whet.data.remote.splits import chosen
from whet.errors import DataError, Problem, UsageError
from whet.types import SplitName

WAIT_S = 30
_NAME = re.compile(r"hub:([\w.-]+/[\w.-]+)(?:@([^\s:@?#]+))?(?::([^:]+))?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_ODD = re.compile(r"[\x00-\x1f\x7f\\:]|(^|/)\.\.?(/|$)|^/|//|^$")  # no name of a file that is fetched


@dataclass(frozen=True, slots=True)
class Named:
    """What a name says: a data set, the branch, tag or commit that is meant, and which of its files."""

    repo: str
    revision: str | None = None
    pattern: str | None = None

    @classmethod
    def of(cls, name: str) -> "Named":
        """Return what a name says.

        Raises:
            UsageError: it is not written as such a name is.
        """
        found = _NAME.fullmatch(name)
        if not found:
            raise UsageError(
                f"{name[:200]!r}: write a data set on the hub as hub:OWNER/NAME, hub:OWNER/NAME@REVISION, or with a "
                "file, folder, pattern or split: hub:OWNER/NAME:data/train*.parquet"
            )
        return cls(*found.groups())

    def __str__(self) -> str:
        return self.base + (f":{self.pattern}" if self.pattern else "")

    @property
    def base(self) -> str:
        """The name of the whole data set."""
        return f"{HUB}{self.repo}" + (f"@{self.revision}" if self.revision else "")


@dataclass(frozen=True, slots=True)
class Tree:
    """The files of a data set at a commit, with their sizes, and what a person should know of how this is known."""

    commit: str
    sizes: dict[str, int | None]
    note: str = ""


def pinned(name: str) -> str:
    """Return the name with the commit that it stands for now.

    Raises:
        UsageError, DataError: see `fetched`.
    """
    named = Named.of(name)
    return str(replace(named, revision=_tree(named).commit))


def fetched(name: str, notes: list[str], side: SplitName) -> list[tuple[str, Path]]:
    """Return the files that a name stands for, each with its name at its commit, fetched where they are not here.

    Raises:
        UsageError: it is not written as such a name is. DataError: there is no such data set, revision or file, it may
            not be read, or cannot be had now. RunError, FitError: there is no room for it.
    """
    named = Named.of(name)
    tree = _tree(named)
    notes += [tree.note] if tree.note else []
    paths, told = chosen(named.base, named.pattern, side, tree.sizes)
    bound(name, [tree.sizes[path] for path in paths])
    if named.revision != tree.commit:
        notes.append(f"{named.base}: read as it is at the commit {tree.commit}")
    notes += told
    exact = Named(named.repo, tree.commit).base
    return [(f"{exact}:{path}", _file(named.repo, tree, path)) for path in paths]


def _tree(named: Named) -> Tree:
    """Return the files at what is meant; of a commit as they were ever told, else as the hub tells them now."""
    known = remembered(named.base)
    if known and _COMMIT.fullmatch(named.revision or ""):
        return Tree(named.revision or "", dict(known[0]["sizes"]))
    try:
        tree = _asked(named)
    except Unreachable as error:
        if not known:
            what = f"the hub cannot be asked ({error}), and the cache holds nothing of it"
            way = "fetch it once with a connection, or name a local file"
            raise DataError([Problem(str(named), 0, f"{what}; {way}")]) from None
        note = f"{named.base}: the hub cannot be asked ({error}); taken as it was told on {known[1]}"
        return Tree(known[0]["commit"], dict(known[0]["sizes"]), note)
    for base in (named.base, Named(named.repo, tree.commit).base):
        remember(base, {"commit": tree.commit, "sizes": tree.sizes})
    return tree


def _asked(named: Named) -> Tree:
    """Return the files that the hub tells.

    Raises:
        DataError: it refuses. Unreachable: it cannot be asked.
    """
    from huggingface_hub import HfApi

    try:
        info = HfApi(endpoint=_endpoint()).dataset_info(
            named.repo, revision=named.revision, files_metadata=True, timeout=WAIT_S
        )
    except Exception as error:  # the client's own, of httpx in one version and of httpx2 in another
        raise _meant(named.base, error) from None
    files = {one.rfilename: one.size for one in info.siblings or () if not _ODD.search(one.rfilename)}
    if not _COMMIT.fullmatch(info.sha or ""):
        raise Unreachable("it told no commit")
    return Tree(str(info.sha), files)


def _file(repo: str, tree: Tree, path: str) -> Path:
    """Return a file at a commit; the client writes it under another name until it is whole."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import LocalEntryNotFoundError

    name = f"{Named(repo, tree.commit).base}:{path}"
    what: dict[str, Any] = {"repo_type": "dataset", "revision": tree.commit, "cache_dir": cache_folder() / "hub"}
    if isinstance(there := try_to_load_from_cache(repo, path, **what), str):
        return Path(there)
    make_room(name, tree.sizes[path])
    try:
        found = Path(hf_hub_download(repo, path, endpoint=_endpoint(), etag_timeout=WAIT_S, **what))
    except LocalEntryNotFoundError:
        missing = "is not in the cache, and the hub cannot be asked; fetch it once with a connection"
        raise DataError([Problem(name, 0, missing)]) from None
    except Exception as error:  # see _asked
        try:
            raise _meant(name, error)
        except Unreachable as why:
            raise DataError([Problem(name, 0, f"cannot be fetched ({why}); try again")]) from None
    size = tree.sizes[path]
    if size is not None and found.stat().st_size != size:
        came = found.stat().st_size
        raise DataError([Problem(name, 0, f"came only in part: {came:,} of {size:,} bytes; try again")])
    return found


def _meant(name: str, error: Exception) -> Exception:
    """Return what to raise for an error of the client."""
    from huggingface_hub import errors

    why = {
        errors.GatedRepoError: "its owner asks for consent; give it on the data set's page and log in (hf auth login)",
        errors.RepositoryNotFoundError: "there is no public data set of that name; check it, or log in (hf auth login)",
        errors.RevisionNotFoundError: "there is no such branch, tag or commit; check it",
        errors.DisabledRepoError: "the hub does not give it out; name another",
        errors.RemoteEntryNotFoundError: "there is no such file; check it",
        errors.HFValidationError: "the hub knows no such names; write hub:OWNER/NAME",
    }
    for kind, what in why.items():
        if isinstance(error, kind):
            return DataError([Problem(name, 0, what)])
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return DataError([Problem(name, 0, f"the hub does not let it be read (HTTP {status}); log in (hf auth login)")])
    return Unreachable(f"HTTP {status}" if status else said(error))


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None
