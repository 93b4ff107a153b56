"""One request: is it of this network namespace, and what does the plugin answer?"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import replace

from cni_plugins.memory import Memory
from cni_plugins.registry import PLUGIN_TYPES, load_plugin
from cni_plugins.skeleton import about, answer
from cni_spec.errors import TRY_AGAIN_LATER, CniError
from cni_spec.request import Verb
from cni_spec.versions import LATEST_VERSION
from linuxnet.kernel import Kernel
from linuxnet.netns import OWN_NETNS
from podwire.agent.counters import Counters
from podwire.agent.jobs import Job
from podwire.agent.protocol import NOT_SERVED, Reply, Request

log = logging.getLogger("podwire.agent")

_VERBS = frozenset(one.value for one in Verb)


class Serving:
    """What answers requests in the network namespace that its maker's thread is in."""

    def __init__(self, counters: Counters) -> None:
        self.memory = Memory()
        self.questions: dict[str, Callable[[bytes], Reply]] = {}  # by what stands in a type's place
        self._counters = counters
        self._netns = os.stat(OWN_NETNS)  # noqa: PTH116
        for name in PLUGIN_TYPES:
            load_plugin(name)

    def close(self) -> None:
        """Close what was kept open."""
        self.memory.close()

    def serve(self, job: Job) -> Reply:
        """Answer one request."""
        request, descriptors = job.request, job.connection.descriptors
        if request.plugin in self.questions:
            return self.questions[request.plugin](request.stdin)
        if not descriptors or not os.path.samestat(os.fstat(descriptors[0]), self._netns):
            self._counters.reject("another network namespace")
            return Reply(NOT_SERVED)
        if request.plugin not in PLUGIN_TYPES or _sees_other_mounts(job):
            return Reply(NOT_SERVED)
        started = time.monotonic()
        reply, code = self._answer(request, _container(job))
        verb = request.environment.get("CNI_COMMAND", "")
        known = verb if verb in _VERBS else "?"
        self._counters.count(known, request.plugin, code, time.monotonic() - started)
        return reply

    def take_back(self, job: Job) -> None:
        """Undo an ADD whose answer nobody heard."""
        variables = dict(job.request.environment) | {"CNI_COMMAND": Verb.DEL.value}
        reply, code = self._answer(replace(job.request, environment=variables), _container(job))
        if code:
            log.error("an ADD nobody waited for is not taken back: %s", reply.stdout.decode())
        self._counters.reject("ADD taken back: its caller had gone")

    def _answer(self, request: Request, netns: int | None) -> tuple[Reply, int]:
        plugin = load_plugin(request.plugin)
        if not request.environment.get("CNI_COMMAND"):
            return Reply(0, b"", f"{about(plugin)}\n".encode()), 0
        said: list[str] = []
        given = answer(
            plugin,
            request.environment,
            request.stdin,
            warn=lambda line: said.append(f"podwire {request.plugin}: {line}\n"),
            kernel=lambda: Kernel(self.memory.host, netns),
            memory=self.memory,
        )
        code = given.error.code if given.error else 0
        warnings = "".join(said).encode("utf-8", "backslashreplace")  # variables may be any bytes
        return Reply(given.status, given.stdout.encode(), warnings), code


def _container(job: Job) -> int | None:
    """Return the container's namespace, if its caller could open it."""
    return next(iter(job.connection.descriptors[1:]), None)


def _sees_other_mounts(job: Job) -> bool:
    """Tell whether CNI_NETNS is there for us and was not for the caller: what is there is another's."""
    path = job.request.environment.get("CNI_NETNS", "")
    return _container(job) is None and os.path.exists(path)  # noqa: PTH110 - keeps no string of a pod


def try_again_later(why: str) -> Reply:
    """Return CNI error 11 (CNI 1.1.0 section 5)."""
    return Reply(1, CniError(TRY_AGAIN_LATER, f"try again later: {why}").to_json(LATEST_VERSION).encode())
