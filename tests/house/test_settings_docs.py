"""Every key of [proxy] and [dns] stands in the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from cni_spec.config import SpecModel
from service_proxy.settings import ConntrackSettings, DnsSettings, ProxySettings

TEXT = (Path(__file__).parents[2] / "docs" / "services.md").read_text()


@pytest.mark.parametrize("section", [ProxySettings, DnsSettings, ConntrackSettings])
def test_each_key_is_documented(section: type[SpecModel]) -> None:
    forms = ("`{}`", ".{}`", "`{}.")  # the last: a section of its own
    missing = [key for key in section.model_fields if not any(form.format(key) in TEXT for form in forms)]
    assert missing == []
