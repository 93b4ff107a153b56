"""`python -m podwire.demo.attach_times CNI_PATH ROUNDS`: how long the plugins of a folder take, as JSON.

Run where the host of the pods is; prints {"ADD": [ms, …], "DEL": [ms, …]}: for each pod the time of its
whole chain, every plugin from exec to exit, as a runtime would wait for it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from podwire.demo import conflists
from podwire.demo.conflists import Json, PortMapping

BRIDGE, SUBNET, FIRST_PORT = "timed0", "10.98.0.0/24", 20_000


def chain(port: int) -> Json:
    """Return a network like the show's, for one pod with one host port."""
    ports = conflists.portmap_plugin([PortMapping(port, 80)])
    return conflists.network("timed", conflists.bridge_plugin(BRIDGE, SUBNET), ports)


def attach(folder: Path, pod: str, port: int) -> dict[str, float]:
    """Attach and detach one pod; return milliseconds by verb."""
    network = chain(port)
    plugins = network["plugins"]
    assert isinstance(plugins, list)
    bodies = [{"cniVersion": network["cniVersion"], "name": network["name"], **one} for one in plugins]
    times = {"ADD": 0.0, "DEL": 0.0}
    result: Json = {}
    for verb, order in (("ADD", bodies), ("DEL", bodies[::-1])):
        for body in order:
            took, said = _run(folder, verb, pod, body | ({"prevResult": result} if result else {}))
            times[verb] += took
            result = json.loads(said) if verb == "ADD" else result
    return times


def _run(folder: Path, verb: str, pod: str, body: Json) -> tuple[float, bytes]:
    variables = {
        "CNI_COMMAND": verb, "CNI_CONTAINERID": pod, "CNI_NETNS": f"/run/netns/{pod}", "CNI_IFNAME": "eth0",
        "CNI_PATH": str(folder), "PATH": os.environ["PATH"],
    }  # fmt: skip
    started = time.perf_counter()
    done = subprocess.run(
        [folder / str(body["type"])], input=json.dumps(body).encode(), env=variables, capture_output=True,
        check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(done.stdout.decode())
    return (time.perf_counter() - started) * 1000, done.stdout


def main(arguments: Sequence[str]) -> None:
    """Measure, after one pod that is not counted."""
    folder, rounds = Path(arguments[0]), int(arguments[1])
    times: dict[str, list[float]] = {"ADD": [], "DEL": []}
    for number in range(rounds + 1):
        pod = f"timed-{number}"
        subprocess.run(["ip", "netns", "add", pod], check=True)
        took = attach(folder, pod, FIRST_PORT + number)
        subprocess.run(["ip", "netns", "del", pod], check=True)
        if number:
            for verb, found in times.items():
                found.append(took[verb])
    print(json.dumps(times))


if __name__ == "__main__":
    main(sys.argv[1:])
