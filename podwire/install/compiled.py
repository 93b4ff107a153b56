"""Byte code, made at install, so that a plugin that runs without an agent compiles nothing."""

from __future__ import annotations

import compileall
from importlib.util import find_spec
from pathlib import Path

PACKAGES = (
    "cni_spec",
    "linuxnet",
    "cluster_store",
    "ipam",
    "overlay",
    "service_proxy",
    "cni_plugins",
    "podwire",
)


def compile_packages() -> None:
    """Compile what is not compiled yet; where the folder cannot be written, Python does without."""
    for name in PACKAGES:
        spec = find_spec(name)
        for folder in spec.submodule_search_locations or () if spec else ():
            compileall.compile_dir(Path(folder), quiet=2)
