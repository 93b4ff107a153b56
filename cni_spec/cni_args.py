"""CNI_ARGS: `K=V;K=V`, the older way to hand a container's own wishes to a plugin.

Keys are told apart by letter case, as in the reference. A key nobody knows is an error unless
IgnoreUnknown says otherwise (the reference's rule; Kubernetes runtimes always send it).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cni_spec.errors import INVALID_ENVIRONMENT, CniError

KNOWN_KEYS = frozenset({"IgnoreUnknown", "IP", "MAC", "GATEWAY"})


def parse_cni_args(text: str) -> Mapping[str, str]:
    """Return the pairs of CNI_ARGS.

    Raises:
        CniError: code 4 for a pair without exactly one "=", or an unknown key without IgnoreUnknown.
    """
    pairs = [pair for pair in text.split(";") if pair]
    for pair in pairs:
        if pair.count("=") != 1:
            raise CniError(INVALID_ENVIRONMENT, f"CNI_ARGS: expected KEY=VALUE, came {pair!r}")
    found = dict(pair.split("=") for pair in pairs)
    unknown = sorted(found.keys() - KNOWN_KEYS)
    if unknown and not _ignores_unknown(found):
        raise CniError(INVALID_ENVIRONMENT, f"CNI_ARGS: unknown keys {unknown}; set IgnoreUnknown=1")
    return MappingProxyType(found)


def _ignores_unknown(found: Mapping[str, str]) -> bool:
    value = found.get("IgnoreUnknown", "0").lower()
    if value not in ("0", "1", "true", "false"):
        raise CniError(INVALID_ENVIRONMENT, f"CNI_ARGS: IgnoreUnknown: expected a boolean, came {value!r}")
    return value in ("1", "true")
