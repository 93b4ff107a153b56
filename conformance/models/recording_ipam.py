"""An IPAM plugin that keeps the rules; as the suite's delegate it records every call and fails on demand.

It works on the folder that `ipam.folder` names, or else on the one that it lies in. There are `held/` (a
file per network, container id and interface: whose, and its number in the pools) and `lock`. Where the
folder has a `behaviour.json` (verb -> error to answer, see conformance/delegate.py) it is a delegate, and
writes `calls.jsonl` (a line per call).
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import sys
import time
from hashlib import sha256
from ipaddress import ip_interface, ip_network
from pathlib import Path
from typing import Any

from conformance.models.telling import tell

Json = dict[str, Any]
VERSIONS = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]
SINCE = {"CHECK": "0.4.0", "STATUS": "1.1.0", "GC": "1.1.0"}
NEEDED = {"ADD": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"), "DEL": ("CNI_CONTAINERID", "CNI_IFNAME")}
NEEDED["CHECK"] = NEEDED["ADD"]
VERBS = (*NEEDED, "STATUS", "GC", "VERSION")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*")  # container ids and names of networks (CNI 1.1.0 section 2)
IFNAME = re.compile(r"[^/:\s]{1,15}")
POOLS = (ip_network("10.91.0.0/16"), ip_network("fd91::/64"))
FIRST = 3  # the first number that is given; 1 is the gateway's
SIZE = 60000  # attachments at once; `ipam.size` makes it fewer
LIST_KEYS = ("cni.dev/valid-attachments", "cni.dev/attachments")  # the latter is the text's tagged 1.1.0


class Refusal(Exception):
    """An error of the specification's: its code, its sentence, and what may be said beside."""

    def __init__(self, code: int, msg: str, details: str = "") -> None:
        super().__init__(msg)
        self.code, self.details = code, details


def main() -> int:
    """Answer one call; return the exit status."""
    version = VERSIONS[-1]
    try:
        verb = os.environ.get("CNI_COMMAND", "")
        if verb not in VERBS:
            raise Refusal(4, f"CNI_COMMAND is {verb!r}, not one of {', '.join(VERBS)}")
        stdin = _read()
        config = _decode(stdin if stdin.strip() or verb != "VERSION" else "{}")
        if verb == "VERSION":
            asked = config.get("cniVersion", version)
            said: Json | None = {"cniVersion": asked, "supportedVersions": VERSIONS}
        else:
            version = str(config.get("cniVersion", VERSIONS[0]))
            said = _in_the_folder(verb, stdin, config)
    except OSError as error:
        return tell({"cniVersion": version, "code": 5, "msg": f"the folder cannot be used: {error}"}, 1)
    except Refusal as error:
        said = {"cniVersion": version, "code": error.code, "msg": str(error), "details": error.details}
        return tell(said, 1)
    return 0 if said is None else tell(said, 0)


def _read() -> str:
    try:
        return sys.stdin.buffer.read().decode()
    except (OSError, AttributeError) as error:  # closed by the caller: Python then has no stdin
        raise Refusal(5, f"stdin cannot be read: {error}") from error
    except UnicodeDecodeError as error:
        raise Refusal(6, f"stdin is not UTF-8: {error}") from error


def _decode(stdin: str) -> Json:
    try:
        found = json.loads(stdin)
    except (ValueError, RecursionError) as error:
        raise Refusal(6, f"stdin is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise Refusal(6, "the configuration is not a JSON object")
    return found


def _in_the_folder(verb: str, stdin: str, config: Json) -> Json | None:
    """Do the verb under the folder's lock; as a delegate, write the call down and do as told."""
    ipam = config.get("ipam")
    given = ipam.get("folder") if isinstance(ipam, dict) else None
    if not isinstance(given, str | None):
        raise Refusal(7, f"`ipam.folder` is a path, not {given!r}")
    folder = Path(given) if given else Path(sys.argv[0]).resolve().parent
    if not folder.is_dir():
        raise Refusal(5, f"the folder {folder} is not there")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        told: Json = {}
        if (folder / "behaviour.json").exists():
            _record(folder, verb, stdin)
            told = json.loads((folder / "behaviour.json").read_text())
        order = told.get(verb, {})
        if sys.stderr is not None:  # else the caller has closed it
            sys.stderr.write(order.get("stderr", ""))
        if "code" in order:
            raise Refusal(order["code"], order["msg"])
        _judge_the_call(verb, config)
        if order.get("blind"):
            return None
        (folder / "held").mkdir(exist_ok=True)
        return _serve(folder / "held", verb, config, told.get("result", {}))


def _record(folder: Path, verb: str, stdin: str) -> None:
    own = {key: value for key, value in os.environ.items() if key.startswith(("CNI_", "JUDGE_"))}
    line = {"verb": verb, "environment": own, "stdin": stdin, "at": time.monotonic()}
    with (folder / "calls.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


def _judge_the_call(verb: str, config: Json) -> None:
    """Refuse what the specification says must be refused, before anything is changed."""
    version = config.get("cniVersion", VERSIONS[0])
    if version not in VERSIONS:
        raise Refusal(1, f"CNI version {version!r} is not supported", f"supported: {', '.join(VERSIONS)}")
    if verb in SINCE and VERSIONS.index(version) < VERSIONS.index(SINCE[verb]):
        raise Refusal(1, f"{verb} needs cniVersion {SINCE[verb]} or later; this is {version}")
    missing = [name for name in NEEDED.get(verb, ()) if not os.environ.get(name)]
    if missing:
        raise Refusal(4, f"required variables are not set: {', '.join(missing)}")
    for name, rule in (("CNI_CONTAINERID", NAME), ("CNI_IFNAME", IFNAME)):
        value = os.environ.get(name, "")
        if verb in NEEDED and (not rule.fullmatch(value) or value in (".", "..")):
            raise Refusal(4, f"{name} is invalid: {value!r}")
    if verb == "ADD" and not os.path.exists(os.environ["CNI_NETNS"]):  # noqa: PTH110  a path may be too long
        raise Refusal(4, f"CNI_NETNS is invalid: {os.environ['CNI_NETNS']} is not there")
    network = config.get("name")
    if not isinstance(network, str) or not NAME.fullmatch(network):
        raise Refusal(7, f"`name` of the network is invalid: {network!r}")
    if not isinstance(config.get("ipam"), dict):
        raise Refusal(7, f"`ipam` is not an object: {config.get('ipam')!r}")
    size = config["ipam"].get("size", SIZE)
    if isinstance(size, bool) or not isinstance(size, int) or not 0 < size <= SIZE:
        raise Refusal(7, f"`ipam.size` is a number from 1 to {SIZE}, not {size!r}")


def _serve(held: Path, verb: str, config: Json, extra: Json) -> Json | None:
    owner = [config["name"], os.environ.get("CNI_CONTAINERID", ""), os.environ.get("CNI_IFNAME", "")]
    file = held / sha256(json.dumps(owner).encode()).hexdigest()[:32]
    match verb:
        case "ADD":
            return _give(held, file, owner, config, extra)
        case "DEL":
            file.unlink(missing_ok=True)
            held.with_name("draft").unlink(missing_ok=True)
        case "CHECK":
            _check(file, config)
        case "STATUS":
            _next(held, config)
        case "GC":
            _collect(held, config)
    return None


def _give(held: Path, file: Path, owner: list[str], config: Json, extra: Json) -> Json:
    if file.exists():
        raise Refusal(100, "this attachment has addresses already")
    number = _asked(held, config) or _next(held, config)
    _write(file, json.dumps([*owner, number]))
    version = config.get("cniVersion", VERSIONS[0])
    four, six = (
        {"address": address, "gateway": str(pool[1])}
        for address, pool in zip(_addresses(number), POOLS, strict=True)
    )
    routes = [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
    if version in VERSIONS[:2]:
        both = {
            f"ip{at}": {"ip": one["address"], "gateway": one["gateway"], "routes": [route]}
            for at, one, route in ((4, four, routes[0]), (6, six, routes[1]))
        }
        return {"cniVersion": version, **both, "dns": {}}
    if version in VERSIONS[2:5]:
        four, six = {"version": "4"} | four, {"version": "6"} | six
    return {"cniVersion": version, "ips": [four, six], "routes": routes} | extra


def _write(file: Path, text: str) -> None:
    """Write a file whole or not at all; the draft of who was killed is the next one's."""
    draft = file.parent.with_name("draft")
    try:
        draft.write_text(text)
        draft.replace(file)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def _addresses(number: int) -> tuple[str, str]:
    four, six = (f"{pool[number]}/{pool.prefixlen}" for pool in POOLS)
    return four, six


def _taken(held: Path) -> dict[int, list[Any]]:
    owners = [json.loads(file.read_text()) for file in held.iterdir()]
    return {owner[-1]: owner for owner in owners}


def _next(held: Path, config: Json) -> int:
    """Return the lowest number that is free."""
    taken, size = _taken(held), config["ipam"].get("size", SIZE)
    for number in range(FIRST, FIRST + size):
        if number not in taken:
            return number
    raise Refusal(50, f"all {size} addresses are taken", f"network {config['name']}")


def _asked(held: Path, config: Json) -> int | None:
    """Return the number of the IPv4 address that the runtime asks for (capability `ips`), if it does."""
    wanted = (config.get("runtimeConfig") or {}).get("ips") or []
    for text in wanted:
        try:
            address = ip_interface(text).ip
        except ValueError as error:
            raise Refusal(101, f"runtimeConfig.ips: {error}") from error
        number = int(address) - int(POOLS[0][0])
        if address not in POOLS[0] or not FIRST <= number < FIRST + config["ipam"].get("size", SIZE):
            raise Refusal(101, f"runtimeConfig.ips: {text} is not in the pool {POOLS[0]}")
        if number in _taken(held):
            raise Refusal(101, f"runtimeConfig.ips: {text} is taken")
        return number
    return None


def _check(file: Path, config: Json) -> None:
    previous = config.get("prevResult")
    if not isinstance(previous, dict):
        raise Refusal(7, "CHECK needs `prevResult`")
    if not file.exists():
        raise Refusal(102, "nothing is reserved for this attachment")
    own = _addresses(json.loads(file.read_text())[-1])
    listed = [one.get("address") for one in previous.get("ips") or ()]
    missing = [address for address in own if address not in listed]
    if missing:
        raise Refusal(102, f"{missing[0]} is reserved for it, but not in prevResult")


def _collect(held: Path, config: Json) -> None:
    """Free what this network holds for attachments that are not listed; no list at all frees nothing."""
    valid = next((config[key] for key in LIST_KEYS if key in config), None)
    if valid is None:
        return
    if not isinstance(valid, list) or not all(isinstance(one, dict) for one in valid):
        raise Refusal(7, f"the list of valid attachments is not a list of objects: {valid!r}")
    kept = [[one.get("containerID"), one.get("ifname")] for one in valid]
    for file in held.iterdir():
        network, container, ifname, _ = json.loads(file.read_text())
        if network == config["name"] and [container, ifname] not in kept:
            file.unlink()
