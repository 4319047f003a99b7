"""The command `whet`: runs a command and turns every error a user can cause into a sentence and an exit code."""

import sys

from whet.cli.main import app
from whet.errors import WhetError

FULL = "out of memory; use a smaller optim.tokens, a smaller model, or adapter.kind=lora"


def main() -> None:
    """Run the command line. Exit codes: 0 ok, 1 failed, 2 usage, 4 does not fit, 75 resumable."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.stderr.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        app()
    except WhetError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    except MemoryError:
        sys.stderr.write(f"error: {FULL}\n")
        sys.exit(4)
    except RuntimeError as error:
        # torch has its own words for a full memory; anything else is a fault of ours and shows where it is.
        if type(error).__name__ != "OutOfMemoryError" and "can't allocate memory" not in str(error):
            raise
        sys.stderr.write(f"error: {FULL}\n")
        sys.exit(4)
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    main()
