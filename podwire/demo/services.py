"""The show of services: one address and one name for three pods, whatever happens to the pods.

Requests are real: a process in a pod, in a node or outside connects for each; each answer says who gave it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cni_spec.json_input import JsonObject
from linuxnet.service_entries import Entry, kind_of
from podwire.demo.errors import ShowError
from podwire.demo.evenness import evenness
from podwire.demo.report import Report
from podwire.lab.building import add_pods, found, remove_pods
from podwire.lab.clients import Answers, Client, ask
from podwire.lab.folder import LabFolder
from podwire.lab.ground import segment
from podwire.lab.inside import run, run_in
from podwire.lab.nodes import PODWIRE
from podwire.lab.objects import NAMESPACE, PORT_NAME, put_objects
from podwire.lab.pods import Pod, Wish
from podwire.lab.settling import await_entries, await_names, await_used

NAME, FULL_NAME = "web", f"{NAMESPACE}/web"
PORT, NODE_PORT = 80, 30080
WISH = Wish({"app": NAME}, port=8080)
BACK_ENDS = 3
REQUESTS = 300  # of one client
LEAST_P = 1e-6  # below it something is wrong: chance alone does so once in a million shows
LOAD = 0.5  # seconds of load before something happens, and after
STICKY_TIMEOUT = 2  # seconds
STICKY_CLIENTS = [f"198.18.100.{number}" for number in range(1, 61)]  # outside
STICKY_REQUESTS = 5  # of each


class ServicesShow:
    """A service of three back ends, on the first three nodes of a lab; `client` is a pod without a server."""

    def __init__(self, report: Report, folder: LabFolder, client: Pod) -> None:
        self._report, self._folder, self._client = report, folder, client
        self._blueprint, there = folder.read(), found(folder)
        self._lab, self._nodes = there.lab, there.nodes
        self._pods: list[Pod] = []
        self._address = ""

    def run(self) -> None:
        """Show everything.

        Raises:
            ShowError: something was not as claimed.
        """
        self._open()
        self._show_ways()
        self._show_leaving()
        self._show_sticky()
        node, pid = next(iter(self._nodes.items()))
        self._report.step(f"Who answers, where, how much: podwire service show {NAME}, on {node}")
        self._report.shown(run_in(pid, [*PODWIRE, "service", "show", FULL_NAME]))

    def _open(self) -> None:
        self._report.step("A service: three pods behind one address and one name")
        places = Counter((list(self._nodes) * BACK_ENDS)[:BACK_ENDS])
        self._pods = add_pods(self._folder, places, _quietly, WISH)
        self._write(service_object())
        began = time.monotonic()
        self._address = await_used(self._nodes, FULL_NAME, self._pods)
        took = time.monotonic() - began
        await_names(self._nodes)
        pods = ", ".join(f"{pod} {pod.addresses[0]}" for pod in self._pods)
        self._report.say(f"Pods that serve, with the label app={NAME}: {pods}.")
        self._report.say(f"Service {FULL_NAME}: {self._address} port {PORT}, NodePort {NODE_PORT}.")
        when = f"{took * 1000:.0f} ms after it was written"
        self._report.good(f"{when} it had its address, and {len(self._nodes)} nodes had it in the kernel.")

    def _show_ways(self) -> None:
        self._report.step("Everybody reaches it, and is spread evenly over the three")
        client = self._client
        self._tell(f"{client} asks {self._address}", _sum([ask(client, self._address, PORT, REQUESTS)]))
        known = run_in(client.pid, ["getent", "ahostsv4", NAME], client.name).split()
        if known[:1] != [self._address]:
            raise ShowError(f"getent in {client} says that {NAME} is {known}, not {self._address}")
        self._report.good(f"getent(1) in {client} finds {NAME} by the pod's resolv.conf: {known[0]}.")
        self._tell(f"{client} asks http://{NAME}/", _sum([ask(client, NAME, PORT, REQUESTS)]))
        for place, who in ((client, f"{client}"), (self._lab, "Outside, somebody")):
            self._tell(f"{who} asks port {NODE_PORT} of every node", self._ask_nodes(place))

    def _ask_nodes(self, place: Pod | int) -> Counter[str]:
        """Ask the NodePort of all nodes, side by side."""
        each = max(30, REQUESTS // len(self._nodes))
        addresses = map(self._blueprint.address, self._nodes)
        clients = [Client(place, address, NODE_PORT, each) for address in addresses]
        return _sum(one for client in clients for one in client.result())

    def _show_leaving(self) -> None:
        self._report.step("A back end goes and another comes, under load; not one request fails")
        with self._load() as heard:
            leaving = self._pods.pop()
            remove_pods(self._folder, leaving.node, [leaving.name])
            self._report.say(f"{leaving} was removed while four clients ask as fast as they can.")
            time.sleep(LOAD)
            coming = add_pods(self._folder, {next(iter(self._nodes)): 1}, _quietly, WISH)
            self._pods += coming
            await_used(self._nodes, FULL_NAME, self._pods)
            self._report.say(f"{coming[0]} came for it.")
        answers = _sum(heard)
        if missing := [pod for pod in (leaving, *self._pods) if not answers[str(pod)]]:
            raise ShowError(f"{missing[0]} was not asked under load")
        total, longest = answers.total(), max(one.longest for one in heard) * 1000
        self._report.good(f"{total} of {total} requests were answered; the slowest took {longest:.0f} ms.")

    @contextmanager
    def _load(self) -> Iterator[list[Answers]]:
        """Have clients ask for the time of a block, and a while before and after it."""
        *_, last = self._nodes
        clients = [
            Client(self._client, NAME, PORT),
            Client(self._client, self._address, PORT),
            Client(self._nodes[last], self._address, PORT),
            Client(self._lab, self._blueprint.address(last), NODE_PORT),
        ]
        heard: list[Answers] = []
        try:
            time.sleep(LOAD)
            yield heard
            time.sleep(LOAD)
        finally:
            heard += [line for client in clients for line in client.result()]

    def _show_sticky(self) -> None:
        self._report.step(f"Sticky sessions: sessionAffinity ClientIP, {STICKY_TIMEOUT} s")
        self._write(service_object(STICKY_TIMEOUT))
        await_entries(self._nodes, self._is_sticky, f"{FULL_NAME} is sticky")
        answers = _sum([ask(self._client, self._address, PORT, 100)])
        if len(answers) != 1:
            raise ShowError(f"{self._client} was answered by several: {dict(answers)}")
        self._report.good(f"{self._client} asks 100 times: always {next(iter(answers))}.")
        add = [f"addr add {address}/32 dev {segment(0)}" for address in STICKY_CLIENTS]
        run(self._lab, ["ip", "-batch", "-"], "\n".join(add))
        before = self._ask_from_many(STICKY_REQUESTS)
        self._tell(
            f"{len(before)} clients outside, {STICKY_REQUESTS} times each, always the same",
            Counter(before.values()),
        )
        time.sleep(STICKY_TIMEOUT + 0.1)  # what is shown is that it is forgotten by then
        after = self._ask_from_many(1)
        moved = sum(before[one] != after[one] for one in before)
        if not moved:
            raise ShowError(f"after {STICKY_TIMEOUT} s of silence nobody has another back end")
        self._report.good(f"After {STICKY_TIMEOUT} s of silence {moved} of them get another.")

    def _is_sticky(self, entries: set[Entry]) -> bool:
        kinds = {kind_of(entry.name)[0] for entry in entries}
        return {"sticky", "nodeport_sticky", "remembering"} <= kinds

    def _ask_from_many(self, times: int) -> dict[str, str]:
        """Have each client outside ask a node so often; return who answered whom."""
        address = self._blueprint.address(next(iter(self._nodes)))
        heard = Client(self._lab, address, NODE_PORT, times, STICKY_CLIENTS).result()
        _sum(heard)
        if wandering := [one for one in heard if len(one.answers) != 1]:
            raise ShowError(f"{wandering[0].source} was answered by several: {dict(wandering[0].answers)}")
        return {one.source: one.order[0] for one in heard}

    def _write(self, body: JsonObject) -> None:
        put_objects(self._blueprint, self._lab, [body])

    def _tell(self, what: str, answers: Counter[str]) -> None:
        """Tell how answers were spread. Raises ShowError: not as chance would."""
        counts = [answers[str(pod)] for pod in self._pods]
        seen = evenness(counts)
        if seen.p < LEAST_P or sum(counts) != answers.total():
            raise ShowError(f"{what}: not spread evenly: {dict(answers)}, {seen}")
        self._report.good(f"{what}: {' + '.join(map(str, counts))}, {seen}.")


def service_object(sticky: int = 0) -> JsonObject:
    """Return the service; `sticky` in seconds, 0: it is not."""
    affinity = {"clientIP": {"timeoutSeconds": sticky}}
    more = {"sessionAffinity": "ClientIP", "sessionAffinityConfig": affinity} if sticky else {}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "type": "NodePort",
            "selector": dict(WISH.labels),
            "ports": [{"name": PORT_NAME, "port": PORT, "targetPort": PORT_NAME, "nodePort": NODE_PORT}],
            **more,
        },
    }


def _sum(heard: Iterator[Answers] | Sequence[Answers]) -> Counter[str]:
    """Return who answered how often. Raises ShowError: somebody was not answered."""
    total: Counter[str] = Counter()
    for one in heard:
        if one.failed:
            raise ShowError(f"{one.failed} requests failed: {one.failures[0]}")
        total += one.answers
    return total


def _quietly(line: str) -> None:
    pass
