"""Formulas over the scores of several graders: `0.8 * right + 0.2 * min(short, 1)`.

Numbers, names, `+ - * / ^`, parentheses and eight functions; nothing else can be said, so nothing of Python can be
reached. `^` binds most and to the right: -2^2 is -4, 2^3^2 is 512.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

LONGEST = 10_000  # characters
DEEPEST = 100  # brackets, signs and powers within each other
_TOKEN = re.compile(r"\s*(?:(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)|([^\W\d]\w*)|([-+*/^(),]))")

FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "min": min, "max": max, "abs": abs, "floor": math.floor, "ceil": math.ceil, "exp": math.exp, "sqrt": math.sqrt,
    "log": math.log,
}  # fmt: skip
MANY = ("min", "max")  # take one or more; the others exactly one
_SIGNS: Mapping[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
    "^": math.pow,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula that was understood. `steps` are in the order in which they are worked out (reverse Polish)."""

    steps: tuple[float | str | tuple[str, int], ...]  # a number, a name, or what is done with how many

    @property
    def names(self) -> tuple[str, ...]:
        """The names that have to be known, each once."""
        return tuple(dict.fromkeys(step for step in self.steps if isinstance(step, str)))

    def __call__(self, known: Mapping[str, float]) -> float:
        """Return the value.

        Raises: ArithmeticError if there is none: division by zero, the root of a negative number, one too large.
        """
        stack: list[float] = []
        for step in self.steps:
            if isinstance(step, tuple):
                name, count = step
                stack[-count:] = [_done(name, stack[-count:])]
            else:
                stack.append(known[step] if isinstance(step, str) else step)
        (value,) = stack
        if not math.isfinite(value):
            raise ArithmeticError(f"it comes to {value}")
        return value


def _done(name: str, values: list[float]) -> float:
    try:
        if name == "negative":
            return -values[0]
        if name in MANY:
            return float(FUNCTIONS[name](values))
        return float((_SIGNS.get(name) or FUNCTIONS[name])(*values))
    except (ValueError, ArithmeticError) as error:
        shown = ", ".join(f"{value:g}" for value in values)
        raise ArithmeticError(f"{name} of {shown}: {error}") from None


def parsed(text: str) -> Formula:
    """Return a formula, understood.

    Raises: ValueError with what is wrong and at which character, from 1.
    """
    if len(text) > LONGEST:
        raise ValueError(f"it has {len(text):,} characters; at most {LONGEST:,} are read")
    return _Reader(text).read()


class _Reader:
    """Reads a formula from left to right, one rule of its grammar a method."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at, self._depth, self._steps = 0, 0, list[float | str | tuple[str, int]]()

    def read(self) -> Formula:
        self._sum()
        if self._next:
            raise self._wrong("an operator")
        return Formula(tuple(self._steps))

    @property
    def _next(self) -> str:
        return self._tokens[self._at][0]

    def _take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1][0]

    def _wrong(self, wanted: str) -> ValueError:
        said, place = self._tokens[self._at]
        return ValueError(f"at character {place}: {repr(said) if said else 'the end'} stands where {wanted} should")

    def _sum(self) -> None:
        self._product()
        while self._next in ("+", "-"):
            sign = self._take()
            self._product()
            self._steps.append((sign, 2))

    def _product(self) -> None:
        self._signed()
        while self._next in ("*", "/"):
            sign = self._take()
            self._signed()
            self._steps.append((sign, 2))

    def _signed(self) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} deep")
        if self._next in ("+", "-"):
            sign = self._take()
            self._signed()
            self._steps += [("negative", 1)] if sign == "-" else []
        else:
            self._power()
        self._depth -= 1

    def _power(self) -> None:
        self._value()
        if self._next == "^":
            self._take()
            self._signed()
            self._steps.append(("^", 2))

    def _value(self) -> None:
        said = self._next
        if said == "(":
            self._take()
            self._sum()
            self._close()
        elif said[:1] and said[0] in "0123456789.":
            self._steps.append(float(self._take()))
        elif said.isidentifier():
            self._take()
            if self._next == "(":
                self._call(said)
            else:
                self._steps.append(said)
        else:
            raise self._wrong("a number, a name or a parenthesis")

    def _call(self, name: str) -> None:
        if name not in FUNCTIONS:
            raise ValueError(f"{name} is not a function; there are {', '.join(FUNCTIONS)}")
        self._take()
        self._sum()
        count = 1
        while self._next == ",":
            self._take()
            self._sum()
            count += 1
        self._close()
        if count > 1 and name not in MANY:
            raise ValueError(f"{name} takes one value, not {count}")
        self._steps.append((name, count))

    def _close(self) -> None:
        if self._next != ")":
            raise self._wrong("a closing parenthesis")
        self._take()


def _tokens(text: str) -> list[tuple[str, int]]:
    """Return the tokens with where they begin, from 1; the last is the end."""
    found, at, text = list[tuple[str, int]](), 0, text.rstrip()
    while at < len(text):
        token = _TOKEN.match(text, at)
        if not token:
            place = at + len(text[at:]) - len(text[at:].lstrip())
            raise ValueError(f"at character {place + 1}: {text[place]!r} has no meaning here")
        said = token[token.lastindex or 0]
        found.append((said, token.end() - len(said) + 1))
        at = token.end()
    return [*found, ("", len(text) + 1)]
