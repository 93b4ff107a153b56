"""What a container writes, recorded: its streams, its log, and who is attached to it."""

from __future__ import annotations

import contextlib
import os

from pod_runner.container.process import Stdio
from pod_runner.container.spec import ContainerSpec
from pod_runner.manifests.container import Container
from pod_runner.supervisor.attaching import Attached
from pod_runner.supervisor.lines import Lines
from pod_runner.supervisor.logs import LogFile, clock, log_file, log_folder
from pod_runner.supervisor.plan import outside_ids
from pod_runner.supervisor.shared import Shared
from pod_runner.supervisor.streams import Streams

KEPT_RUNS = 2  # logs of the latest run and the one before are kept, as kubelet does


class Recording:
    """One container's output, over all its runs."""

    def __init__(self, shared: Shared, container: Container) -> None:
        metadata = shared.pod.metadata
        self._shared, self._container = shared, container
        self._folder = log_folder(shared.order.node, metadata.namespace, metadata.name, metadata.uid)
        self._streams: Streams | None = None
        self._log: LogFile | None = None
        self._attached: dict[Attached, Lines] = {}

    @property
    def dropped(self) -> int:
        """Return how many lines of this run could not be written."""
        return self._log.dropped if self._log is not None else 0

    @property
    def keepable(self) -> list[int] | None:
        """Return what tells of output, for somebody who waits; None where only this process can go on."""
        return self._streams.keepable if self._streams is not None else []

    def open(self, spec: ContainerSpec, run: int) -> Stdio:
        """Begin a run's record and return the container's ends of its streams. Raises OSError."""
        self._begin(spec, run)
        self._remove_old(run)
        assert self._streams is not None
        return self._streams.open()

    def adopt(self, spec: ContainerSpec | None, run: int) -> None:
        """Go on with the record of a container that runs."""
        if spec is not None:
            self._begin(spec, run)
            assert self._streams is not None
            self._streams.adopt()

    def close(self, exit_code: int) -> None:
        """Write the rest, and tell whoever is attached that it has ended."""
        if self._streams is not None:
            self._streams.drain()
        self._release()
        for attached, lines in list(self._attached.items()):
            self.detach(attached)
            with contextlib.suppress(OSError):  # they have hung up
                lines.send({"exit": exit_code})

    def attach(self, lines: Lines, stdio: tuple[int, int, int]) -> Attached:
        """Attach somebody, from now on. Raises ValueError if nothing runs."""
        if self._streams is None:
            raise ValueError(f"container {self._container.name} does not run")
        attached = Attached(self._shared.loop, stdio, self._streams, lambda: self.detach(attached))
        self._attached[attached] = lines
        return attached

    def detach(self, attached: Attached) -> None:
        """Let somebody go."""
        if self._attached.pop(attached, None) is not None:
            attached.close()

    def resize(self, rows: int, columns: int) -> None:
        """Set the terminal's size."""
        if self._streams is not None:
            self._streams.resize(rows, columns)

    def _begin(self, spec: ContainerSpec, run: int) -> None:
        shared = self._shared
        self._release()  # of a start that failed
        uid, gid = outside_ids(shared.spec, spec.security.uid, spec.security.gid)
        self._streams = Streams(
            shared.loop,
            shared.folder / "streams" / self._container.name,
            self._container,
            (uid, gid),
            self._take,
        )
        self._log = LogFile(log_file(self._folder, self._container.name, run))

    def _release(self) -> None:
        if self._streams is not None:
            self._streams.close()
            self._streams = None
        if self._log is not None:
            self._log.close()

    def _take(self, stream: str, data: bytes) -> None:
        assert self._log is not None
        self._log.write(stream, data, clock())
        self._shared.trouble(
            f"log {self._container.name}",
            f"{self._log.dropped} lines of {self._container.name} were dropped: {self._log.trouble}"
            if self._log.dropped
            else "",
        )
        for attached in list(self._attached):
            attached.write(stream, data)

    def _remove_old(self, run: int) -> None:
        """Remove the log of the run before the previous one, with what was rotated."""
        old = log_file(self._folder, self._container.name, run - KEPT_RUNS)
        for path in old.parent.glob(f"{old.name}*") if run >= KEPT_RUNS else ():
            with contextlib.suppress(OSError):  # a disk that is read-only: the next run tries again
                os.unlink(path)  # noqa: PTH108  # one system call
