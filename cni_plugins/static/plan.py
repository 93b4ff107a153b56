"""Configuration -> addresses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from netaddr import IPAddress, IPNetwork

from cni_plugins.static.config import StaticConfig
from cni_spec.addresses import parse_address, parse_cidr
from cni_spec.errors import INVALID_CONFIG, INVALID_ENVIRONMENT, CniError
from cni_spec.result import IpConfig
from cni_spec.versions import is_at_least


def plan(config: StaticConfig, cni_args: Mapping[str, str]) -> tuple[IpConfig, ...]:
    """List the addresses with their gateways.

    The runtime's addresses stand in for args', and those for the configuration's; IP of CNI_ARGS adds to
    them, GATEWAY gives a gateway to every address whose network holds it (the reference's rules).

    Raises:
        CniError: code 4 for CNI_ARGS that are no addresses; code 7 for an address that is named twice, or
            with a gateway of the other family, or for more of a family than an old version can tell.
    """
    chosen = config.runtime_config.ips or config.args.cni.ips
    ips = [IpConfig(address=one) for one in chosen]
    if not chosen:
        ips = [IpConfig(address=one.address, gateway=one.gateway) for one in config.ipam.addresses]
    ips += [IpConfig(address=one) for one in _addresses_of(cni_args)]
    made = tuple(_with_gateway(one, _gateways_of(cni_args)) for one in ips)
    _check(config, made)
    return made


def _addresses_of(cni_args: Mapping[str, str]) -> list[IPNetwork]:
    try:
        return [parse_cidr(text.strip()) for text in cni_args.get("IP", "").split(",") if text.strip()]
    except ValueError as error:
        raise CniError(INVALID_ENVIRONMENT, f"CNI_ARGS: IP: {error}, came {cni_args['IP']!r}") from error


def _gateways_of(cni_args: Mapping[str, str]) -> list[IPAddress]:
    try:
        return [
            parse_address(text.strip()) for text in cni_args.get("GATEWAY", "").split(",") if text.strip()
        ]
    except ValueError as error:
        raise CniError(
            INVALID_ENVIRONMENT, f"CNI_ARGS: GATEWAY: {error}, came {cni_args['GATEWAY']!r}"
        ) from error


def _with_gateway(one: IpConfig, gateways: list[IPAddress]) -> IpConfig:
    fitting = [gateway for gateway in gateways if gateway in one.address]
    return one.model_copy(update={"gateway": fitting[-1]}) if fitting else one


def _check(config: StaticConfig, ips: tuple[IpConfig, ...]) -> None:
    for ip in ips:
        if ip.gateway is not None and ip.gateway.version != ip.address.version:
            raise CniError(
                INVALID_CONFIG, f"gateway {ip.gateway}: expected an address of {ip.address}'s family"
            )
    for address, times in Counter(str(ip.address.ip) for ip in ips).items():
        if times > 1:
            raise CniError(INVALID_CONFIG, f"address {address} is named {times} times")
    families = Counter(ip.address.version for ip in ips)
    if not is_at_least(config.cni_version, "0.3.0") and any(times > 1 for times in families.values()):
        raise CniError(
            INVALID_CONFIG,
            f"CNI version {config.cni_version} does not support more than 1 address per family",
        )
