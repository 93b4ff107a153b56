"""One pod's supervisor put together: the loop, the machine, what it writes down, whom it answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pod_runner.kernel.cgroups import Cgroups
from pod_runner.manifests.pod import Pod
from pod_runner.supervisor.answering import Answering
from pod_runner.supervisor.control import ControlSocket
from pod_runner.supervisor.lines import JsonObject
from pod_runner.supervisor.logs import clock
from pod_runner.supervisor.loop import Loop
from pod_runner.supervisor.machine import Machine
from pod_runner.supervisor.order import ORDER, PodOrder, read_order
from pod_runner.supervisor.plan import sandbox_spec
from pod_runner.supervisor.shared import Shared
from pod_runner.supervisor.state import read_state
from pod_runner.supervisor.status import pod_status
from pod_runner.supervisor.writing import Writing
from pod_runner.volumes.etc_files import hostname_of
from pod_runner.volumes.preparing import update_config_maps


class Supervision:
    """Supervises one pod. Raises ValueError (pydantic's) for an order whose pod is none."""

    def __init__(self, folder: Path, order: PodOrder) -> None:
        pod = Pod.model_validate(order.pod)
        self._folder = folder
        self._loop = Loop()
        self._is_changed = True
        self._status: JsonObject = {}
        self._shared = Shared(
            loop=self._loop,
            folder=folder,
            order=order,
            pod=pod,
            record=read_state(folder),
            cgroups=Cgroups.detect(),
            spec=sandbox_spec(order, pod, hostname_of(pod)),
            changed=self._changed,
        )
        self._machine = Machine(self._shared)
        self._writing = Writing(self._shared)
        self._answering = Answering(self._machine, self._status_now, self._refresh)

    def run(self, release: Callable[[], None]) -> None:
        """Go on until the pod has ended; `release` lets go of its folder before anybody is told that."""
        record = self._shared.record
        if record.is_ended:
            return
        control = ControlSocket(self._loop, self._folder, self._answering.ask)
        record.started_at = record.started_at or clock()
        self._loop.after_each = self._settle
        self._machine.adopt()
        self._settle()
        self._loop.run()
        self._settle()
        control.stop_listening()
        release()  # whoever was told would find a supervisor at work, and have to ask which one
        self._answering.tell_end(self._status)
        control.close()
        self._loop.close()

    def _changed(self) -> None:
        self._is_changed = True

    def _settle(self) -> None:
        """Do what follows from what happened, and write down and tell what it has come to."""
        if not self._is_changed:
            return
        self._is_changed = False
        self._machine.advance()
        if self._is_changed:  # there is more to do, after those who wait
            self._loop.after(0, _nothing)
        status = self._status_now()
        if self._writing.write(status):
            self._answering.tell(status)
        self._status = status

    def _status_now(self) -> JsonObject:
        return pod_status(self._machine.facts(), clock(), self._writing.status)

    def _refresh(self) -> None:
        """Read the order again: texts of ConfigMaps may have changed, and nothing else may."""
        try:
            self._shared.order = order = read_order((self._folder / ORDER).read_text())
            update_config_maps(order, self._shared.pod)
        except (OSError, ValueError, TypeError, KeyError) as error:
            self._shared.trouble("config maps", f"the order could not be read again: {error}")
        self._changed()


def _nothing() -> None:
    """Wake the loop: what is to be done follows from what has changed."""
