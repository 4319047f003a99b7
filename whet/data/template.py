"""Chat templates, rendered where they can do no harm.

A template comes with a model and is a program by a stranger: it runs in jinja2's immutable sandbox, with the
functions that templates of the field expect and nothing else.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from whet.errors import ModelError
from whet.types import Frozen, Message

DEFAULT = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m.role == 'assistant' %}Assistant: {{ m.content }}{{ eos_token }}\n"
    "{% else %}{{ m.role | capitalize }}: {{ m.content }}\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{{ ' ' }}{% endif %}"
)
"""For models without a template: "User: ...", "Assistant: ..." lines, each answer closed by the end-of-text token."""


class _Generation(Extension):
    """Accepts `{% generation %} ... {% endgeneration %}`, which marks answers for some trainers, as plain text.

    whet finds the answers by comparing renderings, so templates with and without the marks are treated alike.
    """

    tags = {"generation"}  # noqa: RUF012 - jinja2 declares it this way

    def parse(self, parser: Parser) -> nodes.Node:
        """Return the enclosed nodes unchanged, in a scope of their own."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)


def _refuse(message: str) -> None:
    raise TemplateError(message)


def _to_json(value: Any, indent: int | None = None, **_: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _now(pattern: str) -> str:
    # Templates that print today's date would make training, evaluation and serving three different things.
    return datetime(2025, 1, 1).strftime(pattern)


class Template:
    """One chat template with the special tokens of its tokenizer filled in."""

    def __init__(self, source: str, special: dict[str, str]) -> None:
        self.source = source
        self._special = special
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
        )
        environment.filters["tojson"] = _to_json
        environment.globals.update(raise_exception=_refuse, strftime_now=_now)
        try:
            self._template = environment.from_string(source)
        except (TemplateError, RecursionError) as error:
            raise ModelError(f"the model's chat template is not valid: {error}") from None

    def render(self, messages: Sequence[Message], tools: Sequence[Frozen] = (), *, ask: bool = False) -> str:
        """Return the conversation as text; `ask` adds the words that open the next answer.

        Raises:
            ModelError: the template refuses the conversation, or tries something the sandbox forbids.
        """
        try:
            return self._template.render(
                messages=[message.as_dict() for message in messages],
                tools=[dict(tool) for tool in tools] or None,
                add_generation_prompt=ask,
                **self._special,
            )
        except (
            TemplateError,
            TypeError,
            ValueError,
            AttributeError,
            LookupError,
            ArithmeticError,
            RecursionError,
        ) as error:
            kind = type(error).__name__
            raise ModelError(f"the model's chat template refuses this conversation ({kind}): {error}") from None
