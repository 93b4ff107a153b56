"""Controllers: deployments, replica sets, the scheduler, dead nodes, in a thread of an agent.

Several may run on one store: one acts, the others stand by (`leading`).
"""

from __future__ import annotations

import logging
from random import Random
from threading import Event, Thread

from cluster_store.conditions import Conditions
from cluster_store.opening import StoreOptions, open_store
from cluster_store.pauses import Pauses
from pod_runner.controllers.loop import Loop
from pod_runner.controllers.settings import ControllerSettings

STOPPED_WITHIN = 12.0  # seconds; two questions' deadlines (cluster_store.store.DEADLINE) and a little
LONGEST_PAUSE = 5.0  # seconds before a loop that has ended otherwise is begun again

log = logging.getLogger("podwire.controllers")


class Controllers:
    """One copy."""

    def __init__(
        self, store_url: str, settings: ControllerSettings, options: StoreOptions | None = None
    ) -> None:
        """Nothing is asked of the store yet. Raises StoreRefused if the URL names none."""
        self._url, self._settings, self._options = store_url, settings, options
        self.conditions = Conditions(logger="podwire.controllers")
        self._stopped = Event()
        self._loop = self._make()
        self._thread = Thread(target=self._run, name="controllers", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End it; another copy acts at once."""
        self._stopped.set()
        self._loop.stop()
        if self._thread.is_alive():
            self._thread.join(STOPPED_WITHIN)

    def status(self) -> dict[str, object]:
        """Return how it is, as JSON."""
        loop = self._loop
        return {
            "running": self._thread.is_alive(),
            "leader": loop.leading.is_leader,
            "synced": loop.follower.is_synced,
            "objects": len(loop.follower.objects),
            "due": len(loop.work),
            "commits": loop.writer.commits,
            "lost_nodes": sorted(loop.lost_nodes),
            "conditions": self.conditions.as_json(),
        }

    def _make(self) -> Loop:
        self._store = open_store(self._url, self._options)
        return Loop(self._store, self._settings, self.conditions)

    def _run(self) -> None:
        """Have a loop until told to stop; one that ends otherwise, whatever of, is followed by another."""
        pauses = Pauses(Random(), longest=LONGEST_PAUSE)
        while True:
            thread = Thread(target=self._loop.run, name="controllers-loop", daemon=True)
            thread.start()
            thread.join()
            self._store.close()
            if self._stopped.wait(pauses.next()):
                return
            log.error("the controllers' loop has ended; it is begun again")
            self._loop = self._make()
            if self._stopped.is_set():
                self._loop.stop()
