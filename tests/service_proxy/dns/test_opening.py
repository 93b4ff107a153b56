"""[dns] as its owner writes it -> what the server is told."""

from __future__ import annotations

import pytest

from service_proxy.dns.forward_settings import Server
from service_proxy.dns.opening import addresses_of, options_of
from service_proxy.settings import DnsSettings, ProxySettings
from tests.service_proxy.dns.world import packed


def test_all_that_may_be_chosen_is_told() -> None:
    chosen: dict[str, object] = {
        "prefers_near": True, "endpoint_pod_names": True, "linger": 5, "workers": 3, "ttl": 30, "port": 5353,
        "upstreams": ["[fd00::1]:5353"], "stubs": {"corp.example": ["10.0.0.53"]},
        "hosts": {"registry.lan": ["10.0.0.9"]},
    }  # fmt: skip
    settings = DnsSettings.model_validate(chosen, strict=False)
    told = options_of(settings, packed("10.96.0.10"))
    assert (told.names_pods, told.linger, told.processes, told.port) == (True, 5.0, 3, 5353)
    assert told.zone.prefers_near and told.zone.ttl == 30
    assert told.open_resolver is not None
    outside = told.open_resolver.args[0]  # type: ignore[attr-defined]  # a partial, as it can be sent
    assert outside.servers == (Server("fd00::1", 5353),)
    assert outside.forward.stubs == {"corp.example": (Server("10.0.0.53"),)}
    assert outside.forward.hosts == {"registry.lan": packed("10.0.0.9")}


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"upstreams": ("nobody",)}, "upstreams: 'nobody': expected the address"),
        ({"stubs": {"corp.example": ("10.0.0.53:0",)}}, "stubs: '10.0.0.53:0'"),
        ({"stubs": {"x" * 64: ("10.0.0.53",)}}, "is no domain name"),
        ({"hosts": {"x" * 64: ("10.0.0.53",)}}, "is no domain name"),
        ({"hosts": {"registry.lan": ("nobody",)}}, "hosts: 'nobody'"),
    ],
)
def test_what_a_process_could_not_begin_with_is_refused_before(chosen: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=r"\[dns\] ") as refused:
        options_of(DnsSettings.model_validate(chosen, strict=False), packed("10.96.0.10"))
    assert said in str(refused.value)


def test_the_address_is_the_tenth_of_the_range_if_nobody_says() -> None:
    assert addresses_of(DnsSettings(), ProxySettings()) == packed("10.96.0.10")
    for cidrs in ((), ("10.96.0.0/30",)):
        with pytest.raises(ValueError, match="addresses"):
            addresses_of(DnsSettings(), ProxySettings(service_cidrs=cidrs))
