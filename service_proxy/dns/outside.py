"""Everything that is not the zone's, opened in a process that answers: forwarder, upstreams, autopath.

`partial(open_outside, OutsideOptions(...))` is what `DnsOptions.open_resolver` wants: a value that an agent
can send to the processes, each of which then has a cache and sockets of its own.
"""

from __future__ import annotations

import logging
import resource
from dataclasses import dataclass
from pathlib import Path

from service_proxy.dns.autopath import Autopath, look_into
from service_proxy.dns.forward_settings import ForwardSettings, Server
from service_proxy.dns.forwarder import Forwarder
from service_proxy.dns.message import is_name
from service_proxy.dns.pod_namespaces import RESULTS, PodNamespaces
from service_proxy.dns.resolv_conf import read
from service_proxy.dns.upstream_file import UpstreamFile, usable
from service_proxy.dns.zone import Zone
from service_proxy.model import Address

log = logging.getLogger("service_proxy.dns")
DEFAULTS = ForwardSettings()


@dataclass(frozen=True)
class OutsideOptions:
    """What may be chosen; `[dns]` of the agent's settings. `own`: where this DNS server answers."""

    forward: ForwardSettings = DEFAULTS
    servers: tuple[Server, ...] = ()  # (): those of `resolv_conf`
    resolv_conf: Path = Path("/etc/resolv.conf")
    own: tuple[Server, ...] = ()
    has_autopath: bool = True
    cni_results: Path = RESULTS


class Told:
    """The conditions of a process: a log line when one begins and when it ends."""

    def __init__(self) -> None:
        self._now: dict[tuple[str, str], str] = {}

    def __call__(self, name: str, message: str, *, about: str = "") -> None:
        """Begin a condition, or end it with an empty message."""
        before = self._now.get((name, about), "")
        if message == before:
            return
        if message:
            self._now[name, about] = message
            log.warning("%s %s: %s", name, about, message)
        else:
            del self._now[name, about]
            log.info("%s %s: over", name, about)


def open_outside(options: OutsideOptions, zone: Zone) -> tuple[Forwarder, Autopath | None]:
    """Begin to ask others, and to know whose address is whose; what runs ends with the process.

    Raises:
        Malformed: a stub domain or a host that is no domain name.
    """
    told = Told()
    _allow_sockets()
    forwarder = Forwarder(options.forward, (), told)
    forwarder.start()
    if options.servers:
        forwarder.set_servers(usable(options.servers, options.own, told, "the configuration"))
    else:
        UpstreamFile(options.resolv_conf, options.own, forwarder.set_servers, told).start()
    return forwarder, _autopath(options, zone, forwarder) if options.has_autopath else None


def _allow_sockets() -> None:
    """Let this process have as many descriptors as it may: each question on its way has a few."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _autopath(options: OutsideOptions, zone: Zone, forwarder: Forwarder) -> Autopath:
    records = PodNamespaces(options.cni_results)
    records.start()

    def namespace_of(client: Address) -> str | None:
        told = zone.namespace_at(client)  # by the cluster's pods, where they are followed
        return told[1:].decode("ascii") if told is not None else records.namespace_of(client)

    return Autopath(
        look_into(zone),
        forwarder,
        namespace_of,
        forwarder.figures,
        domain=zone.options.zone,
        host=_searches(options.resolv_conf),
    )


def _searches(path: Path) -> tuple[str, ...]:
    """Return the node's search list, which those of pods end with; what is no domain is not searched."""
    try:
        return tuple(one for one in read(path).searches if is_name(one))
    except OSError as error:  # then the pods' lists end with the zone
        log.warning("%s cannot be read: %s", path, error.strerror)
        return ()
