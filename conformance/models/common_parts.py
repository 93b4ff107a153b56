"""What each model needs: a request that was read and judged, an answer in its version's form, delegation.

Begin here when you write a plugin: `answer` is the door through which every call goes.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.forking import instead_of
from conformance.models.result_forms import VERSIONS, in_form_of, is_result, newest_form
from conformance.models.telling import tell

Json = dict[str, Any]
BROUGHT_BY = {"ADD": 0, "DEL": 0, "CHECK": 4, "STATUS": 6, "GC": 6}  # verb -> its first version's index
LIST_KEYS = ("cni.dev/valid-attachments", "cni.dev/attachments")  # the text's spelling, and that of its tag
VALID_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*")
VALID_IFNAME = re.compile(r"(?!\.{1,2}$)[^/:\s]{1,15}")
WRONG_VERSION, UNSUPPORTED, WRONG_ENVIRONMENT, IO, UNDECODABLE, WRONG_CONFIG = 1, 2, 4, 5, 6, 7
NO_INTERFACE, IN_THE_WAY, KERNEL, DIFFERS, DELEGATE = 100, 101, 102, 103, 104  # the models' own


class CniError(Exception):
    """What the caller is told in place of a result."""

    def __init__(self, code: int, msg: str, details: str = "") -> None:
        """Keep the error object's three parts."""
        super().__init__(msg)
        self.code, self.msg, self.details = code, msg, details


@dataclass(frozen=True)
class Request:
    """One call, judged: the configuration is an object with a name and a version that is known."""

    verb: str
    container: str
    ifname: str
    netns: str  # "" where a DEL came without
    config: Json
    stdin: bytes
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """Return the CNI version that is spoken."""
        return str(self.config.get("cniVersion", VERSIONS[0]))

    @property
    def network(self) -> str:
        """Return the network's name."""
        return str(self.config["name"])

    @property
    def previous(self) -> Json | None:
        """Return `prevResult` in the newest form; None where there is none."""
        found = self.config.get("prevResult")
        return None if found is None else newest_form(found)

    def valid_attachments(self) -> list[Json] | None:
        """Return the attachments that GC must keep; None where the runtime did not say which."""
        return next((self.config[key] for key in LIST_KEYS if self.config.get(key) is not None), None)


def answer(verbs: Mapping[str, Callable[[Request], Json | None]]) -> int:
    """Read the call, do what it asks, print what comes of it; return the exit status.

    A result of `verbs[verb]` is in the newest form; None prints nothing.
    """
    version = ""
    try:
        verb, stdin = os.environ.get("CNI_COMMAND", ""), _read_stdin()
        if verb == "VERSION":
            return tell({"cniVersion": _said_version(stdin), "supportedVersions": VERSIONS}, 0)
        version = _said_version(stdin)
        request = read_request(verb, stdin, verbs)
        result = verbs[verb](request)
        return 0 if result is None else tell(in_form_of(result, request.version), 0)
    except CniError as error:
        body = {"cniVersion": version, "code": error.code, "msg": error.msg, "details": error.details}
        return tell(body, 1)


def _read_stdin() -> bytes:
    try:
        return sys.stdin.buffer.read()
    except (OSError, AttributeError) as error:  # closed by the caller: Python then has no stdin
        raise CniError(IO, f"stdin cannot be read: {error}") from error


def _said_version(stdin: bytes) -> str:
    try:
        found = json.loads(stdin)
    except (ValueError, RecursionError):
        return VERSIONS[-1]
    version = found.get("cniVersion", VERSIONS[0]) if isinstance(found, dict) else VERSIONS[-1]
    return version if isinstance(version, str) else VERSIONS[-1]


def read_request(verb: str, stdin: bytes, verbs: Mapping[str, object]) -> Request:
    """Judge a call.

    Raises:
        CniError: with the code that the specification has for what is wrong.
    """
    if verb not in verbs:
        raise CniError(WRONG_ENVIRONMENT, f"CNI_COMMAND is {verb!r}; this plugin knows {', '.join(verbs)}")
    names = ("CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS")
    container, ifname, netns = (os.environ.get(name, "") for name in names)
    if verb in ("ADD", "DEL", "CHECK"):
        _check_environment(verb, container, ifname, netns)
    config = _decode(stdin)
    _check_config(verb, config)
    return Request(verb, container, ifname, netns, config, stdin, dict(os.environ))


def _check_environment(verb: str, container: str, ifname: str, netns: str) -> None:
    wrong = [] if VALID_NAME.fullmatch(container) else [f"CNI_CONTAINERID is {container!r}"]
    if not VALID_IFNAME.fullmatch(ifname) or not ifname.isprintable() or len(ifname.encode()) > 15:
        wrong.append(f"CNI_IFNAME is {ifname!r}")
    if verb != "DEL" and not netns:
        wrong.append("CNI_NETNS is missing")
    if verb != "DEL" and netns and not os.path.isfile(netns):  # noqa: PTH113  a path may be too long; a pipe would let whoever opens it wait
        wrong.append(f"CNI_NETNS names {netns!r}, which is none or not there")
    if wrong:
        raise CniError(WRONG_ENVIRONMENT, "; ".join(wrong))


def _decode(stdin: bytes) -> Json:
    try:
        config = json.loads(stdin)
    except (ValueError, RecursionError) as error:
        raise CniError(UNDECODABLE, "the configuration is not JSON", str(error)) from error
    if not isinstance(config, dict):
        raise CniError(UNDECODABLE, "the configuration is not a JSON object")
    return config


def _check_config(verb: str, config: Json) -> None:
    version = config.get("cniVersion", VERSIONS[0])
    if version not in VERSIONS:
        raise CniError(WRONG_VERSION, f"cniVersion is {version!r}; this plugin speaks {', '.join(VERSIONS)}")
    if VERSIONS.index(version) < BROUGHT_BY[verb]:
        raise CniError(WRONG_VERSION, f"cniVersion is {version}; {verb} came later")
    name, previous = config.get("name"), config.get("prevResult")
    if not isinstance(name, str) or not VALID_NAME.fullmatch(name):
        raise CniError(WRONG_CONFIG, f"name is {name!r}, which is no name of a network")
    if previous is not None and not isinstance(previous, dict):
        raise CniError(WRONG_CONFIG, "prevResult is not a JSON object")
    if previous is not None and verb != "DEL" and not is_result(previous):
        raise CniError(WRONG_CONFIG, "prevResult is no result")
    if verb == "CHECK" and previous is None:
        raise CniError(WRONG_CONFIG, "prevResult is missing; CHECK compares with it")


# --- delegation


def delegate(request: Request, verb: str = "") -> Json:
    """Ask the plugin that `ipam.type` names, with the whole configuration; return what it printed.

    Without `ipam` nobody is asked. Its stderr is ours.

    Raises:
        CniError: it is not in CNI_PATH, or it failed: with its own code and text.
    """
    named = (request.config.get("ipam") or {}).get("type", "")
    if not named:
        return {}
    folders = request.environment.get("CNI_PATH", "").split(":")
    found = next((Path(one, named) for one in folders if one and Path(one, named).is_file()), None)
    if found is None:
        raise CniError(WRONG_CONFIG, f"ipam.type is {named!r}, which is in no folder of CNI_PATH")
    environment = dict(request.environment) | {"CNI_COMMAND": verb or request.verb}
    done = subprocess.run(
        [found],
        input=request.stdin,
        env=environment,
        stdout=subprocess.PIPE,
        check=False,
        **instead_of(found, environment),
    )
    if done.returncode != 0:
        raise _as_error(named, done.stdout)
    return _printed(done.stdout)


def _printed(stdout: bytes) -> Json:
    try:
        found = json.loads(stdout or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _as_error(named: str, stdout: bytes) -> CniError:
    body = _printed(stdout)
    code, msg = body.get("code", DELEGATE), body.get("msg", f"{named} failed and did not say why")
    return CniError(int(code), str(msg), str(body.get("details", "")))
