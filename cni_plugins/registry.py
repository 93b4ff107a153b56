"""The plugins there are, by type. A plugin's module is loaded when it is asked for, and no other."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cni_plugins.plugin import Plugin

PLUGIN_TYPES = (
    "bandwidth",
    "bridge",
    "firewall",
    "flannel",
    "host-local",
    "loopback",
    "overlay",
    "portmap",
    "ptp",
    "static",
    "tuning",
)

ALSO_CALLED = {"flannel": "overlay"}  # what configurations of flannel's networks say


def load_plugin(plugin_type: str) -> Plugin[Any]:
    """Return the plugin of a type.

    Raises:
        KeyError: there is none of that type.
    """
    if plugin_type not in PLUGIN_TYPES:
        raise KeyError(plugin_type)
    folder = ALSO_CALLED.get(plugin_type, plugin_type).replace("-", "_")
    module = import_module(f"cni_plugins.{folder}.plugin")
    plugin: Plugin[Any] = module.PLUGIN
    return plugin
