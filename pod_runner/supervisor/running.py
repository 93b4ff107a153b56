"""One container of a pod: its image, its start, its end, when it runs again."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

from pod_runner.container.process import Stdio, start_container
from pod_runner.container.sandbox import is_alive
from pod_runner.container.spec import ContainerError, ContainerSpec
from pod_runner.images.image import Image
from pod_runner.kernel.processes import parent, start_time
from pod_runner.manifests.container import Container
from pod_runner.supervisor.asking import Asker
from pod_runner.supervisor.assembling import assemble
from pod_runner.supervisor.beginning import Beginning
from pod_runner.supervisor.ending import Ending, send
from pod_runner.supervisor.logs import clock
from pod_runner.supervisor.recording import Recording
from pod_runner.supervisor.restarts import Kind, is_restarted, policy_of
from pod_runner.supervisor.shared import Shared
from pod_runner.supervisor.specs import read_spec, write_spec
from pod_runner.supervisor.state import ContainerRecord
from pod_runner.supervisor.status import ContainerStatus, Running, Terminated, Waiting
from pod_runner.supervisor.streams import close_all
from pod_runner.supervisor.tending import Tending

KILLED, UNKNOWN_END, NOT_STARTED = (
    137,
    255,
    128,
)  # exit codes: 128 + SIGKILL; nobody saw it; kubelet's StartError
PROGRAM_REASONS = ("CannotRun", "StartError", "RunContainerError", "ContainerCannotRun")


class ContainerLife:
    """A container, over all its runs. What must outlive this process is in `record`."""

    def __init__(self, shared: Shared, container: Container, kind: Kind) -> None:
        self.name, self.kind = container.name, kind
        self.container = container
        self.record: ContainerRecord = shared.record.container(container.name)
        self.recording = Recording(shared, container)
        self._shared = shared
        self._spec: ContainerSpec | None = None
        self._beginning = Beginning(shared, container)
        self._tending: Tending | None = None
        self._ending: Ending | None = None
        self._end_message = ""

    @property
    def is_running(self) -> bool:
        """Tell whether its process runs."""
        return self.record.pid != 0

    @property
    def is_quiet(self) -> bool:
        """Tell whether it runs and is ready, or is done, and nothing is to be asked or tried."""
        if self.kind is Kind.INIT or self.record.is_done:
            return self.record.is_done
        is_busy = self._ending is not None or self._beginning.is_busy
        is_tended = self._tending is not None and self._tending.is_busy
        return self.is_running and self.record.ready and not is_busy and not is_tended

    @property
    def is_ending(self) -> bool:
        """Tell whether its process has got SIGKILL, or has ended."""
        return not self.is_running or (self._ending is not None and self._ending.is_killed)

    @property
    def is_passed(self) -> bool:
        """Tell whether the containers after it may begin."""
        if self.kind is Kind.SIDECAR:
            return self.is_running and self.record.started
        return self.record.is_done and self.went_well

    @property
    def went_well(self) -> bool:
        """Tell whether its last end was a success."""
        return isinstance(self.record.state, Terminated) and self.record.state.exit_code == 0

    def status(self) -> ContainerStatus:
        """Return its status."""
        record, spec = self.record, self.container
        return ContainerStatus(
            name=self.name,
            image=spec.image,
            state=record.state,
            last=record.last,
            ready=self.is_passed if self.kind is Kind.INIT else record.ready and not record.is_stopping,
            started=record.started,
            restarts=max(0, record.runs - 1),
            image_id=record.image_id,
            container_id=self._id(),
            is_done=record.is_done,
            is_sidecar=self.kind is Kind.SIDECAR,
        )

    # --- beginning

    def begin(self) -> None:
        """Have it run: now, or as soon as its back-off is over. Called as often as anybody likes."""
        if self.is_running or self.record.is_done or self._beginning.is_busy:
            return
        if (left := self._left_to_wait()) > 0:
            self._beginning.wait(left)
        else:
            self._beginning.fetch(self._start, self._refused)

    def _left_to_wait(self) -> float:
        """Return the seconds that are left of the back-off, also where an earlier supervisor began it."""
        ended = self.record.state if isinstance(self.record.state, Terminated) else self.record.last
        if ended is None or not self.record.delay:
            return 0.0
        return min(ended.finished_at + self.record.delay - clock(), self.record.delay)

    def _refused(self, error: ContainerError) -> None:
        """Wait and try again: an image is not there, a ConfigMap is missing."""
        if isinstance(self.record.state, Terminated):
            self.record.last = self.record.state
        self.record.state = Waiting(error.reason, str(error))
        self._beginning.wait_longer()
        self._shared.changed()

    def _start(self, image: Image) -> None:
        try:
            if self.record.runs:
                self._beginning.clear_root()
            spec = assemble(self._shared, self.container, image)
            pid = self._start_process(spec)
        except ContainerError as error:
            if error.reason in PROGRAM_REASONS:
                self._ended(NOT_STARTED, 0, "StartError", str(error))
            else:
                self._refused(error)
            return
        except OSError as error:  # a full disk: no folder for its files
            self._refused(ContainerError(f"container {self.name}: {error}"))
            return
        self.record.image_id = image.digest
        self._runs(pid, spec)

    def _start_process(self, spec: ContainerSpec) -> int:
        shared = self._shared
        if shared.sandbox is None:
            raise ContainerError("the sandbox has gone")
        shared.kill_cgroup(shared.cgroup_of(self.name))  # what an earlier supervisor began and did not note
        stdio = self.recording.open(spec, self.record.runs)
        try:
            notes: list[str] = []
            pid = start_container(shared.sandbox, spec, stdio, notes)
        finally:
            close_all(stdio)
        for one in notes:
            shared.note(one)
        return pid

    def _runs(self, pid: int, spec: ContainerSpec) -> None:
        record, shared = self.record, self._shared
        if isinstance(record.state, Terminated):
            record.last = record.state
        record.runs += 1
        self._beginning.succeeded()
        record.pid, record.ticks = pid, start_time(pid) or 0
        record.state, record.started, record.ready = Running(clock()), False, False
        record.oom_kills = shared.cgroups.oom_kills(shared.cgroup_of(self.name))
        self._spec = spec
        self._keep(spec)
        shared.loop.on_exit(pid, self._exited)
        self._tend(0.0)
        shared.changed()

    def _keep(self, spec: ContainerSpec) -> None:
        try:
            write_spec(self._shared.folder, spec)
        except OSError as error:
            self._shared.trouble("specs", f"what {self.name} is could not be written down: {error}")
        else:
            self._shared.trouble("specs", "")

    def _tend(self, ran: float) -> None:
        self._tending = Tending(self.asker(), self.record, ran, self._shared.changed, self._end_unwell)

    def _end_unwell(self, message: str) -> None:
        self.end(self._shared.pod.spec.termination_grace_period_seconds, message)

    # --- what runs

    def asker(self) -> Asker:
        """Return who asks this run of the container."""
        sandbox = self._shared.sandbox
        netns = sandbox.netns if sandbox is not None else ""
        return Asker(self._shared.loop, self.container, netns, self._shared.address, self.execute)

    def execute(
        self, argv: Sequence[str], stdio: Stdio, *, terminal: bool = False, env: dict[str, str] | None = None
    ) -> int:
        """Start a command in it and return its pid. Raises ContainerError."""
        if not self.is_running:
            raise ContainerError(f"container {self.name} does not run")
        spec = self._spec or read_spec(self._shared.folder, self.name)
        if spec is None:
            raise ContainerError(
                f"what container {self.name} is was not written down, so nothing can join it"
            )
        return self._shared.execute(self.record.pid, spec, tuple(argv), stdio, terminal=terminal, env=env)

    def adopt(self) -> None:
        """Go on with what an earlier supervisor has left."""
        record, shared = self.record, self._shared
        if not record.pid:
            return
        is_keepers = (
            parent(record.pid) == shared.inherited.keeper
        )  # then its end is told: not yet, or just now
        if not is_keepers and not is_alive(record.pid, record.ticks):
            self._ended_before()
            return
        self._spec = read_spec(shared.folder, self.name)
        self.recording.adopt(self._spec, record.runs - 1)
        try:
            self._await_end(is_keepers=is_keepers)
        except ProcessLookupError:  # at this very moment
            self._stranger_exited()
            return
        since = record.state.started_at if isinstance(record.state, Running) else clock()
        self._tend(clock() - since)
        if record.is_stopping and not self._shared.is_stopping:  # the earlier one was about to end it
            self._end_unwell("")

    def _ended_before(self) -> None:
        """Say how it ended, if the keeper knows."""
        shared = self._shared
        shared.hear()
        status = shared.inherited.ends.get(self.record.pid)
        if status is None:
            self._ended(UNKNOWN_END, 0, "Unknown", "it ended while nobody supervised it")
            return
        self._spec = read_spec(shared.folder, self.name)
        self.recording.adopt(self._spec, self.record.runs - 1)
        self._exited(status)

    def _await_end(self, *, is_keepers: bool) -> None:
        if is_keepers:  # which reaps it and tells its status
            self._shared.loop.on_exit(self.record.pid, self._exited)
        else:
            self._shared.loop.on_stranger_exit(self.record.pid, self._stranger_exited)

    # --- ending

    def end(self, grace: float, message: str = "") -> None:
        """End what runs: preStop, the stop signal, SIGKILL after `grace` seconds. Asked again, it hurries."""
        self.cancel()
        if not self.is_running:
            return
        self._end_message = self._end_message or message
        if self._ending is None:
            self.record.is_stopping = True
            self._shared.changed()
            spec = self._spec
            self._ending = Ending(
                self._shared, self.asker(), self.record.pid, spec.stop_signal if spec else 15, grace
            )
        else:
            self._ending.hurry(grace)

    def cancel(self) -> None:
        """Begin nothing any more, and ask no probes."""
        self._beginning.cancel()
        if self._tending is not None:
            self._tending.stop()
            self._tending = None

    def give_up(self) -> None:
        """Let it be: what does not run will not run any more."""
        self.cancel()
        if not self.is_running:
            self.record.is_done = True

    def sandbox_died(self) -> None:
        """End what runs in namespaces that nobody else is in; in a new sandbox init containers run again."""
        if self.is_running:
            self.cancel()
            self.record.started = self.record.ready = False
            send(self.record.pid, signal.SIGKILL)
        elif self.kind is Kind.INIT and self.went_well:
            self.record.is_done = False

    def _exited(self, status: int) -> None:
        code = os.waitstatus_to_exitcode(status)
        number = -code if code < 0 else 0
        code = 128 + number if number else code
        reason = "Completed" if code == 0 else "Error"
        shared = self._shared
        if code and shared.cgroups.oom_kills(shared.cgroup_of(self.name)) > self.record.oom_kills:
            reason = "OOMKilled"
        self._ended(code, number, reason, self._end_message)

    def _stranger_exited(self) -> None:
        is_ours = self.record.is_stopping  # we ended it, and know why
        if is_ours:
            self._ended(KILLED, 9, "Error", self._end_message)
        else:
            self._ended(UNKNOWN_END, 0, "Unknown", "it was adopted, so nobody could see how it ended")

    def _ended(self, code: int, number: int, reason: str, message: str) -> None:
        self.cancel()
        if self._ending is not None:
            self._ending.close()
            self._ending = None
        self._shared.kill_cgroup(self._shared.cgroup_of(self.name))  # what it left in a shared pid namespace
        self.recording.close(code)
        record, now = self.record, clock()
        since = record.state.started_at if isinstance(record.state, Running) else now
        ended = Terminated(code, reason, since, now, number, message, self._id())
        record.pid = record.ticks = 0
        record.started = record.ready = record.is_stopping = False
        record.state, self._end_message = ended, ""
        if reason == "StartError":
            record.runs += 1
        self._decide(ended)
        self._shared.changed()

    def _decide(self, ended: Terminated) -> None:
        """Decide whether it runs again, and when."""
        record = self.record
        policy = policy_of(self.kind, self._shared.pod.spec.restart_policy)
        if self._shared.is_stopping or not is_restarted(policy, ended.exit_code):
            record.is_done = True
            return
        record.delay = self._shared.back_off.next(record.delay, ended.finished_at - ended.started_at)
        if record.delay:
            record.last = ended
            said = f"back-off {record.delay:g}s restarting failed container={self.name}"
            record.state = Waiting("CrashLoopBackOff", f"{said} pod={self._shared.said_name}")

    def _id(self) -> str:
        return (
            f"podwire://{self._shared.order.uid}/{self.name}/{self.record.runs}" if self.record.runs else ""
        )
