"""State and status, written down after every step; where a disk is full, again later."""

from __future__ import annotations

import json

from pod_runner.supervisor.lines import JsonObject
from pod_runner.supervisor.loop import Timer
from pod_runner.supervisor.order import STATE, STATUS
from pod_runner.supervisor.shared import Shared
from pod_runner.supervisor.state import encode_state, write_whole

RETRY = 1.0  # seconds; a person who makes room does not wait long


class Writing:
    """What was written last. `status`: as it is in the file, and as whoever watches knows it."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._state = ""
        self._timer: Timer | None = None
        try:
            body = json.loads((shared.folder / STATUS).read_text())
        except (OSError, ValueError):  # the first supervisor, or a file that somebody spoilt
            body = {}
        self.status: JsonObject = body if isinstance(body, dict) else {}
        self._is_status_written = True

    def write(self, status: JsonObject) -> bool:
        """Write what differs; tell whether the status does."""
        is_new = status != self.status
        self.status = status
        self._is_status_written = self._is_status_written and not is_new
        state = encode_state(self._shared.record)
        try:
            if state != self._state:
                write_whole(self._shared.folder / STATE, state)
                self._state = state
            if not self._is_status_written:
                write_whole(self._shared.folder / STATUS, json.dumps(status))
                self._is_status_written = True
        except OSError as error:
            self._later(str(error))
        else:
            self._written()
        return is_new

    def _written(self) -> None:
        if "writing" in self._shared.troubles:  # which was written down, too
            self._shared.trouble("writing", "")
            self._shared.loop.after(0, self._shared.changed)

    def _later(self, said: str) -> None:
        self._shared.trouble("writing", f"what this supervisor knows could not be written down: {said}")
        if self._timer is None:
            self._timer = self._shared.loop.after(RETRY, self._again)

    def _again(self) -> None:
        self._timer = None
        self._shared.changed()
