"""The verbs of loopback."""

from __future__ import annotations

from netaddr import IPNetwork

from cni_plugins.loopback.config import LoopbackConfig
from cni_plugins.loopback.plan import NAME, plan
from cni_plugins.plugin import Call, Plugin, check_all
from cni_spec.errors import INTERFACE_EXISTS, CheckFailed, CniError
from cni_spec.result import Interface, IpConfig, Result
from linuxnet.addresses import network_of
from linuxnet.links import LinkState
from linuxnet.op import Op, Where


class Loopback(Plugin[LoopbackConfig]):
    """Bring lo up, take it down again."""

    name = "loopback"
    config = LoopbackConfig

    def add(self, call: Call[LoopbackConfig]) -> Result:
        """Bring lo up; a result before this one is passed on."""
        for address in _addresses(call):
            if not address.ip.is_loopback():
                raise CniError(
                    INTERFACE_EXISTS, f"{NAME} has the address {address}, which is not a loopback's"
                )
        call.undo.apply(call.kernel, *plan())
        if call.prev_result is not None:
            return call.prev_result
        link = call.kernel.container.get_link(NAME)
        interface = Interface(name=NAME, mac=link.mac, mtu=link.mtu, sandbox=call.request.netns)
        ips = tuple(IpConfig(address=one, interface=0) for one in _addresses(call))
        return Result(interfaces=(interface,), ips=ips)

    def delete(self, call: Call[LoopbackConfig]) -> None:
        """Take lo down, if there still is a namespace."""
        if call.kernel.has_container:
            call.kernel.apply(LinkState(Where.CONTAINER, NAME, up=False))

    def check(self, call: Call[LoopbackConfig]) -> None:
        """See that lo is up, and has the addresses that the result names for it."""
        check_all(call, plan())
        there = {str(one) for one in _addresses(call)}
        missing = [one for one in _promised(call.require_prev_result()) if one not in there]
        if missing:
            raise CheckFailed(f"{NAME} has no address {' and no address '.join(missing)}")

    def explain(self, call: Call[LoopbackConfig]) -> tuple[Op, ...]:
        """Return the plan."""
        return plan()


def _addresses(call: Call[LoopbackConfig]) -> list[IPNetwork]:
    container = call.kernel.container
    return [network_of(address) for address in container.addresses(container.get_link(NAME).index)]


def _promised(result: Result) -> list[str]:
    """Return the addresses that a result gives to lo in the container."""
    ours = [at for at, one in enumerate(result.interfaces) if one.name == NAME and one.sandbox]
    return [str(one.address) for one in result.ips if one.interface in ours]


PLUGIN = Loopback()
