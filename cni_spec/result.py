"""Result, and its form in every specification version (CNI 1.1.0 section 5, ADD Success).

Inside there is one form, that of 1.1.0. `read_result` brings an older one up, `Result.to_json` writes the
version that was asked for. What a version cannot say is left out.
"""

from __future__ import annotations

import json

from pydantic import Field, ValidationError

from cni_spec.addresses import Address, Cidr
from cni_spec.config import Dns, M, Remarks, SpecModel, explain_validation, fold_keys
from cni_spec.errors import DECODING_FAILURE, INCOMPATIBLE_VERSION, CniError
from cni_spec.json_input import JsonObject
from cni_spec.versions import ALL_VERSIONS, is_at_least


class Interface(SpecModel):
    """An interface that ADD made, or adjusted; `sandbox` is its namespace's path, "" for the host's."""

    name: str
    mac: str = ""
    mtu: int | None = None  # bytes; since 1.1.0
    sandbox: str = ""
    socket_path: str = Field("", alias="socketPath")  # since 1.1.0
    pci_id: str = Field("", alias="pciID")  # since 1.1.0


class IpConfig(SpecModel):
    """An address: with the network's prefix length, its gateway, and the index of its interface."""

    address: Cidr
    gateway: Address | None = None
    interface: int | None = None  # index into interfaces; None or -1: no interface is named


class Route(SpecModel):
    """A route as configurations and results spell it; units and meaning as in rtnetlink(7)."""

    dst: Cidr
    gw: Address | None = None  # None takes the family's first gateway
    mtu: int | None = None  # bytes; this and what follows since 1.1.0
    advmss: int | None = None  # bytes
    priority: int | None = None
    table: int | None = None
    scope: int | None = None


class Result(SpecModel):
    """What an ADD made, in the form of 1.1.0."""

    interfaces: tuple[Interface, ...] = ()
    ips: tuple[IpConfig, ...] = ()
    routes: tuple[Route, ...] = ()
    dns: Dns = Dns()

    def with_(self, **changes: object) -> Result:
        """Return a copy with some fields replaced."""
        return self.model_copy(update=changes)

    def to_json(self, version: str) -> JsonObject:
        """Return the object for `version`.

        Raises:
            CniError: code 1, if a version before 0.3.0 is asked for and there is no address to tell of.
        """
        if is_at_least(version, "0.3.0"):
            return self._modern(version)
        return self._by_family(version)

    def _modern(self, version: str) -> JsonObject:
        has_metrics = is_at_least(version, "1.1.0")
        body: JsonObject = {"cniVersion": version}
        if self.interfaces:
            body["interfaces"] = [_interface(one, has_metrics) for one in self.interfaces]
        if self.ips:
            with_family = not is_at_least(version, "1.0.0")
            body["ips"] = [_ip(one, with_family) for one in self.ips]
        if self.routes:
            body["routes"] = [_route(one, has_metrics) for one in self.routes]
        return body | self._dns(version)

    def _by_family(self, version: str) -> JsonObject:
        """Write 0.1.0 and 0.2.0: the first address of each family, its routes beside it."""
        body: JsonObject = {"cniVersion": version}
        for ip in self.ips:
            key = f"ip{ip.address.version}"
            routes = [_route(r, False) for r in self.routes if r.dst.version == ip.address.version]
            body.setdefault(key, _ip_of_family(ip, routes))
        if len(body) == 1:
            raise CniError(INCOMPATIBLE_VERSION, f"cannot convert: no valid IP addresses for {version}")
        return body | self._dns(version)

    def _dns(self, version: str) -> JsonObject:
        if self.dns.is_empty() and is_at_least(version, "1.0.0"):
            return {}
        return {"dns": self.dns.model_dump(mode="json", exclude_defaults=True)}


class _FamilyResult(SpecModel):
    ip: Cidr
    gateway: Address | None = None
    routes: tuple[Route, ...] = ()


class _OldResult(SpecModel):
    ip4: _FamilyResult | None = None
    ip6: _FamilyResult | None = None
    dns: Dns = Dns()


def read_result(body: JsonObject, assumed_version: str, what: str = "result") -> Result:
    """Read a result of any version; one without cniVersion is taken to be of `assumed_version`.

    Raises:
        CniError: code 1 for a version nobody knows, code 6 for a body that is no result.
    """
    version = body.get("cniVersion") or assumed_version
    if version not in ALL_VERSIONS:
        raise CniError(INCOMPATIBLE_VERSION, f"{what}: unknown cniVersion {version!r}")
    try:
        if is_at_least(str(version), "0.3.0"):
            return _validated(Result, body)
        return _raised(_validated(_OldResult, body))
    except ValidationError as error:
        sentence, details = explain_validation(error)
        raise CniError(DECODING_FAILURE, f"{what}: {sentence}", details) from error


def _validated(model: type[M], body: JsonObject) -> M:
    return model.model_validate_json(json.dumps(fold_keys(model, body, "", Remarks())), strict=True)


def _raised(old: _OldResult) -> Result:
    families = [family for family in (old.ip4, old.ip6) if family is not None]
    ips = tuple(IpConfig(address=family.ip, gateway=family.gateway) for family in families)
    return Result(ips=ips, routes=tuple(r for family in families for r in family.routes), dns=old.dns)


def _interface(one: Interface, has_metrics: bool) -> JsonObject:
    names = {"name", "mac", "sandbox"} | ({"mtu", "socket_path", "pci_id"} if has_metrics else set())
    dumped = one.model_dump(by_alias=True, include=names, exclude_defaults=True)
    return {"name": one.name} | dumped


def _ip(one: IpConfig, with_family: bool) -> JsonObject:
    body: JsonObject = {"version": str(one.address.version)} if with_family else {}
    return body | one.model_dump(exclude_none=True)


def _ip_of_family(one: IpConfig, routes: list[JsonObject]) -> JsonObject:
    body: JsonObject = {"ip": str(one.address)}
    if one.gateway is not None:
        body["gateway"] = str(one.gateway)
    return body | ({"routes": routes} if routes else {})


def _route(one: Route, has_metrics: bool) -> JsonObject:
    return one.model_dump(exclude_none=True, include=None if has_metrics else {"dst", "gw"})
