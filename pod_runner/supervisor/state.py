"""What a supervisor must know after it was killed: `state.json`, written after every step.

Processes are named by pid and start time, because pids are used again. What cannot be written (a full disk)
is written at the next step; until then a new supervisor would know less, and kills what it does not know.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pod_runner.supervisor.order import STATE
from pod_runner.supervisor.status import ContainerState, Running, Terminated, Waiting


@dataclass
class ContainerRecord:
    """One container. `delay`: seconds before the latest start, None for the first; `runs` counts starts."""

    pid: int = 0
    ticks: int = 0  # start time of the process (proc(5), field 22 of stat)
    runs: int = 0
    delay: float | None = None
    state: ContainerState = field(default_factory=Waiting)
    last: Terminated | None = None
    started: bool = False
    ready: bool = False
    is_done: bool = False
    is_stopping: bool = False
    oom_kills: int = 0
    image_id: str = ""


@dataclass
class PodRecord:
    """A pod. `network`: the name of the CNI network, from before ADD until after DEL."""

    pause: int = 0
    ticks: int = 0
    network: str = ""
    addresses: tuple[str, ...] = ()
    started_at: float = 0.0
    stop_by: float | None = None  # seconds since 1970; None: nobody asked for its end
    is_initialized: bool = False
    is_ended: bool = False
    notes: list[str] = field(default_factory=list)  # what this machine could not apply, as sentences
    troubles: dict[str, str] = field(default_factory=dict)  # what went wrong, by what it is about
    containers: dict[str, ContainerRecord] = field(default_factory=dict)

    def container(self, name: str) -> ContainerRecord:
        """Return a container's record, a new one at first."""
        return self.containers.setdefault(name, ContainerRecord())


def read_state(folder: Path) -> PodRecord:
    """Return what an earlier supervisor wrote; an empty record where nothing can be read."""
    try:
        return _record(json.loads((folder / STATE).read_text()))
    except FileNotFoundError:  # the first supervisor
        return PodRecord()
    except (OSError, ValueError, TypeError, KeyError, AttributeError):  # somebody spoilt it: begin anew
        return PodRecord()


def is_ended(folder: Path) -> bool:
    """Tell whether a pod has come to its end: nothing of it runs, no supervisor is needed any more."""
    return read_state(folder).is_ended


def encode_state(record: PodRecord) -> str:
    """Return the file's text."""
    body = asdict(record)
    for name, one in record.containers.items():
        body["containers"][name]["state"] = _tagged(one.state)
    return json.dumps(body)


def write_whole(path: Path, text: str) -> None:
    """Replace a file by one with this text, readable by its owner alone. Raises OSError."""
    temporary = path.with_name(f".{path.name}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        temporary.rename(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _tagged(state: ContainerState) -> dict[str, object]:
    return {"is": type(state).__name__} | asdict(state)


def _record(body: dict[str, object]) -> PodRecord:
    containers = body.pop("containers", {})
    addresses = body.pop("addresses", [])
    if not isinstance(containers, dict) or not isinstance(addresses, list):
        raise TypeError("no state of ours")
    record = PodRecord(addresses=tuple(addresses), **body)  # type: ignore[arg-type]  # we wrote it; else TypeError
    record.containers = {name: _container(one) for name, one in containers.items()}
    return record


def _container(body: dict[str, object]) -> ContainerRecord:
    state, last = body.pop("state"), body.pop("last")
    if not isinstance(state, dict):
        raise TypeError("no state of ours")
    made = {"Waiting": Waiting, "Running": Running, "Terminated": Terminated}[state.pop("is")]
    record = ContainerRecord(**body)  # type: ignore[arg-type]  # as above
    record.state = made(**state)
    record.last = Terminated(**last) if isinstance(last, dict) else None
    return record
