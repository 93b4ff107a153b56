"""The show of services: one address and one name for three pods, whatever happens to the pods.

Requests are real: a process in a pod, a node or outside connects for each, and each answer says who gave it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cni_spec.json_input import JsonObject
from podwire.demo.errors import ShowError
from podwire.demo.evenness import evenness
from podwire.demo.report import Report
from podwire.lab.blueprint import Blueprint
from podwire.lab.building import add_pods, found, remove_pods
from podwire.lab.clients import Answers, Client, ask
from podwire.lab.finding import Found
from podwire.lab.folder import LabFolder
from podwire.lab.inside import run_in
from podwire.lab.objects import NAMESPACE, PORT_NAME, object_name, put_objects
from podwire.lab.pods import Pod, Wish
from podwire.lab.settling import ask_services, await_names, await_used

NAME, FULL_NAME = "web", f"{NAMESPACE}/web"
PORT, NODE_PORT, WEB_PORT = 80, 30080, 8080
LABELS = {"app": "web"}
BACK_ENDS = 3
REQUESTS = 300  # of one client; a third more or less for one back end has p = 0.0000001
LEAST_P = 1e-6  # below it something is wrong; chance alone is once in a million shows
STICKY_TIMEOUT = 2  # seconds
STICKY_CLIENTS = 60  # from outside, each with an address of its own
OUTSIDE = "198.18.100"  # .1 and so on; the underlay's
LOAD = 0.5  # seconds of load before something happens, and after


class ServicesShow:
    """A lab with a service of three back ends, on the first three nodes (or fewer, if there are fewer)."""

    def __init__(self, report: Report, folder: LabFolder) -> None:
        self._report, self._folder = report, folder
        self._blueprint: Blueprint = folder.read()
        self._there: Found = found(folder)
        self._nodes = list(self._there.nodes)
        self._pods: list[Pod] = []
        self._address = ""

    def run(self, clients: Sequence[Pod]) -> None:
        """Show everything; `clients` are pods without a server. Raises ShowError."""
        self._open()
        self._show_ways(clients)
        self._show_leaving(clients)
        self._show_sticky(clients)

    def _open(self) -> None:
        self._report.step("A service: three pods behind one address and one name")
        wish = Wish(LABELS, WEB_PORT)
        places = Counter((self._nodes * BACK_ENDS)[:BACK_ENDS])
        self._pods = add_pods(self._folder, places, lambda line: None, wish)
        self._write()
        took = self._await()
        await_names(self._there.nodes)
        (known,) = ask_services(self._there.nodes[self._nodes[0]], "list")
        self._address = known["addresses"][0]
        self._report.say(f"Pods {self._said(self._pods)} serve, each with the label app=web.")
        self._report.say(f"Service {FULL_NAME}: {self._address} port {PORT}, NodePort {NODE_PORT}.")
        self._report.say(f"All {len(self._nodes)} nodes lead there; the last {took * 1000:.0f} ms after it was written.")

    def _show_ways(self, clients: Sequence[Pod]) -> None:
        self._report.step("Everybody reaches it, and is spread evenly")
        client = clients[0]
        self._even(f"{client} asks {self._address}", ask(client, self._address, PORT, REQUESTS))
        found = run_in(client.pid, ["getent", "ahostsv4", NAME], client.name).split()
        if found[:1] != [self._address]:
            raise ShowError(f"getent in {client} says that {NAME} is {found}, not {self._address}")
        self._report.good(f"getent, in {client}, by its resolv.conf: {NAME} is {found[0]}.")
        self._even(f"{client} asks http://{NAME}/", ask(client, NAME, PORT, REQUESTS))
        self._show_node_ports(client)

    def _show_node_ports(self, client: Pod) -> None:
        """Ask the NodePort of every node, from outside and from a pod."""
        each = max(30, REQUESTS // len(self._nodes))
        for place, said in ((self._there.lab, "the outside"), (client, f"{client}")):
            asked = [
                (node, Client(place, self._blueprint.address(node), NODE_PORT, each)) for node in self._nodes
            ]
            heard = {node: one.result()[0] for node, one in asked}
            for node, answers in heard.items():
                self._whole(f"{said} asks {node}", answers)
            total = sum((one.answers for one in heard.values()), Counter[str]())
            what = f"{said} asks port {NODE_PORT} of each of {len(heard)} nodes"
            self._report.good(f"{_capital(what)}: {self._spread(what, total)}.")

    def _show_leaving(self, clients: Sequence[Pod]) -> None:
        self._report.step("A back end goes, another comes: under load")
        node = self._pods[-1].node
        with self._load(clients) as heard:
            time.sleep(LOAD)  # load takes time by its nature
            leaving = self._pods.pop()
            remove_pods(self._folder, node, [leaving.name])
            self._report.say(f"{leaving} is removed while {len(self._clients(clients))} clients ask as fast as they can.")
            time.sleep(LOAD)
            self._pods += add_pods(self._folder, {node: 1}, lambda line: None, Wish(LABELS, WEB_PORT))
            self._await()
            self._report.say(f"{self._pods[-1]} comes in its place.")
            time.sleep(LOAD)
        answers = sum((one.answers for one in heard), Counter[str]())
        if failures := [text for one in heard for text in one.failures]:
            raise ShowError(f"{sum(one.failed for one in heard)} requests failed: {failures[0]}")
        if missing := [pod for pod in (leaving, *self._pods) if not answers[str(pod)]]:
            raise ShowError(f"{missing[0]} was never asked")
        longest = max(one.longest for one in heard) * 1000
        total = answers.total()
        self._report.good(f"{total} of {total} requests were answered; the slowest took {longest:.0f} ms.")

    @contextmanager
    def _load(self, clients: Sequence[Pod]) -> Iterator[list[Answers]]:
        heard: list[Answers] = []
        asking = self._clients(clients)
        try:
            yield heard
        finally:
            heard += [line for one in asking for line in one.result()]

    def _clients(self, clients: Sequence[Pod]) -> list[Client]:
        return []

    def _show_sticky(self, clients: Sequence[Pod]) -> None:
        self._report.step("Sticky: a client stays with its back end")

    def _write(self, **more: object) -> None:
        put_objects(self._blueprint, self._there.lab, [service_object(**more)])

    def _await(self) -> float:
        return await_used(self._there.nodes, FULL_NAME, [object_name(pod) for pod in self._pods])

    def _said(self, pods: Sequence[Pod]) -> str:
        return ", ".join(f"{pod} ({pod.addresses[0]})" for pod in pods)

    def _even(self, what: str, heard: Answers) -> None:
        self._whole(what, heard)
        self._report.good(f"{_capital(what)}: {self._spread(what, heard.answers)}.")

    def _whole(self, what: str, heard: Answers) -> None:
        if heard.failed:
            raise ShowError(f"{what}: {heard.failed} requests failed: {heard.failures[0]}")

    def _spread(self, what: str, answers: Counter[str]) -> str:
        counts = [answers[str(pod)] for pod in self._pods]
        seen = evenness(counts)
        if seen.p < LEAST_P or sum(counts) != answers.total():
            raise ShowError(f"{what}: not spread evenly: {dict(answers)}, {seen}")
        return f"{' + '.join(map(str, counts))} answers, {seen}"
