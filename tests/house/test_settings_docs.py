"""Every key of [proxy] and [dns] stands in the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from service_proxy.settings import ConntrackSettings, DnsSettings, ProxySettings, SourceSettings

TEXT = (Path(__file__).parents[2] / "docs" / "services.md").read_text()


@pytest.mark.parametrize("section", [ProxySettings, DnsSettings, ConntrackSettings])
def test_each_key_is_documented(section: type[SourceSettings]) -> None:
    known = [key for key in section.model_fields if f"`{key}`" in TEXT or f".{key}`" in TEXT]
    assert known == list(section.model_fields)
