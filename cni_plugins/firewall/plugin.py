"""The verbs of firewall."""

from __future__ import annotations

from netaddr import IPNetwork

from cni_plugins.firewall.config import FirewallConfig
from cni_plugins.firewall.plan import plan
from cni_plugins.plugin import Call, Plugin, ValidAttachments, check_all, require_nft
from cni_plugins.steps import Steps
from cni_spec.addresses import host_network
from cni_spec.errors import NOT_AVAILABLE, CniError
from cni_spec.result import Result
from linuxnet.firewalld import RemoveZoneSource, is_running
from linuxnet.forwarding import RemoveAdmission, drops_by_default, remove_rules
from linuxnet.iptables import is_available
from linuxnet.kernel import Kernel
from linuxnet.nft_elements import CollectElements
from linuxnet.op import Op
from linuxnet.owner import is_of_network


class Firewall(Plugin[FirewallConfig]):
    """Let a container's packets be forwarded."""

    name = "firewall"
    versions = ("0.4.0", "1.0.0", "1.1.0")
    config = FirewallConfig

    def add(self, call: Call[FirewallConfig]) -> Result:
        """Admit every address of the result before, which is passed on."""
        previous = call.require_prev_result()
        call.undo.apply(call.kernel, *ops_of(call, pods_of(previous)))
        return previous

    def delete(self, call: Call[FirewallConfig]) -> None:
        """Take back what admitted the attachment, in whichever backend."""
        steps = Steps()
        pods = pods_of(call.prev_result)
        with steps.step("remove rules"):
            call.kernel.apply(RemoveAdmission(call.attachment, pods))
        if pods and is_running():
            with steps.step("remove sources from firewalld"):
                for pod in pods:
                    call.kernel.apply(RemoveZoneSource(call.config.firewalld_zone, str(host_network(pod.ip))))
        steps.finish()

    def check(self, call: Call[FirewallConfig]) -> None:
        """Look for every rule of the interface; make none."""
        check_all(call, ops_of(call, _own_pods(call)))

    def status(self, call: Call[FirewallConfig]) -> None:
        """See that the backend can be used."""
        backend = call.config.backend
        require_nft(call.kernel)
        if backend == "iptables" and not is_available(4):
            raise CniError(NOT_AVAILABLE, "iptables is not on this machine; install it or use nftables")
        if backend == "firewalld" and not is_running():
            raise CniError(NOT_AVAILABLE, "firewalld is not running; start it or use nftables")

    def gc(self, call: Call[FirewallConfig], valid: ValidAttachments) -> None:
        """Take back what admitted attachments that are not listed."""
        network, steps = call.config.name, Steps()
        with steps.step("remove stale elements"):
            call.kernel.apply(CollectElements(network, valid.marks))
        with steps.step("remove stale rules"):
            remove_rules(
                call.kernel, lambda mark, _: is_of_network(mark, network) and mark not in valid.marks
            )
        steps.finish()

    def explain(self, call: Call[FirewallConfig]) -> tuple[Op, ...]:
        """Return the plan."""
        return ops_of(call, pods_of(call.prev_result))


def ops_of(call: Call[FirewallConfig], pods: tuple[IPNetwork, ...]) -> tuple[Op, ...]:
    """Return the plan that admits these addresses of the result before."""
    result = call.require_prev_result()
    outer = [one.name for one in result.interfaces if not one.sandbox]
    port = next((name for name in outer if _is_veth(call.kernel, name)), "")
    backend = choose_backend(call)
    return plan(call.config, call.attachment, backend, pods, outer[0] if outer else "", port)


def choose_backend(call: Call[FirewallConfig]) -> str:
    """Return the backend that is meant: as configured, else what fits the host.

    nftables, unless firewalld manages the host or its FORWARD chain drops by default: an accept counts
    only where the drop is.
    """
    if call.config.backend:
        return call.config.backend
    if is_running():
        return "firewalld"
    if drops_by_default(call.kernel) and is_available(4):
        call.warn("the host's FORWARD chain drops by default: iptables is used, where an accept counts")
        return "iptables"
    return "nftables"


def pods_of(result: Result | None) -> tuple[IPNetwork, ...]:
    """Return every address of a result, whatever interface it belongs to, as the reference does."""
    return tuple({str(ip.address): ip.address for ip in result.ips}.values()) if result else ()


def _own_pods(call: Call[FirewallConfig]) -> tuple[IPNetwork, ...]:
    """Return the addresses of CNI_IFNAME, and those that name no interface.

    Those of others may have come with a later plugin of the chain, which ADD could not know of.
    """
    result = call.require_prev_result()
    foreign = {
        at for at, one in enumerate(result.interfaces) if one.name != call.request.ifname and one.sandbox
    }
    own = [ip for ip in result.ips if ip.interface not in foreign]
    return pods_of(result.with_(ips=tuple(own)))


def _is_veth(kernel: Kernel, name: str) -> bool:
    link = kernel.host.find_link(name)
    return link is not None and link.kind == "veth"


PLUGIN = Firewall()
