"""A hook of a container's life (postStart, preStop): an action that is carried out once."""

from __future__ import annotations

from pod_runner.manifests.container import LifecycleHandler
from pod_runner.supervisor.asking import Asker
from pod_runner.supervisor.checks import Done

NO_LIMIT = 86_400.0  # seconds; kubelet lets a postStart hook run as long as it likes


class Hook:
    """A hook that is under way; `limit` in seconds."""

    def __init__(self, asker: Asker, action: LifecycleHandler, limit: float | None, done: Done) -> None:
        self._check = asker.ask(action, NO_LIMIT if limit is None else limit, done)

    def cancel(self) -> None:
        """End it, and tell nobody."""
        self._check.cancel()
