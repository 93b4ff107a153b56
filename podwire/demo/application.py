"""The show of an application: `examples/two-tier` on a lab, used, changed, broken and scaled.

What is done is done by the command line, and its words are printed. Requests are real; each answer says which
replica of either tier gave it, and on which node.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

from podwire.demo.errors import ShowError
from podwire.demo.evenness import evenness
from podwire.demo.plugin_folder import PODWIRE
from podwire.demo.report import Report
from podwire.lab.building import found
from podwire.lab.clients import Answers, Client, ask
from podwire.lab.folder import LabFolder
from podwire.lab.pods import Pod

EXAMPLE = Path(__file__).parents[2] / "examples" / "two-tier"
FRONT_ENDS, BACK_ENDS, MANY = 3, 2, 20
NODE_PORT = 30081  # as in the example
REQUESTS = 300
LEAST_P = 1e-6  # below it something is wrong: chance alone does so once in a million shows
PATIENCE = 60  # seconds for a rollout, on a machine busy with others
ROLLS = "valueFrom: {configMapKeyRef: {name: frontend, key: greeting}}", 'value: "good day"'
TIER = ("-l", "tier=frontend")


class ApplicationShow:
    """The example on the nodes of a lab; `client` is a pod of the first node."""

    def __init__(self, report: Report, folder: LabFolder, client: Pod) -> None:
        self._report, self._folder, self._client = report, folder, client
        self._blueprint = folder.read()
        self._lab = found(folder).lab

    def run(self) -> None:
        """Show everything.

        Raises:
            ShowError: something was not as claimed.
        """
        self._apply()
        self._show_requests()
        self._show_rolling_update()
        self._show_dead_node()
        self._show_scaling()
        self._report.step("What there is: podwire map")
        self._report.shown(self._podwire("map"))
        self._report.step("The end: podwire delete")
        began = time.monotonic()
        self._podwire("delete", "-f", str(EXAMPLE))
        self._podwire("wait", "pods", "-l", f"app={EXAMPLE.name}", "--for=delete", f"--timeout={PATIENCE}s")
        self._report.good(f"All pods were stopped, detached and removed: {time.monotonic() - began:.1f} s.")

    def _apply(self) -> None:
        self._report.step(f"An application of two tiers: podwire apply -f examples/{EXAMPLE.name}")
        began = time.monotonic()
        self._report.shown(self._podwire("apply", "-f", str(EXAMPLE)))
        for tier in ("backend", "frontend"):
            self._roll_out(tier)
        took = time.monotonic() - began
        self._report.shown(self._podwire("get", "pods", "-o", "wide"))
        nodes = {one["spec"]["nodeName"] for one in self._pods()}
        self._report.good(f"{FRONT_ENDS + BACK_ENDS} pods are ready on {len(nodes)} nodes: {took:.1f} s.")

    def _show_requests(self) -> None:
        self._report.step("Requests, by name and from outside")
        heard = ask(self._client, "frontend", 80, REQUESTS)
        self._tell(f"{self._client} asks http://frontend/", heard, FRONT_ENDS)
        address = self._blueprint.address(next(reversed(found(self._folder).nodes)))
        (heard,) = Client(self._lab, address, NODE_PORT, REQUESTS).result()
        self._tell(f"outside asks http://{address}:{NODE_PORT}/", heard, FRONT_ENDS)

    def _show_rolling_update(self) -> None:
        self._report.step("A rolling update under load: podwire apply")
        before = {one["metadata"]["name"] for one in self._pods(*TIER)}
        text = (EXAMPLE / "frontend.yaml").read_text()
        load = Client(self._client, "frontend", 80)
        began = time.monotonic()
        self._podwire("apply", "-f", "-", given=text.replace(*ROLLS))
        self._roll_out("frontend")
        took = time.monotonic() - began
        (heard,) = load.result()
        if heard.failed or before & {one["metadata"]["name"] for one in self._ready(*TIER)}:
            raise ShowError(f"{heard.failed} requests failed in the update: {', '.join(heard.failures[:3])}")
        asked = heard.answers.total()
        self._report.good(
            f"{len(before)} replicas were replaced in {took:.1f} s; {asked} requests, none failed."
        )

    def _show_dead_node(self) -> None:
        node = next(reversed(found(self._folder).nodes))
        self._report.step(f"A node dies: podwire lab break {node}")
        lost = [one["metadata"]["name"] for one in self._pods() if one["spec"]["nodeName"] == node]
        began = time.monotonic()
        self._lab_command("break", node)
        self._await_elsewhere(node)
        took = time.monotonic() - began
        self._report.good(f"It had {len(lost)} pods; {took:.1f} s later all replicas were ready elsewhere.")
        heard = ask(self._client, "frontend", 80, REQUESTS)
        self._tell(f"{self._client} asks http://frontend/", heard, FRONT_ENDS)
        self._lab_command("mend", node)
        self._podwire("wait", f"node/{node}", "--for=condition=Ready", f"--timeout={PATIENCE}s")
        self._report.good(f"podwire lab mend {node}: it is back, and ready.")

    def _show_scaling(self) -> None:
        self._report.step(f"More of it: podwire scale deployment frontend --replicas {MANY}")
        began = time.monotonic()
        self._podwire("scale", "deployment", "frontend", "--replicas", str(MANY))
        self._roll_out("frontend")
        took = time.monotonic() - began
        places = Counter(one["spec"]["nodeName"] for one in self._ready(*TIER))
        spread = ", ".join(f"{count} on {node}" for node, count in sorted(places.items()))
        self._report.good(f"{places.total()} replicas are ready: {spread}; {took:.1f} s.")
        heard = ask(self._client, "frontend", 80, REQUESTS)
        self._tell(f"{self._client} asks http://frontend/", heard, MANY)
        self._report.step("What they take: podwire top pods")
        self._report.shown(self._podwire("top", "pods"))

    def _await_elsewhere(self, node: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            ready = [one for one in self._ready() if one["spec"]["nodeName"] != node]
            if len(ready) == FRONT_ENDS + BACK_ENDS:
                return
            if time.monotonic() > deadline:
                raise ShowError(f"after {PATIENCE} s {len(ready)} pods are ready without {node}")

    def _tell(self, what: str, heard: Answers, replicas: int) -> None:
        """Tell how answers were spread over both tiers. Raises ShowError: not as chance would."""
        if heard.failed:
            raise ShowError(f"{what}: {heard.failed} requests failed: {heard.failures[0]}")
        fronts: Counter[str] = Counter()
        backs: Counter[str] = Counter()
        for who, count in heard.answers.items():
            front, _, back = who.partition("<-")
            fronts[front] += count
            backs[back] += count
        seen = evenness([*fronts.values(), *[0] * (replicas - len(fronts))])
        if seen.p < LEAST_P or len(fronts) > replicas or len(backs) != BACK_ENDS:
            raise ShowError(f"{what}: not spread evenly: {dict(heard.answers)}, {seen}")
        nodes = {one.partition("@")[2] for one in (*fronts, *backs)}
        counts = " + ".join(str(count) for _, count in sorted(fronts.items()))
        behind = " + ".join(str(count) for _, count in sorted(backs.items()))
        self._report.good(
            f"{what}: {counts} by front ends ({seen}), {behind} by back ends, on {len(nodes)} nodes."
        )

    def _roll_out(self, name: str) -> None:
        self._podwire("rollout", "status", f"deployment/{name}", f"--timeout={PATIENCE}s")

    def _pods(self, *words: str) -> list[dict[str, Any]]:
        found_: list[dict[str, Any]] = json.loads(self._podwire("get", "pods", *words, "-o", "json"))["items"]
        return [one for one in found_ if one["metadata"].get("labels", {}).get("app") == EXAMPLE.name]

    def _ready(self, *words: str) -> list[dict[str, Any]]:
        return [
            one
            for one in self._pods(*words)
            if "deletionTimestamp" not in one["metadata"]
            and any(
                condition["type"] == "Ready" and condition["status"] == "True"
                for condition in one.get("status", {}).get("conditions", [])
            )
        ]

    def _podwire(self, *words: str, given: str = "") -> str:
        return _run([*PODWIRE, *words[:1], *words[1:], "--lab", self._folder.name], given)

    def _lab_command(self, *words: str) -> str:
        return _run([*PODWIRE, "lab", *words, "--name", self._folder.name])


def _run(argv: list[str], given: str = "") -> str:
    done = subprocess.run(argv, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ShowError(f"{' '.join(argv[len(PODWIRE) :])}: {(done.stderr or done.stdout).strip()}")
    return done.stdout
