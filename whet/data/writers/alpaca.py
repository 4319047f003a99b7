"""An instruction and its output; Stanford Alpaca."""

from typing import Any

from whet.data.writers._turns import exchange
from whet.types import Example

__all__ = ["alpaca"]


def alpaca(example: Example) -> dict[str, Any]:
    """Return `instruction`, `output`, and `system` where there is one."""
    system, asked, said = exchange(example, "alpaca")
    return {"instruction": asked, "output": said, **({"system": system} if system else {})}
