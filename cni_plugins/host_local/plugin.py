"""The verbs of host-local."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from cni_plugins.host_local.config import HostLocalConfig
from cni_plugins.host_local.plan import plan_name, plan_pools, plan_requests
from cni_plugins.host_local.resolv_conf import read_resolv_conf
from cni_plugins.plugin import Call, Plugin, ValidAttachments
from cni_spec.errors import INVALID_CONFIG, IO_FAILURE, LIMITED_CONNECTIVITY, NOT_AVAILABLE, CniError
from cni_spec.result import IpConfig, Result
from ipam.allocator import Lease, Wish, allocate, check, collect, preview, release
from ipam.directory import Owner
from ipam.network import Network
from ipam.pools import RangeSet
from ipam.store import Store, operate
from ipam.usage import taken_gateways, usage_at_best
from linuxnet.op import Op

T = TypeVar("T")


class HostLocal(Plugin[HostLocalConfig]):
    """Hand out addresses of this machine's ranges, one from each range set."""

    name = "host-local"
    enters_container = False
    config = HostLocalConfig

    def add(self, call: Call[HostLocalConfig]) -> Result:
        """Reserve an address from each range set."""
        dns = read_resolv_conf(call.config.ipam.resolv_conf)
        pools = _require_pools(call)
        wish = _wish(call, pools)
        leases = _operate(call, lambda store: allocate(store, pools, wish))
        call.undo.push("addresses", lambda: _operate(call, lambda store: release(store, wish.owner)))
        return _result(call, leases).with_(dns=dns)

    def delete(self, call: Call[HostLocalConfig]) -> None:
        """Give back what the attachment holds; the ids are enough."""
        _operate(call, lambda store: release(store, _owner(call)))

    def check(self, call: Call[HostLocalConfig]) -> None:
        """See that the attachment holds the very addresses of its result."""
        pools = plan_pools(call.config)
        expected = [one.address.ip for one in call.require_prev_result().ips]
        _operate(call, lambda store: check(store, pools, _owner(call), expected))

    def status(self, call: Call[HostLocalConfig]) -> None:
        """Count the addresses that are left.

        Raises:
            CniError: code 50, if a pool is used up or the directory cannot be used; code 51, if a
                container was given its gateway's address by somebody else.
        """
        pools = plan_pools(call.config)
        try:
            usages = _operate(call, lambda store: usage_at_best(store, pools))
            conflicts = _operate(call, lambda store: taken_gateways(store, pools))
        except CniError as error:
            if error.code != IO_FAILURE:
                raise
            raise CniError(NOT_AVAILABLE, error.msg, error.details) from error
        details = "\n".join(map(str, usages))
        if empty := [one for one in usages if one.available <= 0]:
            raise CniError(NOT_AVAILABLE, f"no IP addresses available: {empty[0]}", details)
        if conflicts:
            raise CniError(LIMITED_CONNECTIVITY, f"gateway {conflicts[0]}", details)

    def gc(self, call: Call[HostLocalConfig], valid: ValidAttachments) -> None:
        """Give back what no valid attachment holds."""
        owners = frozenset(Owner(one.container_id, one.ifname) for one in valid.attachments)
        _operate(call, lambda store: collect(store, owners))

    def explain(self, call: Call[HostLocalConfig]) -> tuple[Op, ...]:
        """Return nothing: no link, address or rule is this plugin's."""
        return ()

    def preview(self, call: Call[HostLocalConfig]) -> Result:
        """Return the addresses an ADD would give, without taking them.

        A network nobody has used yet is looked at in a folder of its own, so that none is made.
        """
        pools = _require_pools(call)
        wish = _wish(call, pools)
        network = _network(call)
        from tempfile import TemporaryDirectory  # 10 ms, and only `podwire explain` comes here

        with TemporaryDirectory() as empty:
            if not (network.data_dir / network.name).is_dir():
                network = replace(network, data_dir=Path(empty))
            return _result(call, operate(network, lambda store: preview(store, pools, wish)))


def _require_pools(call: Call[HostLocalConfig]) -> list[RangeSet]:
    pools = plan_pools(call.config)
    if not pools:
        raise CniError(
            INVALID_CONFIG, "no IP ranges specified: expected ipam.subnet, ipam.ranges or ipRanges"
        )
    return pools


def _wish(call: Call[HostLocalConfig], pools: list[RangeSet]) -> Wish:
    request = call.request
    name = plan_name(call.config, request.args, request.ifname)
    if call.config.ipam.sticky and not name:
        call.warn("ipam.sticky: neither args.cni.stickyName nor K8S_POD_NAME names the pod; nothing is kept")
    return Wish(_owner(call), request.netns, plan_requests(pools, call.config, request.args), name)


def _owner(call: Call[HostLocalConfig]) -> Owner:
    return Owner(call.request.container_id, call.request.ifname)


def _operate(call: Call[HostLocalConfig], operation: Callable[[Store], T]) -> T:
    """Run an operation on the call's network, with its index at hand where the process keeps it."""
    return operate(_network(call), operation, call.memory.indexes if call.memory else None)


def _network(call: Call[HostLocalConfig]) -> Network:
    ipam = call.config.ipam
    return Network(call.config.name, ipam.data_dir, cooldown=ipam.release_cooldown)


def _result(call: Call[HostLocalConfig], leases: Sequence[Lease]) -> Result:
    ips = tuple(IpConfig(address=one.address, gateway=one.gateway) for one in leases)
    return Result(ips=ips, routes=call.config.ipam.routes)


PLUGIN = HostLocal()
