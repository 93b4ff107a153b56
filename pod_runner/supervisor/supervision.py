"""One pod's supervisor put together: the loop, the machine, what it writes down, whom it answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pod_runner.kernel.cgroups import Cgroups
from pod_runner.manifests.pod import Pod
from pod_runner.supervisor.answering import Answering
from pod_runner.supervisor.control import ControlSocket
from pod_runner.supervisor.keeping import ENDED, RESTS, Inheritance
from pod_runner.supervisor.lines import JsonObject
from pod_runner.supervisor.logs import clock
from pod_runner.supervisor.loop import Loop
from pod_runner.supervisor.machine import Machine
from pod_runner.supervisor.order import ORDER, PodOrder, read_order
from pod_runner.supervisor.plan import sandbox_spec
from pod_runner.supervisor.resting import Resting
from pod_runner.supervisor.shared import Shared
from pod_runner.supervisor.state import read_state
from pod_runner.supervisor.status import pod_status
from pod_runner.supervisor.writing import Writing
from pod_runner.volumes.etc_files import hostname_of
from pod_runner.volumes.preparing import update_config_maps


class Supervision:
    """Supervises one pod. Raises ValueError (pydantic's) for an order whose pod is none."""

    def __init__(self, folder: Path, order: PodOrder, inherited: Inheritance) -> None:
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
            inherited=inherited,
        )
        self._machine = Machine(self._shared)
        self._writing = Writing(self._shared)
        self._answering = Answering(self._machine, self._status_now, self._refresh)
        self._control = ControlSocket(self._loop, inherited.listener, self._answering.ask)
        self._resting = Resting(self._loop, order.node.rest_after, self._leave)

    def run(self, release: Callable[[], None]) -> int:
        """Go on until the pod has ended, or is quiet; tell which.

        `release` lets go of the folder before anybody is told of the end: whoever was told would find a
        supervisor at work, and have to ask which one.
        """
        record = self._shared.record
        if record.is_ended:
            release()
            return ENDED
        record.started_at = record.started_at or clock()
        self._loop.after_each = self._after_each
        self._inherit()
        self._machine.adopt()
        self._after_each()
        self._loop.run()
        if self._resting.is_over:
            return RESTS
        self._settle()
        self._control.stop_listening()
        release()
        self._answering.tell_end(self._status)
        self._control.close()
        self._loop.close()
        return ENDED

    def _inherit(self) -> None:
        """Go on with what the keeper has kept."""
        inherited = self._shared.inherited
        for descriptor in inherited.watchers:
            self._answering.go_on(self._control.go_on(descriptor))
        inherited.watchers = []
        if inherited.link is not None:
            self._loop.watch(inherited.link.fileno(), self._shared.hear)

    def _leave(self) -> bool:
        """Leave all to the keeper, if it can be left."""
        conversations = self._control.conversations
        if (
            self._is_changed
            or self._loop.has_timers
            or not self._machine.is_quiet
            or not all(self._answering.is_watching(one) for one in conversations)
        ):
            return False
        others, pids = list(self._loop.strangers), [self._shared.record.pause]
        for life in self._machine.all():
            if (outputs := life.recording.keepable) is None:
                return False
            others += outputs
            pids += [life.record.pid] if life.is_running else []
        return self._shared.inherited.leave([one.lines.fileno() for one in conversations], others, pids)

    def _after_each(self) -> None:
        self._settle()
        self._resting.happened()

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
        else:
            self._shared.trouble("config maps", "")
        self._changed()


def _nothing() -> None:
    """Wake the loop: what is to be done follows from what has changed."""
