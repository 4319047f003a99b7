"""What asking a server has come to."""

from dataclasses import dataclass, field
from threading import Lock


@dataclass(slots=True)
class Spent:
    """What a server was asked for, retries included.

    `unpriced`: requests that may have cost tokens that nobody counted: a reply without usage, a connection that failed
    or broke, a timeout, a request or a stream that was cancelled.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    requests: int = 0
    unpriced: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    def add(self, prompt: int = 0, completion: int = 0, *, requests: int = 0, unpriced: int = 0) -> None:
        """Count; several threads may."""
        with self._lock:
            self.prompt_tokens += prompt
            self.completion_tokens += completion
            self.requests += requests
            self.unpriced += unpriced
