"""From a name to whoever answers: a server's model without loading torch, else a local one."""

from collections.abc import Callable
from typing import Protocol

from whet.engines.endpoint import from_name
from whet.types import Engine, Progress


class Stoppable(Engine, Protocol):
    """An engine that calls `between` as it works, which may raise to stop it."""

    between: Callable[[], None]


def named(name: str, show: Progress) -> Stoppable:
    """Return the engine of that name: http://host/v1#model, a base model, a run's or a model's folder.

    Raises:
        UsageError, EndpointError, ModelError: nobody of that name answers.
    """
    if (endpoint := from_name(name)) is not None:
        return endpoint
    from whet.engines.open import open_model  # loads torch

    return open_model(name, say=show.say).engine
