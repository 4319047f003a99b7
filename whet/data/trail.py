"""What a data set was made from, step by step, and whether it still is what was made.

Beside every file that whet writes stands `FILE.trail.json`: the file's sha256, the step that made it, and for each file
that went in, its sha256 and its own trail. Nothing in it comes from the rows, and of where files lay only their names;
what was fetched is named by its URL, or its commit on the hub.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from whet.data.scan import Refused, parse, printable
from whet.data.sources import File
from whet.errors import RunError

FORMAT = 1


def digest(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def trail_of(path: str | Path) -> Path:
    """Return where the trail of a file stands."""
    path = Path(path)
    return path.with_name(f"{path.name}.trail.json")


def leave(
    out: Path, step: str, sources: Sequence[str | Path | File], settings: Mapping[str, Any], counts: Mapping[str, int]
) -> Path:
    """Write beside `out` how it was made, and return where.

    Raises:
        RunError: it cannot be written.
    """
    record = {
        "format": FORMAT,
        "file": out.name,
        "sha256": digest(out),
        "step": step,
        "settings": dict(settings),
        "counts": dict(counts),
        "whet": version("whet-llm"),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "sources": [_source(File.of(source)) for source in sources],
    }
    place = trail_of(out)
    try:
        place.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise RunError(f"{place}: {error.strerror or error}") from None
    return place


def _source(file: File) -> dict[str, Any]:
    found, _ = follow(file.path)
    return {"file": file.short, "sha256": digest(file.path), "trail": found}


def follow(path: str | Path) -> tuple[dict[str, Any] | None, str]:
    """Return the trail of a file, and why not if one is there that cannot be followed."""
    place = trail_of(path)
    if not place.is_file():
        return None, ""
    try:
        found = parse(place.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, Refused) as error:
        return None, f"{printable(place)} cannot be read ({error}); what the file was made from is not known"
    if not _sound(found):
        return None, f"{printable(place)} is no trail that this version knows; what the file was made from is not known"
    if found.get("sha256") != digest(Path(path)):
        return None, f"{printable(path)} was changed after it was made, so that {place.name} no longer tells of it"
    return found, ""


def _sound(record: Any) -> bool:
    """Say whether a record has all that `leave` writes, and so have the trails of its sources."""
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        return False
    texts = all(isinstance(record.get(name), str) for name in ("file", "sha256", "step", "time", "whet"))
    counts, settings, sources = (record.get(name) for name in ("counts", "settings", "sources"))
    if not (texts and isinstance(counts, dict) and isinstance(settings, dict) and isinstance(sources, list)):
        return False
    if not all(isinstance(count, int) for count in counts.values()):
        return False
    named = all(
        isinstance(one, dict) and all(isinstance(one.get(n), str) for n in ("file", "sha256")) for one in sources
    )
    return named and all(not one.get("trail") or _sound(one["trail"]) for one in sources)


def sentences(trail: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    """Yield a trail in words, the last step first."""
    counts = ", ".join(f"{count:,} {what}" for what, count in trail["counts"].items())
    settings = ", ".join(f"{name}={value}" for name, value in trail["settings"].items())
    how = f"{trail['step']}{f' ({settings})' if settings else ''}"
    yield f"{'  ' * depth}{trail['file']}: {how}: {counts}; {trail['time']}, whet {trail['whet']}"
    for source in trail["sources"]:
        if source.get("trail"):
            yield from sentences(source["trail"], depth + 1)
        else:
            yield f"{'  ' * (depth + 1)}{source['file']}: sha256 {source['sha256'][:16]}"
