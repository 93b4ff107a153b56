"""Plugins that a plugin runs, ours or foreign, by exec or in process (CNI 1.1.0 section 4).

A delegate gets the caller's environment; an IPAM plugin the caller's stdin too, unchanged. It is looked up
in CNI_PATH; where that leads to an executable of ours the same code runs in this process, which spares an
interpreter (150 ms); PODWIRE_EXEC_DELEGATES=1 forbids that. An ADD that fails has its delegate's DEL run,
unless it failed because something is there already: that is a living attachment's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from netaddr import IPNetwork

from cni_plugins.plugin import Call
from cni_plugins.skeleton import Answer, answer
from cni_spec.config import parse_config
from cni_spec.errors import (
    ALREADY_ALLOCATED,
    DELEGATE_FAILED,
    INTERFACE_EXISTS,
    INVALID_CONFIG,
    CniError,
)
from cni_spec.json_input import SIZE_LIMIT, JsonObject, decode_object
from cni_spec.request import Verb
from cni_spec.result import IpConfig, Result, read_result

MARKER = b"# podwire plugin"  # in the head or the trailer of every executable that `podwire install` writes
HEAD, TRAILER = 200, 1024  # bytes
LIVING = (ALREADY_ALLOCATED, INTERFACE_EXISTS)  # what a DEL after the ADD would destroy
DEADLINE = 110  # seconds; runtimes give a whole ADD 120 (kubelet) or more, DHCP may want most of it
STDERR_LIMIT = 64 << 10  # bytes of what a delegate says there that an agent hands over: the last ones


class Delegate:
    """A plugin that does a part of another's work, or all of it.

    `stdin` is what it reads, `variables` go over the caller's. `may_have_left` tells that its last DEL
    failed: something of its ADD may still be there.
    """

    kind: ClassVar[str] = "plugin"

    def __init__(
        self, call: Call[Any], plugin_type: str, stdin: bytes, variables: Mapping[str, str] | None = None
    ) -> None:
        self._call = call
        self._stdin = stdin
        self._variables = variables or {}
        self.type = plugin_type
        self.may_have_left = False

    def add(self) -> Result:
        """Run ADD; the surrounding ADD takes it back if it fails.

        Raises:
            CniError: the delegate's own error, or code 105 if it could not be run.
        """
        given = self._add()
        self._call.undo.push(f"{self.type} ADD", self.delete)
        version = self._call.config.cni_version
        return read_result(decode_object(given.encode(), f"result of {self.type}"), version)

    def _add(self) -> str:
        """Run ADD; one that fails is followed by DEL, but not where what is there is a living one's."""
        try:
            return self._ask(Verb.ADD)
        except CniError as error:
            if error.code not in LIVING:
                self._delete_after(error)
            raise

    def _delete_after(self, cause: CniError) -> None:
        try:
            self.delete()
        except CniError as error:
            cause.add_note(f"{self.type} DEL: {error}")

    def delete(self) -> None:
        """Let the delegate remove what it made."""
        self.may_have_left = True
        self._ask(Verb.DEL)
        self.may_have_left = False

    def check(self) -> None:
        """Raise what the delegate says is wrong."""
        self._ask(Verb.CHECK)

    def status(self) -> None:
        """Raise what the delegate says is wrong."""
        self._ask(Verb.STATUS)

    def gc(self) -> None:
        """Let the delegate remove what is stale."""
        self._ask(Verb.GC)

    @property
    def is_of_podwire(self) -> bool:
        """Tell whether CNI_PATH leads to code of ours. Raises CniError 105 if it leads to none."""
        from cni_plugins.registry import PLUGIN_TYPES

        executable = find_executable(self.type, self._call.request.path)
        return self.type in PLUGIN_TYPES and is_ours(executable)

    def _ask(self, verb: Verb) -> str:
        request = self._call.request
        environment = {**request.environment, **self._variables, "CNI_COMMAND": verb.value}
        if self.is_of_podwire and environment.get("PODWIRE_EXEC_DELEGATES") != "1":
            given = self._in_process(environment)
        else:
            given = self._exec(find_executable(self.type, request.path), environment)
        if given.status != 0:
            raise given.error or _read_error(self.kind, self.type, given.stdout)
        return given.stdout

    def _in_process(self, environment: dict[str, str]) -> Answer:
        from cni_plugins.registry import load_plugin

        call = self._call
        return answer(
            load_plugin(self.type),
            environment,
            self._stdin,
            warn=call.warn,
            kernel=call.kernel.another,
            memory=call.memory,
        )

    def _exec(self, executable: Path, environment: dict[str, str]) -> Answer:
        if environment.get("CNI_NETNS") and self._call.kernel.has_container:
            environment["CNI_NETNS"] = self._call.kernel.container_path(environment["CNI_NETNS"])
        if self._call.memory is not None:  # or callers wait for each other until no thread of it is left
            environment["PODWIRE_AGENT"] = "never"
        import subprocess  # 10 ms, and a plugin of ours needs none

        what = f"{self.kind} {executable}"
        is_agent = self._call.memory is not None  # its stderr is not the caller's: lines are handed over
        try:
            done = subprocess.run(
                [executable], input=self._stdin, env=environment, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if is_agent else None, timeout=DEADLINE, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CniError(DELEGATE_FAILED, f"{what} could not be run: {error}") from error
        for line in (done.stderr or b"")[-STDERR_LIMIT:].decode("utf-8", "replace").splitlines():
            self._call.warn(line)
        if len(done.stdout) > SIZE_LIMIT:
            raise CniError(DELEGATE_FAILED, f"{what} printed more than {SIZE_LIMIT} bytes")
        return Answer(done.returncode, done.stdout.decode("utf-8", "replace"))


class Ipam(Delegate):
    """The IPAM plugin a configuration names; it reads what its caller read."""

    kind = "IPAM plugin"

    def __init__(self, call: Call[Any]) -> None:
        super().__init__(call, ipam_type(call.config.ipam), call.request.stdin)

    def add(self) -> Result:
        """Get addresses; the surrounding ADD gives them back if it fails.

        Raises:
            CniError: the delegate's own error, or code 105 if it could not be run or gave no address.
        """
        result = super().add()
        if not result.ips:
            raise CniError(DELEGATE_FAILED, f"IPAM plugin {self.type} returned no address")
        return result

    def preview(self) -> Result:
        """Return what an ADD would give, without taking it; a foreign plugin's answer is stood for."""
        from cni_plugins.registry import PLUGIN_TYPES, load_plugin

        if self.type not in PLUGIN_TYPES:
            return Result(ips=(IpConfig(address=IPNetwork("192.0.2.2/24")),))  # RFC 5737, for documentation
        plugin = load_plugin(self.type)
        config, _ = parse_config(plugin.config, self._call.request.body)
        return plugin.preview(replace(self._call, config=config))


def ipam_type(ipam: JsonObject) -> str:
    """Return the `type` of an `ipam` section, "" for a section that is absent or empty.

    Raises:
        CniError: code 7, if a section has no type, or one that is no plain file name.
    """
    if not ipam:
        return ""
    name = next((value for key, value in ipam.items() if key.casefold() == "type"), None)
    return require_plugin_name(name, "ipam.type")


def require_plugin_name(name: object, where: str) -> str:
    """Return a plugin's name. Raises CniError 7 for anything but a plain file name."""
    if not isinstance(name, str) or name in ("", ".", "..") or "/" in name or "\0" in name:
        raise CniError(INVALID_CONFIG, f"{where}: expected a plugin's name, came {json.dumps(name)[:60]}")
    return name


def find_executable(plugin_type: str, path: tuple[str, ...]) -> Path:
    """Return the first file of that name in CNI_PATH.

    Raises:
        CniError: code 105, naming the directories that were searched.
    """
    for directory in path:
        candidate = Path(directory, plugin_type)
        if candidate.is_file():
            return candidate
    searched = ":".join(path) or "empty"
    raise CniError(
        DELEGATE_FAILED, f'failed to find plugin "{plugin_type}" in path CNI_PATH, which is {searched}'
    )


def is_ours(executable: Path) -> bool:
    """Tell whether `podwire install` wrote a file: a script has the marker in its head, a binary behind."""
    with executable.open("rb") as file:
        if MARKER in file.read(HEAD):
            return True
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TRAILER))
        return file.read(TRAILER).startswith(MARKER)


def _read_error(kind: str, plugin_type: str, stdout: str) -> CniError:
    """Turn a delegate's error object into the error it stands for."""
    try:
        body = decode_object(stdout.encode(), f"error of {plugin_type}")
        return CniError(int(str(body["code"])), str(body["msg"]), str(body.get("details", "")))
    except (CniError, KeyError, ValueError):
        return CniError(DELEGATE_FAILED, f"{kind} {plugin_type} failed and said no why", stdout[:2000])
