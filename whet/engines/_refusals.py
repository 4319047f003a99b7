"""What a server says when it does not answer, in words that name the way out. No I/O."""

import json
import re
import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from whet.errors import EndpointError

SHOWN = 20  # sources named in a message; the error has all
LONGEST = 300  # characters of a server's own words
STOPPING = frozenset({401, 402, 403, 404, 405, 407, 429, 502, 503, 504})  # the next prompt would fare no better
_CONTEXT = re.compile(r"context.{0,12}(length|size|window)|maximum context|prompt is too long|exceed\w* .{0,20}context")
_ODD = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one prompt got no reply. `stopping`: no other prompt would get one."""

    what: str
    stopping: bool = False


def plain(text: str, key: str | None) -> str:
    """Return a server's words on one line, without the key and not too long."""
    if key:
        text = text.replace(key, "[key]")
    text = _ODD.sub(" ", text).strip()
    return text if len(text) <= LONGEST else text[: LONGEST - 4] + " ..."


def words_of(content: bytes) -> tuple[str, str]:
    """Return what an error's body says, and its code or type, in any of the forms that servers have."""
    text = content.decode("utf-8", "replace")
    try:
        said: Any = json.loads(text)
    except ValueError:
        return text, ""
    if isinstance(said, dict) and isinstance(said.get("error"), dict):
        said = said["error"]
    if not isinstance(said, dict):
        return text, ""
    message = next((said[name] for name in ("message", "error", "detail") if said.get(name)), text)
    return (message if isinstance(message, str) else json.dumps(message)), f"{said.get('code')} {said.get('type')}"


def refused(status: int, content: bytes, headers: Any, key: str | None, key_name: str) -> Failure:
    """Return why a server refused a request, but for a model that it does not have (404)."""
    said, code = words_of(content)
    quoted = f': the server says "{plain(said, key)}"' if said.strip() else ""
    stopping = status in STOPPING or 300 <= status < 400
    if status in (401, 403):
        way = f"${key_name} is not a key for it" if key else "it wants a key; set $WHET_API_KEY"
        return Failure(f"access was refused (HTTP {status}), {way}{quoted}", stopping)
    if 300 <= status < 400:
        host = plain(re.sub(r"^(\w+://)?([^/@]*@)?([^/?#]*).*", r"\1\3", str(headers.get("location", ""))), key)
        return Failure(f"the server sends on to {host or 'another place'} (HTTP {status}); name that URL", stopping)
    if status in (400, 413, 422) and ("context" in code or _CONTEXT.search(said.lower())):
        return Failure(f"does not fit into the model's context; shorten it or lower max_tokens{quoted}", stopping)
    if status == 429:
        wait = plain(str(headers.get("retry-after", "")), key)
        later = f" and wants {wait} s of quiet" if wait.isdigit() else ""
        return Failure(f"too many requests (HTTP 429){later}; lower the concurrency, or try later{quoted}", stopping)
    if status >= 500:
        return Failure(f"the server failed (HTTP {status}), every time it was asked; look at its log{quoted}", stopping)
    way = "change what it objects to"
    return Failure(f"the server does not answer this request (HTTP {status}); {way}{quoted}", stopping)


def missing(model: str, has: Sequence[str] | None, content: bytes, key: str | None) -> Failure:
    """Return why nothing was found (HTTP 404): `has` are the server's models, None where it lists none."""
    said = plain(words_of(content)[0], key)
    if has is None:
        what = "nothing is there (HTTP 404); a URL ends before /chat/completions, as http://localhost:8000/v1 does"
    elif model in has:
        what = f"the server lists {model} but does not answer for it (HTTP 404)"
    else:
        what = f"the server has no model {model} (HTTP 404); it has: {listed(has)}"
    return Failure(what + (f': the server says "{said}"' if said else ""), True)


def listed(models: Sequence[str]) -> str:
    """Return the names of a server's models for a message."""
    shown = ", ".join(plain(name, None) for name in sorted(models)[:SHOWN])
    return (shown or "none") + (f" and {len(models) - SHOWN:,} more" if len(models) > SHOWN else "")


def unreached(error: BaseException, sent: bool) -> Failure:
    """Return why a connection failed; `sent` says whether a part of an answer had come."""
    causes = list(_causes(error))
    if secure := next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None):
        what = f"no secure connection ({plain(str(secure), None)})"
        way = "check the host's name, or let $SSL_CERT_FILE name its authority's certificate"
        return Failure(f"{what}; {way}", True)
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return Failure("connection refused; is the server running, and on this port?", True)
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return Failure("no host of that name was found; check the URL and the network", True)
    why = plain(str(causes[-1]), None) or type(causes[-1]).__name__
    place = "the connection broke in the middle of a reply" if sent else "the connection failed"
    return Failure(f"{place} ({why}); look at the server's log and ask again", not sent)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that it came from; the last one lies deepest."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _causes(one)
    cause = error.__cause__ or error.__context__
    if cause is not None:
        yield from _causes(cause)


def told(where: str, failures: Sequence[tuple[str, Failure]], asked: int, unasked: int) -> EndpointError:
    """Return one error for all prompts that got no reply, by what went wrong. `failures`: (source, why)."""
    if asked == 1:
        source, failure = failures[0]
        return EndpointError(
            f"{where}: {source + ': ' if source else ''}{failure.what}", sources=(source,), stopping=failure.stopping
        )
    groups: dict[str, list[str]] = {}
    for source, failure in failures:
        groups.setdefault(failure.what, []).append(source)
    more = f", and {unasked:,} were not asked any more" if unasked else ""
    lines = [f"{where}: {len(failures):,} of {asked:,} prompts got no reply{more}"]
    for what, sources in groups.items():
        named = ", ".join(source or "a prompt without a source" for source in sources[:SHOWN])
        left = f" and {len(sources) - SHOWN:,} more" if len(sources) > SHOWN else ""
        lines.append(f"{named}{left}: {what}")
    stopping = any(failure.stopping for _, failure in failures)
    return EndpointError("\n".join(lines), sources=tuple(source for source, _ in failures), stopping=stopping)
