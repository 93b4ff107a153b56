"""An IPAM plugin that keeps the rules, records every call, and fails where it is told to.

It works on the folder that it lies in: `calls.jsonl` (one line per call), `behaviour.json` (verb -> error to
answer, see conformance/delegate.py), `held/` (a file per container id and interface, the addresses in it),
`next` (the last number given).
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

VERSIONS = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]


def main(folder: Path) -> int:
    """Answer one call."""
    verb, stdin = os.environ.get("CNI_COMMAND", ""), sys.stdin.read()
    if verb == "VERSION":
        print(
            json.dumps(
                {
                    "cniVersion": json.loads(stdin or "{}").get("cniVersion", "1.1.0"),
                    "supportedVersions": VERSIONS,
                }
            )
        )
        return 0
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _answer(folder, verb, stdin)


def _answer(folder: Path, verb: str, stdin: str) -> int:
    _record(folder, verb, stdin)
    behaviour = json.loads((folder / "behaviour.json").read_text())
    config = json.loads(stdin)
    told = behaviour.get(verb, {})
    sys.stderr.write(told.get("stderr", ""))
    if "code" in told:
        error = {"cniVersion": config.get("cniVersion", ""), "code": told["code"], "msg": told["msg"]}
        print(json.dumps(error))
        return 1
    held = folder / "held" / _name_of()
    if verb == "ADD":
        print(json.dumps(_give(folder, held, config, behaviour.get("result", {}))))
    elif verb == "DEL":
        held.unlink(missing_ok=True)
    elif verb == "CHECK" and not held.exists() and not told.get("blind"):
        return _refuse(config, "nothing is reserved for this attachment")
    elif verb == "GC":
        _collect(folder, config)
    return 0


def _name_of() -> str:
    owner = f"{os.environ.get('CNI_CONTAINERID', '')} {os.environ.get('CNI_IFNAME', '')}"
    return sha256(owner.encode()).hexdigest()[:32]


def _record(folder: Path, verb: str, stdin: str) -> None:
    own = {key: value for key, value in os.environ.items() if key.startswith("CNI_")}
    line = {"verb": verb, "environment": own, "stdin": stdin, "at": time.monotonic()}
    with (folder / "calls.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


def _give(folder: Path, held: Path, config: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    number = int((folder / "next").read_text() or 1) + 1
    (folder / "next").write_text(str(number))
    held.write_text(str(number))
    version = config.get("cniVersion", "0.1.0")
    four = {"address": f"10.91.{number // 200}.{number % 200 + 2}/16", "gateway": "10.91.0.1"}
    six = {"address": f"fd91::{number + 2:x}/64", "gateway": "fd91::1"}
    routes = [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
    if version in ("0.1.0", "0.2.0"):
        return {
            "cniVersion": version,
            "ip4": {"ip": four["address"], "gateway": four["gateway"], "routes": routes[:1]},
            "ip6": {"ip": six["address"], "gateway": six["gateway"], "routes": routes[1:]},
            "dns": {},
        }
    if version in ("0.3.0", "0.3.1", "0.4.0"):
        four, six = {"version": "4"} | four, {"version": "6"} | six
    return {"cniVersion": version, "ips": [four, six], "routes": routes} | extra


def _collect(folder: Path, config: dict[str, Any]) -> None:
    valid = config.get("cni.dev/valid-attachments", config.get("cni.dev/attachments"))
    if valid is None:
        return
    names = {sha256(f"{one['containerID']} {one['ifname']}".encode()).hexdigest()[:32] for one in valid}
    for held in (folder / "held").iterdir():
        if held.name not in names:
            held.unlink()


def _refuse(config: dict[str, Any], sentence: str) -> int:
    print(json.dumps({"cniVersion": config.get("cniVersion", ""), "code": 100, "msg": sentence}))
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parent))
