"""Names of data that lies elsewhere, and where this machine keeps what it fetches."""

import os
import re
from pathlib import Path

HUB = "hub:"
STORES = ("s3", "gs", "gcs", "az", "abfs", "abfss", "memory", "file")  # read through fsspec
WEB = ("https", "http")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)
_HOST = re.compile(r"([\w.-]+|\[[0-9A-Fa-f:.]+\])(:\d+)?", re.ASCII)
_ACCOUNT = re.compile(r"[\w$.-]+(@[\w.-]+)?", re.ASCII)  # abfs://container@account.dfs.core.windows.net
_BUCKET = re.compile(r"[\w.-]*", re.ASCII)


def cache_folder() -> Path:
    """Return where whet keeps what it fetches: $WHET_CACHE, else whet/ in the user's cache."""
    if set_by_user := os.environ.get("WHET_CACHE"):
        return Path(set_by_user)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "whet"


def remote(name: str) -> bool:
    """Say whether a name means data elsewhere: `hub:OWNER/NAME`, or a URL. A file called so is `./hub:...`."""
    return name.startswith(HUB) or _URL.match(name) is not None


def scheme_of(url: str) -> str:
    """Return what stands before `://`, in small letters; nothing if it is no URL."""
    found = _URL.match(url)
    return found[1].lower() if found else ""


def beside(file: Path, name: str) -> str:
    """Return the path of data that a file names, relative to that file; what lies elsewhere stays as it is named.

    pathlib must never see a URL: it would make one slash of two.
    """
    return name if remote(name) else str(file.parent / name)


def hidden(url: str) -> str | None:
    """Return why a URL must not be used, or None: what stands in it is shown and kept, so it may hold no secret.

    Nothing of the URL is quoted but its scheme.
    """
    found = _URL.match(url)
    if not found:
        return None
    scheme, (place, _, path) = found[1].lower(), found[2].partition("/")
    sound = _HOST if scheme in WEB else _ACCOUNT if scheme in ("abfs", "abfss") else _BUCKET
    if sound.fullmatch(place) and "?" not in path and not (scheme in WEB and "#" in path):
        return None
    way = "fetch the file yourself and name the copy"
    if scheme not in WEB:
        way = "give them to the store by its own settings (environment variables, its configuration file)"
    return f"{scheme}://...: a user, a password or a query in a URL would be shown and kept; leave it out, and {way}"


def without_secrets(text: str) -> str:
    """Return a text, such as another program's error, without what URLs in it say of users and signatures."""
    text = re.sub(r"(?<=://)[^\s'\"]*@", "", text)
    return re.sub(r"(://[^\s?'\"]*)\?[^\s'\"]*", r"\1", text)
