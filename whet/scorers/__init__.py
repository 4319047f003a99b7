"""Judges of one reply: `(prompt, reply) -> Score`, from 0 (wrong) to 1 (right).

One file is one scorer, found by its file name; the same function is a metric in evaluation and a reward in
RL. A prompt may have several targets; the one that suits the reply best counts. A prompt without any target
cannot be scored: that is a ValueError, never a zero.
"""
