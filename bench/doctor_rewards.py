"""Rewards that runs are given an ailment with (bench/doctor.py), and two sound ones."""

from whet.types import Prompt, Score


def vowels(prompt: Prompt, reply: str) -> Score:
    """Sound, and easy: an end with "!" is needed, and three vowels are enough."""
    found = min(3, sum(letter in "aeiou" for letter in reply))
    return Score(reply.endswith("!") * (0.4 + 0.2 * found))


def right(prompt: Prompt, reply: str) -> Score:
    """Sound: half for the right first letter, half for an end with "!"."""
    return Score(0.5 * (reply[:1] == prompt.targets[0][:1]) + 0.5 * reply.endswith("!"))


def constant(prompt: Prompt, reply: str) -> Score:
    """The same for every reply."""
    return Score(0.5)


def failing(prompt: Prompt, reply: str) -> Score:
    """Fails on every reply with an "a", an "e" or an "o"."""
    if set("aeo") & set(reply):
        raise ValueError("cannot be read")
    return vowels(prompt, reply)


def longer(prompt: Prompt, reply: str) -> Score:
    """Pays for length alone."""
    return Score(min(1.0, len(reply) / 64))


def million(prompt: Prompt, reply: str) -> Score:
    """Sound, but for its size."""
    return Score(1e6 * vowels(prompt, reply).value)


def half(prompt: Prompt, reply: str) -> Score:
    """Half of all there is for the letter "a", again and again, and the rest for what is hardly ever drawn."""
    return Score(0.5 * reply.count("a") / max(1, len(reply)) + 0.5 * (reply == "xyzzy"))
