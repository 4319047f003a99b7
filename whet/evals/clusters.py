"""Which questions are not independent of each other: of one conversation, user or document."""

from collections.abc import Sequence

from whet.data.outline import joined
from whet.types import Prompt


def clusters(prompts: Sequence[Prompt]) -> list[int] | None:
    """Return, per prompt, the number of the first that it shares a group with, also through others; None if none do."""
    pairs = [(group, at) for at, prompt in enumerate(prompts) for group in prompt.groups]
    found = joined(list(range(len(prompts))), *zip(*pairs, strict=True)) if pairs else list(range(len(prompts)))
    return found if len(set(found)) < len(found) else None
