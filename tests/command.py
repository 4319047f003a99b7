"""The command `whet` as a process of its own that need not load torch again: forked from one that has.

Arguments, folder, environment, streams, signals and exit codes are a real process's; its imports alone are already
made. What must be seen from the start (what a command imports, how quick `--help` is) runs as `python -m whet` instead.
"""

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path


class Process:
    """A running command, with what tests need of `subprocess.Popen`."""

    def __init__(self, line: socket.socket, pid: int, streams: list) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._line, self._streams = line, streams

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._line], [], [], 0)[0]:
            self._ended()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def communicate(self, timeout: float) -> tuple[str, str]:
        if self.returncode is None:
            if not select.select([self._line], [], [], timeout)[0]:
                os.kill(self.pid, signal.SIGKILL)
                self._ended()
                raise subprocess.TimeoutExpired("whet", timeout, *map(_said, self._streams))
            self._ended()
        stdout, stderr = map(_said, self._streams)
        return stdout, stderr

    def _ended(self) -> None:
        self.returncode = int(self._line.recv(64))


_line: socket.socket | None = None


def start(*arguments: object, cwd: Path | None = None, env: dict | None = None, given: str = "") -> Process:
    """Start `whet` with these arguments; `given` is what it reads from stdin."""
    line = _loaded()
    stdin, *streams = (tempfile.TemporaryFile() for _ in range(3))  # noqa: SIM115 - they live as long as the process
    stdin.write(given.encode())
    stdin.seek(0)
    asked = {"arguments": list(map(str, arguments)), "cwd": str(cwd or Path.cwd()), "env": dict(env or os.environ)}
    socket.send_fds(line, [json.dumps(asked).encode()], [stream.fileno() for stream in (stdin, *streams)])
    return Process(line, int(line.recv(64)), streams)


def run(*arguments: object, timeout: float = 300, **options) -> subprocess.CompletedProcess:
    """Run `whet` with these arguments to its end."""
    process = start(*arguments, **options)
    stdout, stderr = process.communicate(timeout)
    return subprocess.CompletedProcess(["whet", *arguments], process.returncode, stdout, stderr)


def whet(*arguments: object, code: int = 0) -> subprocess.CompletedProcess:
    """Run `whet` and demand its exit code, and that no traceback is shown."""
    done = run(*arguments)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def _loaded() -> socket.socket:
    """Return the line to the process that has loaded everything, which is started when it is first needed."""
    global _line
    if _line is None:
        _line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        subprocess.Popen([sys.executable, __file__, str(theirs.fileno())], pass_fds=[theirs.fileno()])
        theirs.close()
    return _line


def _said(stream) -> str:
    stream.seek(0)
    return stream.read().decode()


def _serve(line: socket.socket) -> None:
    """Load everything once, then fork a command per request and tell its number and how it ended."""
    import bitsandbytes  # noqa: F401 - loaded for those that are forked

    import whet.cli.journey
    import whet.cli.talk  # noqa: F401 - the same

    while True:
        asked, streams, _, _ = socket.recv_fds(line, 1 << 20, 3)
        if not asked:
            return
        pid = os.fork()
        if not pid:
            line.close()
            os._exit(_become(json.loads(asked), streams))
        for stream in streams:
            os.close(stream)
        line.send(str(pid).encode())
        line.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())


def _become(asked: dict, streams: list[int]) -> int:
    """Be the command, and return its exit code."""
    from whet.__main__ import main

    for at, stream in enumerate(streams):
        os.dup2(stream, at)
        os.close(stream)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    time.tzset()
    sys.argv = ["whet", *asked["arguments"]]
    code = 0
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # what the interpreter would do
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if not stream.closed:
            stream.flush()
    return code


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
