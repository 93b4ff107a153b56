"""A resolv.conf -> the dns section of a result (resolv.conf(5))."""

from __future__ import annotations

from pathlib import Path

from cni_spec.config import Dns
from cni_spec.errors import INVALID_CONFIG, CniError

_LISTS = {"nameserver": "nameservers", "search": "search", "options": "options"}


def read_resolv_conf(path: str) -> Dns:
    """Read a file; "" stands for no file and says nothing.

    Raises:
        CniError: code 7, if it cannot be read.
    """
    if not path:
        return Dns()
    try:
        return parse_resolv_conf(Path(path).read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise CniError(INVALID_CONFIG, f"ipam.resolvConf: {path}: {error.strerror}") from error


def parse_resolv_conf(text: str) -> Dns:
    """Read the lines the resolver knows; as in the reference several of a kind add up."""
    lists: dict[str, list[str]] = {name: [] for name in _LISTS.values()}
    domain = ""
    for line in text.splitlines():
        key, *values = line.split() or [""]
        if key in _LISTS:
            lists[_LISTS[key]] += values[:1] if key == "nameserver" else values
        elif key == "domain" and values:
            domain = values[0]
    return Dns(domain=domain, **{name: tuple(found) for name, found in lists.items()})
