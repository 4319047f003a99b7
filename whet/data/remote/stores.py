"""Object stores by URL (S3, Google Cloud, Azure), through fsspec and the package of each."""

from contextlib import AbstractContextManager
from functools import partial
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

from whet.config.places import STORES, scheme_of
from whet.data.formats import is_data
from whet.data.remote.cache import Offer, Unreachable, said
from whet.errors import DataError, Problem, UsageError

MAGIC = "*["


def offers(url: str) -> list[Offer]:
    """Return the files that a URL stands for: itself, the data files below a folder, or what a pattern matches.

    Raises:
        UsageError: no such kind of store, or its package is not installed. DataError: there is no such file, or it may
            not be read. Unreachable: the store cannot be asked.
    """
    kind = _kind(url)
    try:
        store = kind(**kind._get_kwargs_from_urls(url))
        store.invalidate_cache()
        found = _listed(store, url)
        return [_offer(store, name, info) for name, info in sorted(found.items())]
    except FileNotFoundError:
        raise DataError([Problem(url, 0, "there is no such file; check the URL")]) from None
    except PermissionError as error:
        way = "check the credentials in the store's own settings (environment variables, its configuration file)"
        raise DataError([Problem(url, 0, f"may not be read ({said(error)}); {way}")]) from None
    except Exception as error:  # each store has errors of its own, which share no class
        raise Unreachable(said(error)) from None


def _kind(url: str) -> Any:
    import fsspec

    scheme = scheme_of(url)
    if scheme not in STORES:
        known = ", ".join(f"{one}://" for one in ("s3", "gs", "az", "abfs", "https"))
        way = "write hub:OWNER/NAME" if scheme == "hf" else "fetch the file yourself and name the copy"
        raise UsageError(f"{scheme}:// is none of the stores that data is fetched from ({known}, hub:); {way}")
    try:
        return fsspec.get_filesystem_class(scheme)
    except (ImportError, ValueError):
        raise UsageError(f"{scheme}:// needs packages that are not here; pip install 'whet-llm[cloud]'") from None


def _listed(store: Any, url: str) -> dict[str, dict[str, Any]]:
    """Return what the store tells of each file, by its URL."""
    root = store._strip_protocol(url)
    try:
        info = store.info(root)
    except FileNotFoundError:
        info = None
    if info and info["type"] == "file":
        return {url: info}
    if info:
        top, found = url.rstrip("/") + "/", store.find(root, detail=True)
        found = {path: one for path, one in found.items() if is_data(PurePosixPath(path))}
    elif any(sign in url for sign in MAGIC):
        top = url[: min(url.find(sign) for sign in MAGIC if sign in url)]
        top, found = top[: top.rfind("/") + 1], store.glob(root, detail=True)
    else:
        raise FileNotFoundError(url)
    start = len(store._strip_protocol(top).rstrip("/")) + 1
    below = {top + path[start:]: one for path, one in found.items() if one["type"] == "file"}
    return {name: one for name, one in below.items() if "/." not in name[len(top) - 1 :]}


def _offer(store: Any, name: str, info: dict[str, Any]) -> Offer:
    def read() -> AbstractContextManager[BinaryIO]:
        return cast("AbstractContextManager[BinaryIO]", store.open(info["name"], "rb"))

    return Offer(name, info.get("size"), _fingerprint(store, info), read, partial(_now, store, info["name"]))


def _now(store: Any, path: str) -> str:
    store.invalidate_cache()
    return _fingerprint(store, store.info(path))


def _fingerprint(store: Any, info: dict[str, Any]) -> str:
    tag = next((info[key] for key in ("ETag", "etag", "md5Hash") if info.get(key)), None)
    return str(tag or store.ukey(info["name"]))
