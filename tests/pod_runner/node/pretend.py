"""A supervisor that runs nothing: `python -I -S pretend.py FOLDER`. The pod's labels say how it behaves.

dies      it ends by itself, at once
silent    it never listens
rude      it says what nobody understands, again and again
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import sys
import time
from pathlib import Path


def status(is_running: bool) -> dict[str, object]:
    running: dict[str, object] = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    state = running if is_running else {"terminated": {}}
    return {
        "phase": "Running",
        "podIP": "10.0.0.9",
        "conditions": [{"type": "Ready", "status": str(is_running)}],
        "containerStatuses": [{"name": "main", "ready": is_running, "restartCount": 0, "state": state}],
    }


def serve(folder: Path, labels: dict[str, str]) -> None:
    listener = socket.socket(socket.AF_UNIX)
    path = f"/proc/self/fd/{os.open(folder, os.O_PATH)}/control.sock"
    (folder / "control.sock").unlink(missing_ok=True)
    listener.bind(path)
    listener.listen()
    watchers = []
    while True:
        caller, _ = listener.accept()
        asked = json.loads(caller.makefile().readline() or "{}")
        with (folder / "asked").open("a") as file:
            file.write(json.dumps(asked) + "\n")
        if asked.get("ask") == "watch":
            if "rude" in labels:
                caller.sendall(b"}{ nonsense\n")
                caller.close()
            else:
                caller.sendall(json.dumps(status(True)).encode() + b"\n")
                watchers.append(caller)
        elif asked.get("ask") == "stop":
            (folder / "state.json").write_text('{"is_ended": true, "containers": {}}')
            (folder / "status.json").write_text(json.dumps(status(False)))
            for one in watchers:
                with contextlib.suppress(OSError):  # of an agent that was started anew since
                    one.sendall(json.dumps(status(False)).encode() + b"\n")
            return


def main(folder: Path) -> None:
    Path("/proc/self/comm").write_text("podwire-pod")  # as a supervisor's prctl(2)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:  # another supervisor has the pod, or it is being removed
        return
    labels = json.loads((folder / "order.json").read_text())["pod"]["metadata"].get("labels", {})
    if "dies" in labels:
        return
    if "silent" in labels:
        time.sleep(60)  # nobody waits for it: the test ends it
    (folder / "status.json").write_text(json.dumps(status(True)))
    serve(folder, labels)


main(Path(sys.argv[1]))
