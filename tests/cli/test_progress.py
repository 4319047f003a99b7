"""What is said of the time that is left can be believed."""

import time

from whet.cli.progress import Shown


def test_what_was_done_before_does_not_count_as_pace(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    show = Shown()
    show.begin("training", 100)
    show.skip(60)
    now[0] = 30.0
    show.advance(1, "loss 2")
    assert capsys.readouterr().err == "training: 61/100 | loss 2\n"
    now[0] = 60.0
    show.advance(1, "loss 1")
    assert capsys.readouterr().err == "training: 62/100, about 1140 s left | loss 1\n"
