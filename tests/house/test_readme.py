"""The README promises a row for every key; the models say which there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from cni_plugins.registry import PLUGIN_TYPES, load_plugin
from cni_spec.config import NetworkConfig

README = (Path(__file__).parents[2] / "README.md").read_text()


@pytest.mark.parametrize("plugin_type", PLUGIN_TYPES)
def test_every_key_of_a_plugin_is_in_the_readme(plugin_type: str) -> None:
    fields = load_plugin(plugin_type).config.model_fields
    keys = {info.alias or name for name, info in fields.items() if name not in NetworkConfig.model_fields}
    missing = sorted(key for key in keys if key not in README)
    assert not missing
