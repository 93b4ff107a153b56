"""What a supervisor answers: `ask` -> an answer, or a process that was started, or a stream of statuses."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable

from pod_runner.container.process import Stdio
from pod_runner.container.spec import ContainerError
from pod_runner.supervisor.checks import Opening
from pod_runner.supervisor.control import Conversation
from pod_runner.supervisor.lines import JsonObject
from pod_runner.supervisor.machine import Machine
from pod_runner.supervisor.measuring import measure
from pod_runner.supervisor.running import ContainerLife
from pod_runner.supervisor.shared import LOOPBACK

CONNECT_IN = 5.0  # seconds; on a loopback a full backlog is the only reason to wait


class Refused(Exception):
    """What was asked cannot be done; a sentence."""


class Answering:
    """Answers for one pod. `status` returns its status as it is now; `refresh` reads the order again."""

    def __init__(
        self, machine: Machine, status: Callable[[], JsonObject], refresh: Callable[[], None]
    ) -> None:
        self._machine, self._status, self._refresh = machine, status, refresh
        self._watchers: list[Conversation] = []
        self._awaiting_end: list[Conversation] = []
        self._answers: dict[str, Callable[[Conversation, JsonObject], None]] = {
            "status": lambda conversation, _: conversation.say(self._status()),
            "stats": lambda conversation, _: conversation.say(measure(self._machine)),
            "watch": self._watch,
            "stop": self._stop,
            "exec": self._exec,
            "attach": self._attach,
            "forward": self._forward,
            "signal": self._signal,
            "refresh": self._ask_refresh,
        }

    def ask(self, conversation: Conversation, body: JsonObject) -> None:
        """Answer one request."""
        answer = self._answers.get(str(body.get("ask")))
        try:
            if answer is None:
                raise Refused(f"a supervisor is not asked for {str(body.get('ask'))[:40]!r}")
            answer(conversation, body)
        except (Refused, ContainerError, OSError, ValueError) as error:
            conversation.say({"error": str(error)})
            conversation.close()

    def go_on(self, conversation: Conversation) -> None:
        """Go on telling somebody who watches, and knows the status as it was written."""
        self._watchers.append(conversation)

    def is_watching(self, conversation: Conversation) -> bool:
        """Tell whether somebody only watches."""
        return conversation in self._watchers

    def tell(self, status: JsonObject) -> None:
        """Tell whoever watches that the status has changed."""
        self._watchers = [one for one in self._watchers if one.is_open]
        for one in self._watchers:
            one.say(status)

    def tell_end(self, status: JsonObject) -> None:
        """Tell whoever waits for the pod's end that it has come."""
        for one in self._awaiting_end:
            one.say(status)

    def _watch(self, conversation: Conversation, _: JsonObject) -> None:
        self._watchers.append(conversation)
        conversation.say(self._status())

    def _stop(self, conversation: Conversation, body: JsonObject) -> None:
        grace = body.get("grace")
        if grace is None:
            grace = self._machine.shared.pod.spec.termination_grace_period_seconds
        if isinstance(grace, bool) or not isinstance(grace, int | float) or not 0 <= grace < 1e9:
            raise Refused("expected grace in seconds")
        self._awaiting_end.append(conversation)
        self._machine.stop(grace)

    def _exec(self, conversation: Conversation, body: JsonObject) -> None:
        life, argv, is_terminal = self._life(body), _texts(body.get("argv")), body.get("tty") is True
        descriptors = conversation.lines.take_descriptors()
        try:
            if len(descriptors) != (1 if is_terminal else 3):
                raise Refused(f"{len(descriptors)} descriptors came; expected 3, or 1 with a terminal")
            stdio = Stdio(*(descriptors * 3 if is_terminal else descriptors))
            env = body.get("env")
            variables = {str(key): str(value) for key, value in env.items()} if isinstance(env, dict) else {}
            pid = life.execute(argv, stdio, terminal=is_terminal, env=variables)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        self._follow(conversation, pid)

    def _follow(self, conversation: Conversation, pid: int) -> None:
        """Answer with the exit code when a process ends; end it when the peer hangs up."""

        def exited(status: int) -> None:
            conversation.on_hang_up = None
            code = os.waitstatus_to_exitcode(status)
            conversation.say({"exit": code if code >= 0 else 128 - code})
            conversation.close()

        conversation.on_line = _heed_nothing
        conversation.on_hang_up = lambda: os.kill(pid, signal.SIGKILL)
        self._machine.shared.loop.on_exit(pid, exited)
        conversation.say({"pid": pid})

    def _attach(self, conversation: Conversation, body: JsonObject) -> None:
        life = self._life(body)
        descriptors = conversation.lines.take_descriptors()
        try:
            if len(descriptors) != 3:
                raise Refused(f"{len(descriptors)} descriptors came; expected 3")
            attached = life.recording.attach(
                conversation.lines, (descriptors[0], descriptors[1], descriptors[2])
            )
        except (Refused, ValueError):
            for descriptor in descriptors:
                os.close(descriptor)
            raise

        def resize(told: JsonObject) -> None:
            rows, columns = told.get("rows"), told.get("columns")
            if isinstance(rows, int) and isinstance(columns, int):
                life.recording.resize(rows, columns)

        conversation.on_line = resize
        conversation.on_hang_up = lambda: life.recording.detach(attached)
        conversation.say({"pid": life.record.pid})

    def _forward(self, conversation: Conversation, body: JsonObject) -> None:
        port = body.get("port")
        if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
            raise Refused("expected a port from 1 to 65535")
        sandbox = self._machine.shared.sandbox
        if sandbox is None:
            raise Refused("the pod has no sandbox at this moment")
        self._connect(conversation, sandbox.netns, port, [LOOPBACK, "::1"])

    def _connect(self, conversation: Conversation, netns: str, port: int, hosts: list[str]) -> None:
        """Hand over a connection to the first of the hosts that answers."""

        def opened(connection: socket.socket) -> None:
            with connection:
                conversation.say({}, [connection.fileno()])
            conversation.close()

        def failed(message: str) -> None:
            if hosts[1:]:
                self._connect(conversation, netns, port, hosts[1:])
            else:
                conversation.say({"error": message})
                conversation.close()

        opening = Opening(self._machine.shared.loop, netns, (hosts[0], port), CONNECT_IN, opened, failed)
        conversation.on_hang_up = opening.cancel

    def _signal(self, conversation: Conversation, body: JsonObject) -> None:
        life, number = self._life(body), body.get("signal")
        if isinstance(number, bool) or not isinstance(number, int) or not 0 < number <= signal.SIGRTMAX:
            raise Refused("expected a signal's number")
        if not life.is_running:
            raise Refused(f"container {life.name} does not run")
        os.kill(life.record.pid, number)
        conversation.say({})

    def _ask_refresh(self, conversation: Conversation, _: JsonObject) -> None:
        self._refresh()
        conversation.say({})
        conversation.close()

    def _life(self, body: JsonObject) -> ContainerLife:
        name = str(body.get("container") or "")
        life = self._machine.find(name)
        if life is None:
            raise Refused(f"the pod has no container {name!r}")
        return life


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise Refused("expected argv, a list of texts")
    return tuple(value)


def _heed_nothing(_: JsonObject) -> None:
    """Stand for what a peer says that need not be heard."""
