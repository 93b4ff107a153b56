"""What runs plugins for an operation: the environment they get, and a record of what each one took.

A plugin inherits this process' environment, without the variables of a call that were meant for us.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

from cni_spec.errors import CniError
from cni_spec.json_input import JsonObject
from cni_spec.network_list import PluginEntry
from cni_spec.request import Verb
from pod_runner.cni.derive import Target
from pod_runner.cni.invoke import DEADLINE, Relay, execute, find_plugin, read_failure

_CALL_VARIABLES = ("CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH")


@dataclass(frozen=True)
class Step:
    """One execution of a plugin: how long it took, and what it said was wrong ("" if nothing was)."""

    plugin: str
    verb: str
    ms: float
    error: str = ""


class PluginRunner:
    """Runs plugins of one CNI_PATH one after the other; `steps` tells what was run so far.

    `deadline` is in seconds and for each plugin; `relay` gets what plugins print on stderr.
    """

    def __init__(
        self,
        path: tuple[str, ...],
        environment: Mapping[str, str],
        *,
        deadline: float = DEADLINE,
        relay: Relay | None = None,
    ) -> None:
        self.steps: list[Step] = []
        self._path = path
        self._inherited = {key: value for key, value in environment.items() if key not in _CALL_VARIABLES}
        self._deadline = deadline
        self._relay = relay

    def run(self, plugin: PluginEntry, verb: Verb, target: Target | None, body: JsonObject) -> bytes:
        """Execute a plugin and return its stdout. `target` is None for verbs about no attachment.

        Raises:
            CniError: the plugin's own, with the plugin named, or that it could not be run.
        """
        before, failure = time.perf_counter(), ""
        try:
            return self._run(plugin, verb, target, body)
        except CniError as error:
            failure = error.msg
            raise
        finally:
            ms = round((time.perf_counter() - before) * 1000, 3)
            self.steps.append(Step(plugin.type, verb.value, ms, failure))

    def _run(self, plugin: PluginEntry, verb: Verb, target: Target | None, body: JsonObject) -> bytes:
        executable = find_plugin(plugin.type, self._path)
        output = execute(
            executable,
            self._environment(verb, target),
            json.dumps(body).encode(),
            deadline=self._deadline,
            relay=self._relay,
        )
        if output.status == 0:
            return output.stdout
        error = read_failure(plugin.type, output)
        sentence = f'plugin type="{plugin.type}" failed ({verb.value.lower()}): {error.msg}'
        raise CniError(error.code, sentence, error.details)

    def _environment(self, verb: Verb, target: Target | None) -> dict[str, str]:
        call = {"CNI_COMMAND": verb.value, "CNI_PATH": ":".join(self._path)}
        if target is not None:
            call |= {
                "CNI_CONTAINERID": target.container_id,
                "CNI_NETNS": target.netns,
                "CNI_IFNAME": target.ifname,
                "CNI_ARGS": ";".join(f"{key}={value}" for key, value in target.args),
            }
        return self._inherited | call
