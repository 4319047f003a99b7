"""The file that a page is written to: nothing is overwritten, and what stands in the way is said before the work."""

from pathlib import Path

from whet.errors import RunError, UsageError

ENDINGS = (".html", ".htm")


class Target:
    """A file that a page can be written to.

    Raises:
        UsageError: it exists, cannot be written, or is not named as a page.
    """

    def __init__(self, path: Path, option: str) -> None:
        self._path, self._option = path, option
        self._part = path.with_name(f".part-{path.name}") if path.name else path
        if path.suffix.lower() not in ENDINGS:
            raise UsageError(f"{option} {path}: the report is a page; name a file that ends in .html")
        try:
            self._refuse_what_exists()
            self._part.touch()
            self._part.unlink()
        except OSError as error:
            way = "name a file in a folder that exists and that you may write to"
            raise UsageError(f"{option} {path}: cannot be written ({error.strerror or error}); {way}") from None

    def write(self, text: str) -> None:
        """Write the page; readers see the whole of it or nothing.

        Raises:
            UsageError: the file exists by now. RunError: it cannot be written.
        """
        try:
            self._part.write_text(text, encoding="utf-8")
            self._refuse_what_exists()
            self._part.replace(self._path)
        except OSError as error:
            raise RunError(
                f"{self._option} {self._path}: {error.strerror or error}; make room or name another"
            ) from None
        finally:
            self._part.unlink(missing_ok=True)

    def _refuse_what_exists(self) -> None:
        if self._path.exists() or self._path.is_symlink():
            raise UsageError(f"{self._option}: {self._path} exists and nothing is overwritten; name another file")
