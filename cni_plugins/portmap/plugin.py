"""The verbs of portmap."""

from __future__ import annotations

from netaddr import IPAddress

from cni_plugins.interface import addresses_of
from cni_plugins.plugin import Call, Plugin, ValidAttachments, check_all, require_nft
from cni_plugins.portmap.config import PortmapConfig
from cni_plugins.portmap.plan import plan, wanted_ports
from cni_plugins.steps import Steps
from cni_spec.errors import HOST_PORT_TAKEN, NOT_AVAILABLE, CniError
from cni_spec.result import Result
from linuxnet.addresses import network_of
from linuxnet.errors import Conflict
from linuxnet.hostports import UNTRACKED, reach_interface
from linuxnet.hostports_iptables import collect_chains
from linuxnet.hostports_removal import RemoveHostPorts
from linuxnet.iptables import is_available
from linuxnet.kernel import Kernel
from linuxnet.nft_conditions import remove_rules
from linuxnet.nft_elements import CollectElements
from linuxnet.op import Op
from linuxnet.owner import is_of_network


class Portmap(Plugin[PortmapConfig]):
    """Lead ports of the host to a container."""

    name = "portmap"
    config = PortmapConfig

    def add(self, call: Call[PortmapConfig]) -> Result:
        """Open the ports that runtimeConfig names; the result before is passed on."""
        previous = call.require_prev_result()
        if call.config.runtime_config.port_mappings:
            try:
                call.undo.apply(call.kernel, *ops_of(call))
            except Conflict as error:
                raise CniError(HOST_PORT_TAKEN, str(error)) from error
        return previous

    def delete(self, call: Call[PortmapConfig]) -> None:
        """Close every port of the attachment, in whichever backend, whatever the configuration says now."""
        call.kernel.apply(RemoveHostPorts(call.attachment))

    def check(self, call: Call[PortmapConfig]) -> None:
        """Look for every element, rule and sysctl."""
        if call.config.runtime_config.port_mappings:
            check_all(call, ops_of(call))

    def status(self, call: Call[PortmapConfig]) -> None:
        """See that the backend can be used."""
        require_nft(call.kernel)
        if call.config.chosen_backend == "iptables" and not is_available(4):
            raise CniError(NOT_AVAILABLE, "iptables is not on this machine; install it or use nftables")

    def gc(self, call: Call[PortmapConfig], valid: ValidAttachments) -> None:
        """Close the ports of attachments that are not listed."""
        network, steps = call.config.name, Steps()
        with steps.step("remove stale elements"):
            call.kernel.apply(CollectElements(network, valid.marks))
        with steps.step("remove stale rules"):
            remove_rules(call.kernel, lambda m: is_of_network(m, network) and m not in valid.marks)
        with steps.step("remove stale iptables chains"):
            collect_chains(call.kernel, network, valid.attachments)
        steps.finish()

    def explain(self, call: Call[PortmapConfig]) -> tuple[Op, ...]:
        """Return the plan."""
        return ops_of(call) if call.config.runtime_config.port_mappings else ()


def ops_of(call: Call[PortmapConfig]) -> tuple[Op, ...]:
    """Return the plan for the addresses of the result before."""
    ips = addresses_of(call.require_prev_result(), call.request.ifname)
    wanted = wanted_ports(call.config, call.attachment, tuple(ip.address for ip in ips))
    four = next((pod for pod in wanted.pods if pod.version == 4), None)
    reached_by = reach_interface(call.kernel, four) if four else None
    has_stale = any(port.protocol in UNTRACKED for port in wanted.ports)
    return plan(call.config, wanted, reached_by, _local_addresses(call.kernel) if has_stale else ())


def _local_addresses(kernel: Kernel) -> tuple[IPAddress, ...]:
    """Return the host's own addresses: where stale flows may have been sent to."""
    return tuple(network_of(address).ip for address in kernel.host.addresses())


PLUGIN = Portmap()
