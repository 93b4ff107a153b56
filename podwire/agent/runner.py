"""Pods in the agent: the node's loop, the cluster's controllers beside it, and questions to them.

Asked as "@runner", with JSON: {"ask": "status" | "pods" | "stats" | "look"}. They work without being asked,
so their agent does not leave when idle. When it ends or is killed the pods go on: supervisors are no children
of its, and the next agent finds them by their folders.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from random import Random
from threading import Event, Thread

from cluster_store.opening import StoreOptions, open_store
from cluster_store.pauses import Pauses
from cluster_store.store import Store, StoreRefused
from cni_spec.errors import INVALID_CONFIG, CniError
from cni_spec.json_input import decode_object
from cni_spec.versions import LATEST_VERSION
from pod_runner.cni.lists import list_files
from pod_runner.controllers.controllers import Controllers
from pod_runner.controllers.settings import ControllerSettings
from pod_runner.kernel.cgroups import Cgroups
from pod_runner.node.admission import Room
from pod_runner.node.known import Services
from pod_runner.node.node import PodNode
from pod_runner.node.node_object import NodeFacts, look_at_room, machine_facts
from pod_runner.node.reporting import pods, stats, status
from pod_runner.node.settings import RunnerSettings
from podwire.agent.addresses import own_address
from podwire.agent.protocol import Reply
from podwire.commands.failing import FORESEEN, as_error

LONGEST_PAUSE = 5.0  # seconds before something that could not run is begun again
STOPPED_WITHIN = 15.0  # seconds; workers end what they have begun

log = logging.getLogger("podwire.runner")


class Runner:
    """The pods of this node, and the controllers if they may work here."""

    def __init__(
        self,
        settings: RunnerSettings,
        *,
        proxy_source: str = "",
        cluster_dns: tuple[str, ...] = (),
        pod_cidrs: Callable[[], tuple[str, ...]] = tuple,
        services: Services = lambda namespace: {},
    ) -> None:
        """`proxy_source`: what [proxy] names, if it is enabled; `pod_cidrs`: the overlay's lease, if any.

        Raises:
            CniError: code 7, if the store's URL is none.
        """
        self.settings = settings
        self.url = settings.store_url(proxy_source)
        self._cluster_dns, self._pod_cidrs, self._services = cluster_dns, pod_cidrs, services
        self._stopped = Event()
        self._cgroups = Cgroups.detect()
        self._kernel, self._machine = machine_facts()
        self._boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        self._room = look_at_room(Path("/proc/meminfo").read_text(), settings.max_pods)
        try:
            self._open().close()
            self.controllers = self._controllers() if settings.controllers else None
        except StoreRefused as error:
            raise CniError(INVALID_CONFIG, f"[runner] store: {error}") from error
        self.node = self._make()
        self._thread = Thread(target=self._run, name="runner", daemon=True)

    def start(self) -> None:
        """Begin."""
        if self.controllers is not None:
            self.controllers.start()
        self._thread.start()

    def wait_ready(self, timeout: float) -> bool:
        """Wait up to so many seconds until this node may be given pods; return whether it may."""
        return self.node.parts.heartbeat.is_heard.wait(timeout)

    def stop(self) -> None:
        """End it; pods go on."""
        self._stopped.set()
        if self.controllers is not None:
            self.controllers.stop()
        self.node.stop()
        self._thread.join(STOPPED_WITHIN)

    def answer(self, question: bytes) -> Reply:
        """Answer one question with JSON, or with a CNI error object."""
        try:
            body = decode_object(question, "question to the runner")
            return Reply(0, json.dumps(self._answer(str(body.get("ask")))).encode())
        except FORESEEN as error:
            return Reply(1, as_error(error).to_json(LATEST_VERSION).encode())

    def facts(self) -> NodeFacts:
        """Return what this node says of itself now."""
        return NodeFacts(
            name=self.settings.node_name,
            room=self._room,
            address=self.settings.address or own_address(),
            labels=self.settings.labels,
            taints=self.settings.taints,
            pod_cidrs=self._pod_cidrs(),
            trouble=self._trouble(),
            kernel=self._kernel,
            machine=self._machine,
            boot_id=self._boot_id,
            version=version("podwire"),
        )

    @property
    def room(self) -> Room:
        """Return what this node has for pods."""
        return self._room

    def _answer(self, ask: str) -> object:
        asked: dict[str, Callable[[], object]] = {
            "status": self._status,
            "pods": lambda: pods(self.node),
            "stats": lambda: stats(self.node, self._cgroups),
            "look": self._look,
        }
        if ask not in asked:
            raise CniError(INVALID_CONFIG, f"the runner is not asked for {ask[:40]!r}")
        return asked[ask]()

    def _status(self) -> object:
        controllers = self.controllers.status() if self.controllers is not None else None
        about = {"running": self._thread.is_alive(), "store": self.node_store, "controllers": controllers}
        return status(self.node) | about

    @property
    def node_store(self) -> str:
        """Return the store's name, without secrets."""
        store = self._open()
        try:
            return store.name
        finally:
            store.close()

    def _look(self) -> object:
        self.node.look()
        return {}

    def _open(self) -> Store:
        """Open the store once more: each belongs to one thread."""
        return open_store(self.url, self._options())

    def _options(self) -> StoreOptions:
        given = self.settings
        paths = (given.ca_file, given.cert_file, given.key_file, given.password_file)
        ca, certificate, key, password = (Path(one) if one else None for one in paths)
        return StoreOptions(ca=ca, certificate=certificate, key=key, user=given.user, password_file=password)

    def _controllers(self) -> Controllers:
        given = self.settings
        settings = ControllerSettings(given.node_name, heartbeat=given.heartbeat, eviction=given.eviction)
        return Controllers(self.url, settings, self._options())

    def _make(self) -> PodNode:
        places = self.settings.places(own_address(), self._cluster_dns)
        return PodNode(self.settings, places, self._open, self.facts, self._services)

    def _trouble(self) -> str:
        """Say why no pod can have an address here; a network may be configured later."""
        folder = Path(self.settings.conf_dir)
        if not list_files(folder, ".conflist", ".conf", ".json"):
            return f"no CNI network is configured in {folder}"
        return ""

    def _run(self) -> None:
        """Have a loop until told to stop; one that ends otherwise, whatever of, is followed by another."""
        pauses = Pauses(Random(), longest=LONGEST_PAUSE)
        while not self._stopped.is_set():
            loop = Thread(target=self._serve, args=(self.node,), name="runner-loop", daemon=True)
            loop.start()
            loop.join()
            if not self._stopped.wait(pauses.next()):
                self.node = self._make()

    def _serve(self, node: PodNode) -> None:
        try:
            node.run()
        except OSError as error:
            log.error("pods cannot be seen to, and are tried again: %s", error)
