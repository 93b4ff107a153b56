"""One thread with an asyncio loop, for the many small listeners: health ports, NodePorts of localhost.

Sockets are opened in the caller's thread, and so in the caller's network namespace; only what happens on
them happens here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from threading import Thread
from typing import Any, TypeVar

Result = TypeVar("Result")

STOP_TIMEOUT = 5.0  # seconds for what goes on to end


class Background:
    """A loop that runs until it is stopped."""

    def __init__(self, name: str = "service-listeners") -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Cancel what goes on, and end the thread."""
        asyncio.run_coroutine_threadsafe(_cancel_all(), self._loop).result(STOP_TIMEOUT)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_TIMEOUT)
        self._loop.close()

    def wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Have something done by the loop, and wait for it; for other threads than the loop's."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(STOP_TIMEOUT)

    def do(self, call: Callable[..., object], *args: object) -> None:
        """Have something done by the loop, soon."""
        self._loop.call_soon_threadsafe(call, *args)


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
