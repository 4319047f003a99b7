"""Compressed files, unpacked as they are read; what they claim about their size is not trusted."""

import bz2
import gzip
import io
import lzma
import stat
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

KINDS = (".gz", ".bz2", ".xz", ".zst", ".zip")
MAX_RATIO = 200  # text does not shrink more; what does is made to fill a disk
FREE_BYTES = 2**24  # and a small file may
BUFFER_BYTES = 2**20
_DAMAGED = (  # ValueError: a name in an archive that is no text
    zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, pa.ArrowException,
)  # fmt: skip


class Unpackable(OSError):
    """A compressed file that cannot be read, with the way out."""


class _Guarded(io.RawIOBase):
    """What comes out of a compressed file, as long as it bears some proportion to what went in so far.

    So far: a bomb as large as a film would else go on for minutes before it outgrew its size 200 times.
    """

    def __init__(self, stream: Any, packed: BinaryIO) -> None:
        self._stream, self._packed = stream, packed
        self._begin, self._out = packed.tell(), 0

    def readable(self) -> bool:
        """See io.RawIOBase."""
        return True

    def readinto(self, buffer: Any) -> int:
        """See io.RawIOBase.

        Raises:
            Unpackable: the file is damaged or locked, or unpacks to far more than text does.
        """
        try:
            data = self._stream.read(len(buffer))
        except (*_DAMAGED, OSError) as bad:
            raise Unpackable(f"cannot be unpacked ({bad}); pack it again without a password") from None
        self._out += len(data)
        if self._out > FREE_BYTES + MAX_RATIO * (self._packed.tell() - self._begin):
            what = f"unpacks to more than {MAX_RATIO} times its size, which no text does"
            raise Unpackable(f"{what}; unpack it yourself if you trust it")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """See io.RawIOBase."""
        if not self.closed:
            self._stream.close()
            self._packed.close()
        super().close()


def inner(path: Path) -> Path:
    """Return the name of what is in a file: without the ending of its compression, if it has one.

    Raises:
        Unpackable: an archive with several files in it, or something packed twice.
    """
    if path.suffix.lower() not in KINDS:
        return path
    within = Path(_member(path).filename) if path.suffix.lower() == ".zip" else path.with_suffix("")
    if within.suffix.lower() in (*KINDS, ".parquet", ".tar", ".docx", ".pdf", ".html", ".htm", ".md", ".markdown"):
        raise Unpackable(f"holds {within.name!r}, which is read only as it is; unpack it first")
    return within


def opened(path: Path) -> BinaryIO:
    """Return a file for reading, unpacked where its ending says that it is compressed.

    Raises:
        Unpackable: see `inner`. What is damaged is found as it is read.
    """
    kind = path.suffix.lower()
    if kind not in KINDS:
        return path.open("rb")
    packed = path.open("rb")
    try:
        member = _member(path) if kind == ".zip" else None
        return io.BufferedReader(_Guarded(_stream(packed, kind, member), packed), BUFFER_BYTES)
    except _DAMAGED as error:
        packed.close()
        raise Unpackable(f"cannot be unpacked ({error}); pack it again without a password") from None
    except Unpackable:
        packed.close()
        raise


def _stream(packed: BinaryIO, kind: str, member: zipfile.ZipInfo | None) -> Any:
    if member:
        return zipfile.ZipFile(packed).open(member)
    if kind == ".zst":
        return pa.CompressedInputStream(packed, "zstd")
    openers: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    return openers[kind](packed)


def weigh(path: Path) -> None:
    """Unpack a compressed file to nowhere, so that what is wrong with it is said before any of it is looked at.

    Raises:
        Unpackable: it is damaged, or unpacks to far more than text does.
    """
    if path.suffix.lower() in KINDS:
        with opened(path) as file:
            while file.read(BUFFER_BYTES):
                pass


def _member(path: Path) -> zipfile.ZipInfo:
    """Return the one file in an archive; nothing is ever written to where it says."""
    try:
        with zipfile.ZipFile(path) as archive:
            files = [one for one in archive.infolist() if not one.is_dir() and not one.filename.startswith("__MACOSX")]
    except _DAMAGED as error:
        raise Unpackable(f"cannot be unpacked ({error}); pack it again") from None
    if len(files) != 1:
        names = ", ".join(repr(one.filename[:60]) for one in files[:3])
        raise Unpackable(f"holds {len(files)} files ({names} ...); take out the one with the rows and name that")
    if stat.S_IFMT(files[0].external_attr >> 16) not in (0, stat.S_IFREG):
        raise Unpackable(
            f"holds {files[0].filename[:60]!r}, which is a link or a device and no file; pack the file itself"
        )
    return files[0]
