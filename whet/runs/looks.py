"""How often a test set was looked at: who chooses by what it says makes it say too much.

One line for each look in `looks.jsonl`, in $WHET_STATE, else whet/ in the user's state folder. The test set is known by
the digest of its rows, so that it is the same wherever its file lies.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path


def state_dir() -> Path:
    """Return where whet remembers what outlasts a run."""
    if set_by_user := os.environ.get("WHET_STATE"):
        return Path(set_by_user)
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "whet"


def look(rows: Iterable[str], model: str) -> str:
    """Remember that a model was judged on rows (their digests); return a sentence if others were, or if that fails.

    A model that is judged again on the same rows (a run that was resumed) counts once.
    """
    digest = hashlib.sha256("".join(sorted(rows)).encode()).hexdigest()
    model = hashlib.sha256(model.encode()).hexdigest()
    file = state_dir() / "looks.jsonl"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a+b") as ledger:
            fcntl.flock(ledger, fcntl.LOCK_EX)
            ledger.seek(0)
            before = {entry.get("model") for entry in map(_entry, ledger) if entry.get("test") == digest} - {model}
            ledger.write(json.dumps({"test": digest, "model": model}).encode() + b"\n")
    except OSError as error:
        return f"looks at the test set are not counted: {file}: {error.strerror or error}; set WHET_STATE to a folder"
    if not before:
        return ""
    models = f"{len(before):,} other model{'s' if len(before) > 1 else ''}"
    return f"this test set has judged {models} before; whoever keeps the best of them should judge it on fresh rows"


def _entry(line: bytes) -> dict[str, str]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}  # torn by a crash
    return entry if isinstance(entry, dict) else {}
