"""The plugin that a runtime is given: it records each call, and answers as it was told to.

It works on the folder that its first argument names: `calls.jsonl` has a line when a call begins and one when
it ends, `behaviour.json` says how each type answers each verb (conformance/runtime/records.py).
"""

from __future__ import annotations

import json
import os
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

VERSIONS = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]
LOOK_AGAIN = 0.005  # seconds, between looks at the record while waiting for another call
Json = dict[str, Any]


def main(folder: Path, type: str) -> int:
    """Answer one call as the type."""
    verb, stdin = os.environ.get("CNI_COMMAND", ""), sys.stdin.read()
    if verb == "VERSION":
        print(json.dumps({"cniVersion": "1.1.0", "supportedVersions": VERSIONS}))
        return 0
    id = f"{time.monotonic():.6f}-{os.getpid()}"
    told = _told(folder, type, verb)  # before the record shows the call: then the judge may tell otherwise
    _write(folder, _begun(id, type, verb, stdin))
    if told.get("wait"):
        _wait_for_another(folder, id, time.monotonic() + told["wait"])
    answer, status = _answer(type, verb, json.loads(stdin or "{}"), told)
    _write(folder, {"id": id, "ended": time.monotonic(), "answer": answer, "status": status})
    if answer is not None:
        print(json.dumps(answer))
    return status


def _begun(id: str, type: str, verb: str, stdin: str) -> Json:
    own = {key: value for key, value in os.environ.items() if key.startswith("CNI_")}
    return {
        "id": id, "type": type, "verb": verb, "environment": own, "stdin": stdin, "begun": time.monotonic(),
        "own": _namespace("/proc/self/ns/net"), "target": _namespace(own.get("CNI_NETNS", "")),
    }  # fmt: skip


def _namespace(path: str) -> int:
    """Return the number of a namespace, 0 where there is none."""
    try:
        return Path(path).stat().st_ino if path else 0
    except OSError:
        return 0


def _told(folder: Path, type: str, verb: str) -> Json:
    """Return how to answer; what is told for a number of times is used up."""
    path = folder / "behaviour.json"
    told: Json = json.loads(path.read_text()).get(type, {}).get(verb, {})
    calls = [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]
    earlier = [call for call in calls if call.get("type") == type and call.get("verb") == verb]
    return {} if len(earlier) >= told.get("times", len(earlier) + 1) else told


def _wait_for_another(folder: Path, id: str, deadline: float) -> None:
    """Return when another call is under way as well, or was, or at the deadline (monotonic, in seconds)."""
    own = float(id.partition("-")[0])
    while time.monotonic() < deadline:
        lines = [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]
        ended = {line["id"] for line in lines if "ended" in line}
        others = [line for line in lines if "begun" in line and line["id"] != id]
        if any(line["begun"] > own or line["id"] not in ended for line in others):
            return
        time.sleep(LOOK_AGAIN)  # between looks at the record, which other processes write


def _answer(type: str, verb: str, config: Json, told: Json) -> tuple[Json | None, int]:
    version = config.get("cniVersion", "0.1.0")
    if "code" in told:
        return {"cniVersion": version, "code": told["code"], "msg": told["msg"]}, 1
    if verb != "ADD":
        return None, 0
    result = _added(type, version, config.get("prevResult")) | told.get("result", {})
    return {key: value for key, value in result.items() if value is not None}, 0


def _added(type: str, version: str, previous: Json | None) -> Json:
    """Return the result of plugins before, marked by a route to an address of this type's own."""
    mark = {"dst": f"198.51.100.{sha256(type.encode()).digest()[0]}/32"}
    if previous is not None:
        return {**previous, "routes": [*previous.get("routes", []), mark]}
    number = sha256(os.environ.get("CNI_CONTAINERID", "").encode()).digest()
    address = {
        "address": f"10.93.{number[0]}.{number[1] % 250 + 2}/16",
        "gateway": "10.93.0.1",
        "interface": 0,
    }
    if version in ("0.3.0", "0.3.1", "0.4.0"):
        address["version"] = "4"
    interface = {
        "name": os.environ.get("CNI_IFNAME", ""), "mac": "02:00:00:00:00:01",
        "sandbox": os.environ.get("CNI_NETNS", ""),
    }  # fmt: skip
    return {"cniVersion": version, "interfaces": [interface], "ips": [address], "routes": [mark], "dns": {}}


def _write(folder: Path, line: Json) -> None:
    with (folder / "calls.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[0]).name))
