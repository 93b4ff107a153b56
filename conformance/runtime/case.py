"""What a clause about runtimes is given: a network to configure, commands of the runtime, and the record."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.calls import Answer, base_environment
from conformance.case import Step
from conformance.clause import CannotJudge, NotApplicable, expect
from conformance.runtime.profile import RuntimeProfile, placed
from conformance.runtime.records import TYPES, Record, Recording
from conformance.runtime.starting import LIMIT, LOOK_AGAIN, Running, Start
from conformance.world.namespaces import make_netns
from conformance.world.waiting import holds_within

Json = dict[str, Any]
NETWORK = "judged"


@dataclass(frozen=True)
class Container:
    """Whom a command is about. `netns` is a path, "" where the runtime makes the namespace."""

    name: str
    netns: str


@dataclass
class RuntimeCase:
    """One clause on one runtime, in a world of its own; `version` is what its networks say."""

    profile: RuntimeProfile
    version: str
    folder: Path
    confdir: Path
    recording: Recording
    start_process: Start
    steps: list[Step] = field(default_factory=list)
    _containers: int = 0
    _commands: int = 0
    _held: dict[str, Running] = field(default_factory=dict)

    # --- what there is to attach

    def container(self, name: str = "") -> Container:
        """Make a container; nothing is attached yet."""
        self._containers += 1
        netns = make_netns(f"pod{self._containers}").path if self.profile.uses("netns") else ""
        return Container(name or f"container-{self._containers}", netns)

    def network(self, plugins: Sequence[str] = TYPES, *, entries: Json | None = None, **keys: Any) -> None:
        """Write the network's list, in place of the one before; None as a value leaves a key out.

        `plugins` are types; `entries` has further keys for each, by its last letter (`{"b": {...}}`). CHECK
        and GC are allowed by name, so that only the clauses about that depend on what is so without it.
        """
        body = [{"type": type} | (entries or {}).get(type[-1], {}) for type in plugins]
        base = {
            "cniVersion": self.version, "name": NETWORK, "disableCheck": False, "disableGC": False,
            "plugins": body,
        }  # fmt: skip
        written = {key: value for key, value in (base | keys).items() if value is not None}
        path = self.confdir / f"10-{NETWORK}.conflist"
        path.write_text(json.dumps(written))
        self.steps.append(Step(f"write {path}", json.dumps(written)))

    # --- commands

    def has(self, verb: str) -> bool:
        """Tell whether the runtime can be asked a verb."""
        return verb in self.profile.commands

    def need(self, verb: str) -> None:
        """Say that the clause does not apply where the runtime cannot be asked a verb."""
        if not self.has(verb):
            raise NotApplicable(f"{self.profile.name} has no command for {verb}")

    def need_place(self, place: str, what: str) -> None:
        """Say that the clause does not apply where `add` does not hand something over."""
        if not self.profile.uses(place):
            raise NotApplicable(f"the commands of {self.profile.name} hand over no {what}")

    def run(self, verb: str, container: Container | None = None, **places: str) -> Answer:
        """Run a command to its end, whatever comes of it; `add` of a runtime that holds, until attached."""
        running = self.start(verb, container, **places)
        name = container.name if container else ""
        if verb == "add" and self.profile.holds:
            answer = running.wait_line(self.profile.holds)
            if answer.succeeded:
                self._held[name] = running
        else:
            answer = self._with_held(running.wait(), verb, name)
        self.note(f"`{shlex.join(running.argv)}`", answer)
        return answer

    def start(self, verb: str, container: Container | None = None, **places: str) -> Running:
        """Start a command and do not wait."""
        filled = self._places(verb, container) | places
        argv = [placed(word, filled) for word in self.profile.commands[verb]]
        return self._start(argv, filled)

    def add(self, container: Container, **places: str) -> Answer:
        """Run `add`, which must succeed."""
        answer = self.run("add", container, **places)
        expect(answer.succeeded, f"add failed: {answer}")
        return answer

    def delete(self, container: Container, **places: str) -> Answer:
        """Run `del`, which must succeed."""
        answer = self.run("del", container, **places)
        expect(answer.succeeded, f"del failed: {answer}")
        return answer

    def forget(self) -> None:
        """Make the runtime forget what it holds in memory; a command that ends forgets by itself."""
        for line in self.profile.restart:
            self.do(*line)
        if self.profile.restart:
            self.wait_ready()

    # --- the record

    def calls(self, *verbs: str) -> list[Record]:
        """Return what plugins were asked so far, and write it down."""
        found = self.recording.calls(*verbs)
        self.note(f"the plugins' record ({', '.join(verbs) or 'all'})", [str(one) for one in found])
        return found

    def wait_call(self, verb: str, running: Running) -> None:
        """Wait until a plugin is being asked a verb; or until the command that should ask has ended."""

        def is_asked() -> bool:
            return any(one.ended == float("inf") for one in self.recording.calls(verb))

        holds_within(LIMIT, lambda: is_asked() or running.process.poll() is not None, pause=LOOK_AGAIN)

    # --- the judge's own doings

    def do(self, *line: str) -> Answer:
        """Run a program of the profile in the runtime's environment, and write it down."""
        places = self._places("", None)
        answer = self._start([placed(word, places) for word in line], places).wait()
        self.note(f"`{shlex.join(placed(word, places) for word in line)}`", answer)
        return answer

    def note(self, what: str, seen: object) -> None:
        """Write down what was looked at, and what was there."""
        self.steps.append(Step(what, str(seen)[:2000]))

    def open(self) -> None:
        """Set up what the profile asks for, start its daemons, and wait until they are ready."""
        for line in self.profile.setup:
            answer = self.do(*line)
            if not answer.succeeded:
                raise CannotJudge(f"setting up {self.profile.name}: {answer}")
        places = self._places("", None)
        for line in self.profile.daemon:
            self._start([placed(word, places) for word in line], places)
        self.wait_ready()

    def close(self) -> None:
        """Run what the profile says is to be done at the end."""
        for line in self.profile.teardown:
            self.do(*line)

    def wait_ready(self) -> None:
        """Ask until the daemons answer."""
        ready = self.profile.ready
        if ready and not holds_within(LIMIT, lambda: self.do(*ready).succeeded, pause=LOOK_AGAIN):
            raise CannotJudge(f"{self.profile.name} was not ready within {LIMIT} s")

    def _with_held(self, answer: Answer, verb: str, name: str) -> Answer:
        """Return the answer of `del` together with that of the `add` that it ended."""
        held = self._held.pop(name, None) if verb == "del" else None
        if held is None:
            return answer
        ended = held.wait()
        return Answer(
            answer.status, answer.stdout + ended.stdout, answer.stderr + ended.stderr, answer.seconds
        )

    def _start(self, argv: Sequence[str], places: Json) -> Running:
        self._commands += 1
        out, err = (self.folder / f"{self._commands}.{stream}" for stream in ("out", "err"))
        environment = base_environment() | {
            key: placed(text, places) for key, text in self.profile.environment.items()
        }
        try:
            process = self.start_process(argv, environment, out, err)
        except FileNotFoundError as error:
            raise CannotJudge(f"{argv[0]} is not installed") from error
        return Running(argv, process, out, err, time.monotonic())

    def _places(self, verb: str, container: Container | None) -> dict[str, str]:
        return {
            "verb": verb, "network": NETWORK, "netns": container.netns if container else "",
            "container": container.name if container else "", "ifname": "eth0", "args": "",
            "capabilities": "{}", "confdir": str(self.confdir), "cnipath": str(self.recording.plugins),
            "folder": str(self.folder),
        }  # fmt: skip


Judge = Callable[[RuntimeCase], None]
