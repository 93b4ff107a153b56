"""UndoLog: take back what was done, in reverse, and keep the cause.

Undo is a courtesy (runtimes kill with SIGKILL); DEL and GC are the promise. A step that cannot be taken
back becomes a note on the error that started it, never its replacement.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import TracebackType

from linuxnet.kernel import Kernel
from linuxnet.op import Op


class UndoLog:
    """Collect inverses while a `with` block acts; run them if it fails before `keep`."""

    def __init__(self) -> None:
        self._steps: list[tuple[str, Callable[[], object]]] = []

    def push(self, what: str, take_back: Callable[[], object]) -> None:
        """Remember how to take back `what`."""
        self._steps.append((what, take_back))

    def apply(self, kernel: Kernel, *ops: Op) -> None:
        """Apply operations in order and remember their inverses."""
        for op in ops:
            inverse = kernel.apply(op)
            if inverse is not None:
                self.push(str(op), partial(kernel.apply, inverse))

    def keep(self) -> None:
        """Forget the steps: what was done stays."""
        self._steps.clear()

    def __enter__(self) -> UndoLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, cause: BaseException | None, trace: TracebackType | None
    ) -> None:
        while cause is not None and self._steps:
            what, take_back = self._steps.pop()
            try:
                take_back()
            except Exception as failure:  # noqa: BLE001 - whatever it is, it must not hide the cause
                cause.add_note(f"could not take back: {what}: {failure}")
