"""The specification versions there are, and how they compare."""

from __future__ import annotations

from functools import lru_cache

from cni_spec.errors import DECODING_FAILURE, INCOMPATIBLE_VERSION, CniError

ALL_VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
LATEST_VERSION = ALL_VERSIONS[-1]
ASSUMED_VERSION = "0.1.0"  # a configuration without cniVersion; the reference plugins print this one

Version = tuple[int, ...]


@lru_cache(maxsize=64)
def parse_version(text: str) -> Version:
    """Split "1.0.0" into numbers that compare.

    Raises:
        CniError: code 6, if it is not numbers with dots between.
    """
    parts = text.split(".")
    if len(parts) > 3 or not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts):
        raise CniError(DECODING_FAILURE, f"cniVersion: expected a version such as 1.0.0, came {text!r}")
    numbers = tuple(int(part) for part in parts)
    return numbers + (0,) * (3 - len(numbers))


def version_or_assumed(text: str) -> str:
    """Return the version of a configuration; an empty one counts as not given, as in Go."""
    return text or ASSUMED_VERSION


def is_at_least(version: str, least: str) -> bool:
    """Tell whether `version` has what came with `least`."""
    return parse_version(version) >= parse_version(least)


def require_supported(version: str, supported: tuple[str, ...]) -> None:
    """Refuse a version that a plugin does not speak.

    Raises:
        CniError: code 1, with the versions that would do; code 6 for no version at all.
    """
    parse_version(version)
    if version not in supported:
        raise CniError(
            INCOMPATIBLE_VERSION,
            f"incompatible CNI versions: configuration {version!r}, plugin {list(supported)}",
        )
