"""Services in the agent, or by themselves: the proxy's loop, the DNS server beside it, and questions to them.

Asked as "@services", with JSON: {"ask": "status" | "list" | "show" | "map" | "resync", "of": NAMESPACE/NAME}.
They work without being asked, so their agent does not leave when idle.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from random import Random
from threading import Event, Thread

from cluster_store.pauses import Pauses
from cluster_store.store import StoreRefused, StoreUnavailable
from cni_spec.errors import INVALID_CONFIG, NOT_AVAILABLE, CniError
from cni_spec.json_input import decode_object
from cni_spec.versions import LATEST_VERSION
from linuxnet.errors import KernelError, MissingTool
from linuxnet.packed import text_of
from podwire.agent.protocol import Reply
from podwire.commands.failing import FORESEEN, as_error
from service_proxy.dns.node_dns import NodeDns
from service_proxy.dns.opening import addresses_of, open_dns, options_of
from service_proxy.model import Address, ServiceName
from service_proxy.node import ServiceNode
from service_proxy.opening import Names, opener
from service_proxy.reporting import leads, services, show, status
from service_proxy.settings import DnsSettings, ProxySettings

LONGEST_PAUSE = 5.0  # seconds before something that could not run is begun again
DNS_TAKEN = "DnsNotServed"
MOST_MAPPED = 200  # services with their back ends in one answer: nobody looks at a picture of more

log = logging.getLogger("podwire.services")


class Services:
    """Proxy and DNS of this node, either or both, from the start of a process to its end.

    Raises:
        CniError: code 7, if the settings name a source or an address that cannot be one.
    """

    def __init__(self, proxy: ProxySettings, dns: DnsSettings) -> None:
        self._proxy, self._dns_settings = proxy, dns
        self.zone = dns.zone
        self._stopped = Event()
        self._dns_at: tuple[Address, ...] = ()
        try:
            if dns.enabled:
                self._dns_at = addresses_of(dns, proxy)
                options_of(dns, self._dns_at)
            self.node = self._make()
        except (StoreRefused, ValueError) as error:
            raise CniError(INVALID_CONFIG, str(error)) from error
        self.dns: NodeDns | None = None
        self._thread = Thread(target=self._run, name="services", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wait_ready(self, timeout: float) -> bool:
        """Wait up to so many seconds until all services are in the kernel; return whether they are."""
        node = self.node
        with node.changed:
            return node.changed.wait_for(lambda: node.is_synced, timeout)

    def missing(self) -> str:
        """Return what is not there yet of what is to be served, "" for nothing: for probes."""
        node = self.node
        with node.lock:
            waits = [] if node.catalogue.is_complete else ["services are not all known"]
            waits += ["services are not in the kernel"] if self._proxy.enabled and not node.is_synced else []
        waits += ["DNS is not served"] if self._dns_settings.enabled and self.dns is None else []
        return "; ".join(waits)

    def stop(self) -> None:
        """End it; what is in the kernel stays, and traffic goes on."""
        self._stopped.set()
        self.node.stop()
        self._thread.join(LONGEST_PAUSE * 2)

    def answer(self, question: bytes) -> Reply:
        """Answer one question with JSON, or with a CNI error object."""
        try:
            body = decode_object(question, "question to the services")
            found = self._answer(str(body.get("ask")), str(body.get("of", "")))
            return Reply(0, json.dumps(found).encode())
        except FORESEEN as error:
            return Reply(1, as_error(error).to_json(LATEST_VERSION).encode())

    def _answer(self, ask: str, of: str) -> object:
        asked: dict[str, Callable[[], object]] = {
            "status": lambda: status(self.node) | {"running": self._thread.is_alive(), "dns": self._dns()},
            "list": lambda: services(self.node),
            "map": lambda: leads(self.node, MOST_MAPPED),
            "show": lambda: self._show(of),
            "resync": self._resync,
        }
        if ask not in asked:
            raise CniError(INVALID_CONFIG, f"the services are not asked for {ask[:40]!r}")
        return asked[ask]()

    def _show(self, of: str) -> object:
        namespace, slash, name = of.rpartition("/")
        found = show(self.node, ServiceName(namespace if slash else "default", name))
        if found is None:
            raise CniError(NOT_AVAILABLE, f"there is no service {of!r}; `podwire service list` has all")
        return found

    def _resync(self) -> object:
        self.node.resync()
        return {}

    def _dns(self) -> object:
        if self.dns is None:
            return None
        addresses = [text_of(one) for one in self._dns_at]
        return {"addresses": addresses, "port": self._dns_settings.port, "zone": self.zone}

    def _make(self) -> ServiceNode:
        """Return a loop; without the proxy, one that DNS alone listens to."""
        dns = self._dns_settings
        chosen = self._proxy if self._proxy.enabled else dns
        names = Names(dns.enabled, dns.pods == "verified", dns.autopath) if dns.enabled else Names()
        settings = self._proxy.model_copy(update={"node": chosen.node})
        return ServiceNode(
            settings, opener(chosen, self._proxy, names), programs=self._proxy.enabled, dns=self._dns_at
        )

    def _run(self) -> None:
        """Have a loop until told to stop; one that ends otherwise, whatever of, is followed by another."""
        pauses = Pauses(Random(), longest=LONGEST_PAUSE)
        while True:
            loop = Thread(target=self._serve, args=(self.node,), name="services-loop", daemon=True)
            loop.start()
            loop.join()
            if self.node.is_synced:
                pauses.reset()
            while not self._stopped.wait(pauses.next()):
                try:
                    self.node = self._make()
                except (StoreRefused, ValueError) as error:  # a file that was there has gone
                    log.error("services could not be served: %s", error)
                else:
                    break
            if self._stopped.is_set():
                return

    def _serve(self, node: ServiceNode) -> None:
        over = Event()
        naming = Thread(target=self._serve_names, args=(node, over), name="dns", daemon=True)
        try:
            if self._dns_settings.enabled:
                naming.start()
            node.run()
        except (OSError, KernelError, MissingTool, StoreRefused, StoreUnavailable) as error:
            log.error("services could not be served and are begun again: %s", error)
        finally:
            over.set()
            if naming.ident is not None:
                naming.join()
            if self.dns is not None:
                self.dns.close()
                self.dns = None

    def _serve_names(self, node: ServiceNode, over: Event) -> None:
        """Open the DNS server, again and again where somebody else has its port."""
        while self.dns is None and not over.is_set():
            try:
                self.dns = open_dns(self._dns_settings, node.catalogue, self._dns_at)
            except (OSError, KernelError) as error:
                said = error.strerror if isinstance(error, OSError) else str(error)
                node.conditions.tell(DNS_TAKEN, f"port {self._dns_settings.port}: {said}")
                over.wait(LONGEST_PAUSE)
            else:
                node.conditions.tell(DNS_TAKEN, "")
                self.dns.start()
