"""The verbs of static."""

from __future__ import annotations

from cni_plugins.plugin import Call, Plugin
from cni_plugins.static.config import StaticConfig
from cni_plugins.static.plan import plan
from cni_spec.errors import CheckFailed
from cni_spec.result import IpConfig, Result
from linuxnet.op import Op


class Static(Plugin[StaticConfig]):
    """Hand out what the configuration says."""

    name = "static"
    enters_container = False
    config = StaticConfig

    def add(self, call: Call[StaticConfig]) -> Result:
        """Return the addresses, routes and name servers."""
        ipam = call.config.ipam
        return Result(ips=plan(call.config, call.request.args), routes=ipam.routes, dns=ipam.dns)

    def delete(self, call: Call[StaticConfig]) -> None:
        """Do nothing: nothing was taken."""

    def check(self, call: Call[StaticConfig]) -> None:
        """See that the result names every address, with its gateway."""
        seen = {str(one.address): one for one in call.require_prev_result().ips}
        for wanted in plan(call.config, call.request.args):
            _compare(wanted, seen.get(str(wanted.address)))

    def explain(self, call: Call[StaticConfig]) -> tuple[Op, ...]:
        """Return nothing: no link, address or rule is this plugin's."""
        return ()

    def preview(self, call: Call[StaticConfig]) -> Result:
        """Return what an ADD gives."""
        return self.add(call)


def _compare(wanted: IpConfig, seen: IpConfig | None) -> None:
    if seen is None:
        raise CheckFailed(f"address {wanted.address} is configured, and missing in the result")
    if (
        wanted.gateway is not None and seen.gateway != wanted.gateway
    ):  # without one, bridge and ptp fill it in
        raise CheckFailed(
            f"address {wanted.address}: configured is gateway {wanted.gateway}, came {seen.gateway}"
        )


PLUGIN = Static()
