"""Asynchronous work in a thread of its own, for callers that are not."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar

T = TypeVar("T")
TICK = 0.1  # seconds between two looks at whether the caller wants to stop
GRACE = 5.0  # seconds that connections have to close


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


def aside(work: Callable[[Callable[[T], None]], Awaitable[None]], between: Callable[[], None]) -> Iterator[T]:
    """Yield what `work` hands over, as it does; closing this generator cancels the work.

    The work goes on while the caller is busy with what it got. `between` is called before every piece and ten times a
    second while waiting for one; what it raises ends the work too.
    """
    handed: SimpleQueue[tuple[T] | _End] = SimpleQueue()
    loop = asyncio.new_event_loop()

    async def whole() -> None:
        await work(lambda piece: handed.put((piece,)))

    task = loop.create_task(whole())

    def run() -> None:
        error: BaseException | None = None
        try:
            loop.run_until_complete(task)
            loop.run_until_complete(loop.shutdown_asyncgens())
        except BaseException as problem:
            error = problem  # raised where the caller waits; after a cancellation nobody does
        finally:
            loop.close()
            handed.put(_End(error))

    thread = Thread(target=run, name="whet-endpoint", daemon=True)
    thread.start()
    try:
        while True:
            between()
            try:
                piece = handed.get(timeout=TICK)
            except Empty:
                continue
            if isinstance(piece, _End):
                if piece.error is not None:
                    raise piece.error
                return
            yield piece[0]
    finally:
        with suppress(RuntimeError):  # the loop is closed: the work had ended
            loop.call_soon_threadsafe(task.cancel)
        thread.join(GRACE)
