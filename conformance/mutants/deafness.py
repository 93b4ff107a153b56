"""A delegate that hears nothing: what a mutant puts in its place when its plugin forgets to ask it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conformance.mutants.mutant import Asked

DEAF = "#!/bin/sh\ncat > /dev/null\n"


@contextmanager
def deaf_delegate(asked: Asked) -> Iterator[Asked]:
    """Return the same call where the IPAM delegate is one that succeeds, says nothing and does nothing.

    The good plugin believes that it has asked; the suite's delegate hears nothing of it.
    """
    named = asked.delegate
    if not named:
        yield asked
        return
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        path = Path(folder, named)
        path.write_text(DEAF)
        path.chmod(0o755)
        yield asked.with_environment(CNI_PATH=f"{folder}:{asked.environment.get('CNI_PATH', '')}")
