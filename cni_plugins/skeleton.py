"""Environment + stdin -> Answer: the verbs, the errors, the one place that prints.

Everything is checked before anything is touched: environment, JSON, version, configuration, namespaces.
`answer` is the whole of a plugin as a function; `run` is the executable around it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cni_plugins.background import start_agent
from cni_plugins.journal import VERBOSE, destination, from_environment, record, show_kernel_messages
from cni_plugins.memory import Memory
from cni_plugins.plugin import Call, Plugin, ValidAttachments
from cni_plugins.standard_input import read_stdin
from cni_spec.config import AttachmentId, parse_config, validate
from cni_spec.errors import (
    INCOMPATIBLE_VERSION,
    INTERFACE_EXISTS,
    INTERNAL,
    INVALID_CONFIG,
    INVALID_ENVIRONMENT,
    IO_FAILURE,
    KERNEL_REFUSED,
    MISSING_TOOL,
    TRY_AGAIN_LATER,
    CniError,
)
from cni_spec.json_input import JsonObject, decode_object, json_type
from cni_spec.request import Request, Verb, read_request
from cni_spec.result import Result, read_result
from cni_spec.versions import ALL_VERSIONS, LATEST_VERSION, is_at_least, require_supported
from linuxnet.errors import Busy, Conflict, KernelError, MissingTool
from linuxnet.kernel import Kernel
from linuxnet.owner import Attachment

# verb, the first version of the specification that has it
_SINCE = {Verb.CHECK: "0.4.0", Verb.STATUS: "1.1.0", Verb.GC: "1.1.0"}
# GC's list; the second spelling is that of the text tagged 1.1.0, libcni sends both
_VALID_KEYS = ("cni.dev/valid-attachments", "cni.dev/attachments")
_TRUE = ("1", "true")

_CODES: tuple[tuple[type[Exception], int], ...] = (
    (Conflict, INTERFACE_EXISTS),
    (MissingTool, MISSING_TOOL),
    (Busy, TRY_AGAIN_LATER),
    (KernelError, KERNEL_REFUSED),
)


@dataclass(frozen=True)
class Answer:
    """What the executable prints and how it exits."""

    status: int
    stdout: str
    error: CniError | None = None


Warn = Callable[[str], None]


def answer(
    plugin: Plugin[Any],
    environment: Mapping[str, str],
    stdin: bytes,
    *,
    warn: Warn,
    kernel: Callable[[], Kernel] = Kernel,
    memory: Memory | None = None,
) -> Answer:
    """Serve one request. Never raises: an error becomes an error object (CNI 1.1.0 section 5).

    `kernel` makes what the plugin acts on; `memory` is what a process keeps between requests.
    """
    started = time.monotonic()
    given = _answer(plugin, environment, stdin, warn, kernel, memory)
    if log := destination(environment):
        _record(plugin, environment, stdin, given, (time.monotonic() - started) * 1000, log)
    return given


def _answer(
    plugin: Plugin[Any],
    environment: Mapping[str, str],
    stdin: bytes,
    warn: Warn,
    kernel: Callable[[], Kernel],
    memory: Memory | None,
) -> Answer:
    version = LATEST_VERSION
    try:
        request = read_request(environment, stdin)
        version = _version_to_print(request.body)
        if request.verb is Verb.VERSION:
            return Answer(0, _print_versions(plugin, request.body))
        with kernel() as opened:
            return Answer(0, _serve(plugin, request, warn, opened, memory))
    except Exception as failure:  # noqa: BLE001 - the one place where any failure becomes an error object
        error = as_cni_error(failure)
        return Answer(1, error.to_json(version), error)


def _record(
    plugin: Plugin[Any], environment: Mapping[str, str], stdin: bytes, given: Answer, ms: float, log: str
) -> None:
    """Tell the node's journal of a request."""
    try:
        network = str(decode_object(stdin, "configuration").get("name", ""))
    except CniError:  # the answer tells
        network = ""
    code, msg = (given.error.code, given.error.msg) if given.error else (given.status, "")
    entry = from_environment(
        environment, plugin=plugin.name, duration_ms=ms, network=network, code=code, msg=msg
    )
    record(entry, log)


def as_cni_error(failure: Exception) -> CniError:
    """Give a failure its code; one that nobody foresaw is 999, with its kind named."""
    if isinstance(failure, CniError):
        return failure
    code = next((code for kind, code in _CODES if isinstance(failure, kind)), None)
    if code is None and isinstance(failure, OSError):
        code = IO_FAILURE
    text = str(failure) if code else f"internal error: {type(failure).__name__}: {failure}"
    error = CniError(code or INTERNAL, text)
    error.__notes__ = list(getattr(failure, "__notes__", ()))
    return error


def run(plugin_type: str) -> None:
    """Be the executable of one plugin: read, answer, print, exit."""
    from cni_plugins.registry import load_plugin

    plugin = load_plugin(plugin_type)
    if not os.environ.get("CNI_COMMAND"):
        sys.stderr.write(f"{about(plugin)}\n")
        sys.exit(0)

    def warn(line: str) -> None:
        with suppress(OSError):  # stderr is full or closed: where a log cannot be kept, the answer counts
            os.write(2, f"podwire {plugin_type}: {line}\n".encode(errors="replace"))

    if os.environ.get(VERBOSE) == "1":
        show_kernel_messages()
    try:
        stdin = read_stdin(os.environ["CNI_COMMAND"])
    except OSError as error:
        refusal = CniError(IO_FAILURE, f"the configuration could not be read from stdin: {error.strerror}")
        given = Answer(1, refusal.to_json(LATEST_VERSION), refusal)
    else:
        given = answer(plugin, os.environ, stdin, warn=warn)
    _print(given.stdout)
    if os.environ["CNI_COMMAND"] != Verb.VERSION:
        start_agent(os.environ)
    sys.exit(given.status)


def _print(text: str) -> None:
    """Print an answer; a result that nobody hears is no success."""
    data = text.encode()
    try:
        while data:
            data = data[os.write(1, data) :]
    except OSError as error:
        with suppress(OSError):  # stderr has gone as well
            os.write(2, f"stdout: {error.strerror}\n".encode())
        sys.exit(1)


def about(plugin: Plugin[Any]) -> str:
    """Say what this executable is, for a person who starts it by hand."""
    return (
        f"CNI {plugin.name} plugin of podwire\n"
        f"CNI protocol versions supported: {', '.join(plugin.versions)}\n"
        "A container runtime runs it; see `podwire cni --help` for doing so by hand."
    )


def _serve(plugin: Plugin[Any], request: Request, warn: Warn, kernel: Kernel, memory: Memory | None) -> str:
    version = _requested_version(plugin, request)
    config, remarks = parse_config(plugin.config, request.body)
    for remark in remarks:
        warn(remark)
    previous = _previous_result(request, config.prev_result, version, warn)
    call = Call(request, config, kernel, previous, warn, memory)
    if plugin.enters_container:
        _enter(call)
    result = _dispatch(plugin, call)
    return "" if result is None else json.dumps(result.to_json(version), indent=4)


def _dispatch(plugin: Plugin[Any], call: Call[Any]) -> Result | None:
    match call.request.verb:
        case Verb.ADD:
            with call.undo:
                result = plugin.add(call)
                result.to_json(call.config.cni_version)  # a result that cannot be told undoes the ADD
                call.undo.keep()
            return result
        case Verb.DEL:
            plugin.delete(call)
        case Verb.CHECK:
            call.require_prev_result()
            plugin.check(call)
        case Verb.STATUS:
            plugin.status(call)
        case Verb.GC:
            _collect(plugin, call)
    return None


def _collect(plugin: Plugin[Any], call: Call[Any]) -> None:
    valid = read_valid_attachments(call.request.body, call.config.name)
    if valid is None:
        call.warn(f"GC without {_VALID_KEYS[0]}: nothing is known to be stale, nothing is removed")
        return
    plugin.gc(call, valid)


def read_valid_attachments(body: JsonObject, network: str) -> ValidAttachments | None:
    """Return GC's list, None if there is none: an absent list is not an empty one.

    Raises:
        CniError: code 7, if it is no list of attachments.
    """
    given = [body[key] for key in _VALID_KEYS if body.get(key) is not None]
    if not given:
        return None
    found = set()
    for item in given:
        if not isinstance(item, list):
            raise CniError(INVALID_CONFIG, f"{_VALID_KEYS[0]}: expected a list, came {json_type(item)}")
        for entry in item:
            if not isinstance(entry, dict):
                raise CniError(INVALID_CONFIG, f"{_VALID_KEYS[0]}: expected objects, came {json_type(entry)}")
            one = validate(AttachmentId, entry)
            found.add(Attachment(network, one.container_id, one.ifname))
    return ValidAttachments(frozenset(found))


def _version_to_print(body: JsonObject) -> str:
    given = body.get("cniVersion")
    return given if isinstance(given, str) and given in ALL_VERSIONS else LATEST_VERSION


def _print_versions(plugin: Plugin[Any], body: JsonObject) -> str:
    said = {"cniVersion": _version_to_print(body), "supportedVersions": list(plugin.versions)}
    return json.dumps(said, indent=4)


def _requested_version(plugin: Plugin[Any], request: Request) -> str:
    from cni_spec.config import NetworkConfig

    given = request.body.get("cniVersion")
    version = given if given not in (None, "") else NetworkConfig.model_fields["cni_version"].default
    if not isinstance(version, str):
        raise CniError(INVALID_CONFIG, f"cniVersion: expected a string, came {json_type(version)}")
    require_supported(version, plugin.versions)
    since = _SINCE.get(request.verb)
    if since and not is_at_least(version, since):
        raise CniError(
            INCOMPATIBLE_VERSION, f'config version "{version}" does not support the {request.verb} command'
        )
    return version


def _previous_result(request: Request, body: JsonObject | None, version: str, warn: Warn) -> Result | None:
    if body is None:
        return None
    try:
        return read_result(body, version, "prevResult")
    except CniError as error:
        if request.verb is not Verb.DEL:
            raise
        warn(f"DEL goes on without it: {error.msg}")  # CNI 1.1.0, DEL: must not fail for what is missing
        return None


def _enter(call: Call[Any]) -> None:
    path, verb = call.request.netns, call.request.verb
    if not path or verb not in (Verb.ADD, Verb.CHECK, Verb.DEL):
        return
    try:
        entered = call.kernel.enter(path)
        _check_netns(call, entered)
    except KernelError as error:
        if verb is not Verb.DEL:
            raise CniError(INVALID_ENVIRONMENT, f"CNI_NETNS: {error}") from error
        call.warn(f"DEL goes on without the namespace: {error}")


def _check_netns(call: Call[Any], entered: bool) -> None:
    verb, path = call.request.verb, call.request.netns
    if not entered and verb is not Verb.DEL:
        raise CniError(INVALID_ENVIRONMENT, f"CNI_NETNS: there is no network namespace at {path}")
    overridden = call.request.environment.get("CNI_NETNS_OVERRIDE", "").lower() in _TRUE
    if entered and call.kernel.container_is_host and not overridden:
        call.kernel.leave()
        if verb is not Verb.DEL:
            raise CniError(INVALID_ENVIRONMENT, f"CNI_NETNS: {path} is the namespace the plugin runs in")
