"""A file by its https URL. What a page says is not followed from https to http, and nothing secret is sent."""

import ipaddress
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPException
from typing import Any, BinaryIO, cast
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from whet.data.remote.cache import Offer, Unreachable, said
from whet.errors import DataError, Problem, UsageError

WAIT_S = 30
GONE = (404, 410)
LOCKED = (401, 402, 403, 407)


def offers(url: str) -> list[Offer]:
    """Return the file that a URL stands for.

    Raises:
        UsageError: it is over plain http. DataError: there is no such file, or it may not be read.
            Unreachable: the server cannot be asked, or not now.
    """
    if not _safe(url):
        raise UsageError(f"{url}: over plain http what comes may be another's; use https")
    try:
        with _asked(url) as answer:
            kind = answer.headers.get_content_type()
            length, mark = answer.headers.get("Content-Length"), _mark(answer)
    except HTTPError as error:
        if error.code in GONE:
            raise DataError([Problem(url, 0, "there is no such file; check the URL")]) from None
        if error.code in LOCKED:
            way = "fetch the file yourself and name the copy"
            raise DataError([Problem(url, 0, f"may not be read (HTTP {error.code}); {way}")]) from None
        raise Unreachable(f"HTTP {error.code}") from None
    except (OSError, HTTPException, ValueError) as error:
        raise Unreachable(said(error)) from None
    if kind == "text/html":
        raise DataError([Problem(url, 0, "is a web page; name the file itself, as its download link does")])

    def now() -> str:
        with _asked(url) as answer:
            return _mark(answer)

    size = int(length) if length and length.isdecimal() else None
    return [Offer(url, size, mark, lambda: cast("AbstractContextManager[BinaryIO]", _asked(url)), now)]


@contextmanager
def _asked(url: str) -> Iterator[Any]:
    # identity: a length is that of the file, and the file is what is called so
    request = Request(url, headers={"User-Agent": "whet", "Accept-Encoding": "identity"})
    with build_opener(_Strict).open(request, timeout=WAIT_S) as answer:
        yield answer


def _mark(answer: Any) -> str:
    """Return what tells this content from another: an etag, else when it was changed; nothing if it is not told."""
    return str(answer.headers.get("ETag") or answer.headers.get("Last-Modified") or "")


class _Strict(HTTPRedirectHandler):
    """Goes where a server points only if that is as safe as where it was."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        """See HTTPRedirectHandler."""
        if not _safe(newurl):
            raise HTTPException("the server points to plain http")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _safe(url: str) -> bool:
    """Say whether nobody on the way can change what comes: it is encrypted, or does not leave this machine."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return True
    try:
        host = parts.hostname or ""
        return parts.scheme == "http" and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return False
