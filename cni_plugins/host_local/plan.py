"""Configuration -> pools, requested addresses, and the name an address is remembered by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from netaddr import IPAddress

from cni_plugins.host_local.config import HostLocalConfig, IpamConfig, RangeConfig, parse_requested
from cni_spec.errors import INVALID_CONFIG, INVALID_ENVIRONMENT, CniError
from cni_spec.versions import is_at_least
from ipam.pools import Range, RangeSet, check_disjoint, make_range, make_range_set


def plan_pools(config: HostLocalConfig) -> list[RangeSet]:
    """List the pools: what the runtime sent, the short form, then `ranges`; their order numbers them.

    Raises:
        CniError: code 7 for ranges that make no sense, or too many for an old version.
    """
    ipam = config.ipam
    sets = [*config.runtime_config.ip_ranges, *_short_form(ipam), *ipam.ranges]
    pools = [make_range_set(_make_range(one, ipam) for one in ranges) for ranges in sets]
    check_disjoint(pools)
    families = [pool.ranges[0].subnet.version for pool in pools]
    if not is_at_least(config.cni_version, "0.3.0") and len(families) != len(set(families)):
        raise CniError(
            INVALID_CONFIG,
            f"CNI version {config.cni_version} does not support more than 1 address per family",
        )
    return pools


def plan_requests(
    pools: Sequence[RangeSet], config: HostLocalConfig, cni_args: Mapping[str, str]
) -> frozenset[IPAddress]:
    """Collect the requested addresses of all sources.

    A pool that a better source chose an address from is closed for the others: runtimeConfig goes before
    args, and args before CNI_ARGS (CONVENTIONS.md). Where they speak of different pools all are heard, as
    by the reference. What is in no pool is kept, for an error.
    """
    sources = (config.runtime_config.ips, config.args.cni.ips, parse_ip_list(cni_args, "IP"))
    found: set[IPAddress] = set()
    for source in sources:
        closed = [pool for pool in pools if any(one in pool for one in found)]
        found |= {one for one in source if not any(one in pool for pool in closed)}
    return frozenset(found)


def plan_name(config: HostLocalConfig, cni_args: Mapping[str, str], ifname: str) -> str:
    """Return the name an address is remembered by, "" for none: `args.cni.stickyName`, or the pod's."""
    if not config.ipam.sticky:
        return ""
    pod = "/".join(filter(None, (cni_args.get(f"K8S_POD_{part}") for part in ("NAMESPACE", "NAME"))))
    name = config.args.cni.sticky_name or (pod if cni_args.get("K8S_POD_NAME") else "")
    return f"{name} {ifname}" if name else ""


def parse_ip_list(cni_args: Mapping[str, str], key: str) -> list[IPAddress]:
    """Read addresses from CNI_ARGS, separated by commas. Raises CniError 4."""
    try:
        return [parse_requested(text.strip()) for text in cni_args.get(key, "").split(",") if text.strip()]
    except ValueError as error:
        raise CniError(INVALID_ENVIRONMENT, f"CNI_ARGS: {key}: {error}, came {cni_args[key]!r}") from error


def _short_form(ipam: IpamConfig) -> Iterable[tuple[RangeConfig, ...]]:
    if ipam.subnet is None:
        return
    yield (
        RangeConfig(
            subnet=ipam.subnet, range_start=ipam.range_start, range_end=ipam.range_end, gateway=ipam.gateway
        ),
    )


def _make_range(one: RangeConfig, ipam: IpamConfig) -> Range:
    return make_range(
        one.subnet,
        first=one.range_start,
        last=one.range_end,
        gateway=one.gateway,
        exclude=(*one.exclude, *ipam.exclude),
    )
