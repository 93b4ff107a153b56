"""A pod's life, one step after the other: sandbox, network, init containers, containers; then its end.

`advance` looks at what is and does what is next; it is called after everything that happens, and does
nothing where there is nothing to do. So the same code begins a pod, goes on with one that another
supervisor began, and makes a new sandbox where the old one was killed.
"""

from __future__ import annotations

from pod_runner.container.sandbox import Sandbox, is_alive, start_sandbox
from pod_runner.container.spec import ContainerError, Network
from pod_runner.supervisor.joining import Joining
from pod_runner.supervisor.logs import clock
from pod_runner.supervisor.loop import Timer
from pod_runner.supervisor.restarts import Kind
from pod_runner.supervisor.running import ContainerLife
from pod_runner.supervisor.shared import Shared
from pod_runner.supervisor.status import ContainerStatus, PodFacts
from pod_runner.supervisor.stopping import Stopping
from pod_runner.volumes.etc_files import write_etc
from pod_runner.volumes.preparing import keep_volumes, prepare_volumes

GRAVE = ("sandbox", "network", "volumes")  # troubles without whose end no container starts
FIRST_RETRY, LONGEST_RETRY = (
    1.0,
    30.0,
)  # seconds; a sandbox or a network that could not be made is tried again


class Machine:
    """One pod. `advance` may be called at any time."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        spec = shared.pod.spec
        self.init_lives = tuple(
            ContainerLife(shared, one, Kind.SIDECAR if one.is_sidecar else Kind.INIT)
            for one in spec.init_containers
        )
        self.lives = tuple(ContainerLife(shared, one, Kind.MAIN) for one in spec.containers)
        self._joining = Joining(shared)
        self._stopping = Stopping(shared, self.init_lives, self.lives, self._joining)
        self._retry: Timer | None = None
        self._pause = FIRST_RETRY

    def all(self) -> tuple[ContainerLife, ...]:
        """Return all containers."""
        return self.init_lives + self.lives

    def find(self, name: str) -> ContainerLife | None:
        """Return a container by its name; "" is the first one."""
        if not name:
            return self.lives[0]
        return next((one for one in self.all() if one.name == name), None)

    def facts(self) -> PodFacts:
        """Return what the pod's status is made of."""
        record, shared = self.shared.record, self.shared
        return PodFacts(
            containers=_statuses(self.lives),
            init_containers=_statuses(self.init_lives),
            restart_policy=shared.pod.spec.restart_policy,
            was_initialized=record.is_initialized,
            has_sandbox=shared.sandbox is not None and self._joining.is_joined,
            is_stopping=shared.is_stopping,
            addresses=record.addresses,
            host_address=shared.order.node.address,
            started_at=record.started_at,
            message="; ".join(shared.troubles[one] for one in GRAVE if one in shared.troubles),
            not_applied=tuple(shared.notes),
            troubles=tuple(shared.troubles.values()),
        )

    @property
    def is_quiet(self) -> bool:
        """Tell whether all that is to run runs, and nothing is to be asked or tried."""
        shared = self.shared
        return (
            shared.sandbox is not None
            and not shared.is_stopping
            and self._joining.is_quiet
            and self._retry is None
            and all(life.is_quiet for life in self.all())
        )

    def stop(self, grace: float) -> None:
        """Have the pod end in so many seconds; asked again, it hurries."""
        by = clock() + grace
        record = self.shared.record
        record.stop_by = by if record.stop_by is None else min(by, record.stop_by)
        self.advance()

    def adopt(self) -> None:
        """Go on with what an earlier supervisor has left."""
        record, shared = self.shared.record, self.shared
        if not record.pause and not any(life.is_running for life in self.all()):
            return
        if is_alive(record.pause, record.ticks):
            shared.sandbox = Sandbox(record.pause, record.ticks, shared.spec)
            self._joining.adopt()
            self._prepare_again()
        for life in self.all():
            life.adopt()
        try:
            if shared.sandbox is not None:
                shared.loop.on_stranger_exit(record.pause, self._sandbox_died)
        except ProcessLookupError:  # it ended at this moment
            shared.sandbox = None
        if shared.sandbox is None:
            self._sandbox_died()

    def _prepare_again(self) -> None:
        shared = self.shared
        try:
            shared.volumes = prepare_volumes(shared.order, shared.pod, pause=shared.record.pause)
        except (
            ContainerError,
            OSError,
        ) as error:  # containers have theirs mounted; a restart will say it again
            shared.trouble("volumes", str(error))

    def advance(self) -> None:
        """Do what is next."""
        if self.shared.is_stopping:
            self._cancel_retry()
            self._stopping.advance()
        elif self._is_over():
            self.stop(self.shared.pod.spec.termination_grace_period_seconds)  # no container: no sandbox
        elif self._retry is None and self._ensure_sandbox():
            self._run_containers()

    def _is_over(self) -> bool:
        if all(life.record.is_done for life in self.lives):
            return True
        return any(life.record.is_done and not life.went_well for life in self.init_lives)

    def _ensure_sandbox(self) -> bool:
        """Make what containers need; tell whether it is all there."""
        shared = self.shared
        if shared.sandbox is None:
            if any(life.is_running for life in self.all()):
                return False  # in the namespaces of an earlier one; their ends bring us here again
            try:
                self._start_sandbox()
            except (ContainerError, OSError) as error:
                shared.trouble("sandbox", str(error))
                self._try_again()
                return False
            shared.trouble("sandbox", "")
        if not self._joining.is_joined:
            self._joining.join(self._joined)
        return self._joining.is_joined

    def _start_sandbox(self) -> None:
        shared = self.shared
        shared.kill_cgroup(shared.spec.cgroup)  # what an earlier supervisor began and did not write down
        shared.volumes = prepare_volumes(shared.order, shared.pod)
        shared.notes.clear()
        shared.sandbox = sandbox = start_sandbox(shared.spec, shared.notes)
        shared.record.pause, shared.record.ticks = sandbox.pid, sandbox.started
        shared.loop.on_exit(sandbox.pid, lambda _: self._sandbox_died())
        if shared.spec.network is not Network.CNI:
            self._joining.needs_none()
            self._write_etc()
        shared.trouble("volumes", "")
        try:
            keep_volumes(shared.order, shared.pod, sandbox.pid)
        except ContainerError as error:  # the pod runs; only a later supervisor would miss something
            shared.trouble("volumes", str(error))
        shared.changed()

    def _joined(self, error: ContainerError | None) -> None:
        shared = self.shared
        shared.trouble("network", str(error) if error else "")
        if error is not None:
            self._try_again()
        else:
            self._pause = FIRST_RETRY
            self._write_etc()
        shared.changed()

    def _write_etc(self) -> None:
        shared = self.shared
        try:
            said = write_etc(shared.order, shared.pod, shared.record.addresses)
        except OSError as error:
            said = [f"/etc of the pod could not be written: {error}"]
        shared.trouble("etc", "; ".join(said))

    def _try_again(self) -> None:
        def again() -> None:
            self._retry = None
            self.shared.changed()

        self._retry = self.shared.loop.after(self._pause, again)
        self._pause = min(self._pause * 2, LONGEST_RETRY)

    def _cancel_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _run_containers(self) -> None:
        """Begin the first init container that is not through; when all are, the containers."""
        for life in self.init_lives:
            if life.kind is Kind.INIT and self.shared.record.is_initialized:
                continue
            life.begin()
            if not life.is_passed and not self.shared.record.is_initialized:
                return
        self.shared.record.is_initialized = True
        for life in self.lives:
            life.begin()

    def _sandbox_died(self) -> None:
        """Make it anew: nothing may go on in namespaces that later containers are not in."""
        shared, record = self.shared, self.shared.record
        shared.sandbox = None
        record.pause = record.ticks = 0
        shared.changed()
        if shared.is_stopping:  # we ended it
            return
        self._joining.sandbox_died()
        for life in self.all():
            life.sandbox_died()
        shared.signal_cgroup(shared.spec.cgroup)
        record.is_initialized = False


def _statuses(lives: tuple[ContainerLife, ...]) -> tuple[ContainerStatus, ...]:
    return tuple(life.status() for life in lives)
