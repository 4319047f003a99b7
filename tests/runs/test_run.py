"""A run's folder: who holds it, and what is said when it cannot be used."""

import fcntl
import threading
import time

import pytest

from whet.errors import RunError
from whet.runs.run import Run
from whet.runs.store import create


def test_what_a_job_raises_under_the_lock_is_not_blamed_on_the_run_folder(tmp_path):
    run = create("train", "", tmp_path / "run")
    with pytest.raises(PermissionError, match="elsewhere") as caught, run.lock():
        raise PermissionError(13, "Permission denied", "elsewhere")
    assert not isinstance(caught.value, RunError)


def test_a_run_that_is_only_looked_at_can_be_taken(tmp_path):
    run = create("train", "", tmp_path / "run")
    with run.lock():
        assert run.locked()
    with (run.path / "lock").open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        assert not run.locked()  # two who look do not take each other for work
        threading.Timer(0.1, fcntl.flock, (looking, fcntl.LOCK_UN)).start()
        with run.lock():
            pass
        time.sleep(0.15)


def test_a_run_that_is_worked_on_is_refused(tmp_path):
    run = create("train", "", tmp_path / "run")
    with run.lock(), pytest.raises(RunError, match="another process"), Run(run.path).lock():
        pass
