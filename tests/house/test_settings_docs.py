"""Every key of [proxy], [dns] and [runner] stands in the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from cni_spec.config import SpecModel
from pod_runner.node.settings import RunnerSettings
from service_proxy.settings import ConntrackSettings, DnsSettings, ProxySettings

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {
    ProxySettings: "services",
    DnsSettings: "services",
    ConntrackSettings: "services",
    RunnerSettings: "runner",
}


@pytest.mark.parametrize("section", PAGES)
def test_each_key_is_documented(section: type[SpecModel]) -> None:
    text = (DOCS / f"{PAGES[section]}.md").read_text()
    forms = ("`{}`", ".{}`", "`{}.")  # the last: a section of its own
    missing = [key for key in section.model_fields if not any(form.format(key) in text for form in forms)]
    assert missing == []
