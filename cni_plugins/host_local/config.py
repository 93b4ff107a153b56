"""What host-local takes: the reference's keys, and `exclude`, `sticky`, `releaseCooldown`.

Ranges are checked for sense when they are used (plan.py), not here: a DEL needs none, and must not fail
because the configuration of the network has been broken since the ADD.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from netaddr import IPAddress, IPNetwork
from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from cni_spec.addresses import Cidr, host_network, parse_address, parse_cidr
from cni_spec.config import NetworkConfig, SpecModel
from cni_spec.result import Route
from ipam.network import DATA_DIR


def parse_requested(text: object) -> IPAddress:
    """Read an address that may carry a prefix length, which is the subnet's to say. Raises ValueError."""
    return parse_cidr(text).ip if isinstance(text, str) and "/" in text else parse_address(text)


def _parse_optional(text: object) -> IPAddress | None:
    return None if text in ("", None) else parse_address(text)  # "": how Go writes one not given


def _parse_gateway(text: object) -> IPAddress | Literal["none"] | None:
    return "none" if text == "none" else _parse_optional(text)


def _parse_excluded(text: object) -> IPNetwork:
    return (
        parse_cidr(text).cidr if isinstance(text, str) and "/" in text else host_network(parse_address(text))
    )


def _parse_data_dir(text: object) -> Path:
    if not isinstance(text, str) or not (text.startswith("/") or text == "") or "\0" in text:
        raise ValueError("expected an absolute path")
    return Path(text) if text else DATA_DIR


_text = PlainSerializer(str, return_type=str)
_text_if_any = PlainSerializer(lambda value: None if value is None else str(value))
_string = WithJsonSchema({"type": "string"})
Requested = Annotated[IPAddress, PlainValidator(parse_requested), _text, _string]
MaybeAddress = Annotated[IPAddress | None, PlainValidator(_parse_optional), _text_if_any, _string]
Gateway = Annotated[IPAddress | Literal["none"] | None, PlainValidator(_parse_gateway), _text_if_any, _string]
Excluded = Annotated[IPNetwork, PlainValidator(_parse_excluded), _text, _string]
DataDir = Annotated[Path, PlainValidator(_parse_data_dir), _text, _string]
Seconds = Annotated[float, Field(ge=0, le=31_536_000)]  # a year


class RangeConfig(SpecModel):
    """One range. `gateway` "none" reserves no address for one; absent, it is the network's address + 1."""

    subnet: Cidr
    range_start: MaybeAddress = Field(None, alias="rangeStart")
    range_end: MaybeAddress = Field(None, alias="rangeEnd")
    gateway: Gateway = None
    exclude: tuple[Excluded, ...] = ()


RangeSets = tuple[tuple[RangeConfig, ...], ...]  # outer: addresses to hand out; inner: alternatives


class IpamConfig(SpecModel):
    """The `ipam` section. `subnet` and what belongs to it are the short form of one more range set."""

    type: str
    ranges: RangeSets = ()
    subnet: Annotated[Cidr | None, BeforeValidator(lambda text: text or None)] = None
    range_start: MaybeAddress = Field(None, alias="rangeStart")
    range_end: MaybeAddress = Field(None, alias="rangeEnd")
    gateway: Gateway = None
    exclude: tuple[Excluded, ...] = ()  # applies to every range, also to those that a runtime sends
    routes: tuple[Route, ...] = ()
    resolv_conf: str = Field("", alias="resolvConf")
    data_dir: DataDir = Field(DATA_DIR, alias="dataDir")
    sticky: bool = False  # a pod that comes back under its name gets its address back
    release_cooldown: Seconds = Field(0, alias="releaseCooldown")


class RuntimeConfig(SpecModel):
    """What a runtime hands over by the capabilities ipRanges and ips."""

    reports_unknown_keys: ClassVar[bool] = False  # other plugins' capabilities

    ip_ranges: RangeSets = Field((), alias="ipRanges")
    ips: tuple[Requested, ...] = ()


class CniArgs(SpecModel):
    """`args.cni`: addresses to request, and the name that `sticky` goes by."""

    reports_unknown_keys: ClassVar[bool] = False

    ips: tuple[Requested, ...] = ()
    sticky_name: str = Field("", alias="stickyName")


class Args(SpecModel):
    """`args`, of which one section is ours."""

    reports_unknown_keys: ClassVar[bool] = False

    cni: CniArgs = CniArgs()


class HostLocalConfig(NetworkConfig):
    """The network's configuration as host-local reads it; the rest is its caller's."""

    reports_unknown_keys: ClassVar[bool] = False

    ipam: IpamConfig  # type: ignore[assignment]  # narrower than the JSON it is elsewhere
    args: Args = Args()  # type: ignore[assignment]
    runtime_config: RuntimeConfig = Field(RuntimeConfig(), alias="runtimeConfig")
