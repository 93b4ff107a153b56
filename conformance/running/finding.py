"""The plugins of a folder: what they are called, which versions they list, which profile is theirs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from conformance.calls import Call, base_environment, make_call
from conformance.case import KNOWN_VERSIONS, Plugin
from conformance.profile import Profile, shipped_profiles


def find_plugins(
    cni_path: Sequence[Path], types: Sequence[str] = (), own: Mapping[str, Profile] | None = None
) -> tuple[list[Plugin], list[str]]:
    """Return the plugins of the folders that have a profile, and the names of those that have none.

    With `types` only those, and one that is not there is an error.

    Raises:
        ValueError: a type that was asked for is not there, or has no profile.
    """
    profiles = shipped_profiles() | dict(own or {})
    found = executables(cni_path)
    for type in types:
        if type not in found:
            raise ValueError(f"no plugin {type!r} in {':'.join(str(one) for one in cni_path)}")
        if type not in profiles:
            raise ValueError(f"there is no profile for {type!r}; write one and name it with --config")
    wanted = types or [name for name in found if name in profiles]
    unknown = [name for name in found if name not in profiles and not types]
    return [Plugin(found[name], profiles[name], listed_versions(found[name])) for name in wanted], unknown


def executables(cni_path: Sequence[Path]) -> dict[str, Path]:
    """Return every executable file of the folders by name; the first folder counts, as in CNI_PATH."""
    found: dict[str, Path] = {}
    for folder in cni_path:
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.is_file() and os.access(path, os.X_OK):
                found.setdefault(path.name, path.absolute())
    return found


def listed_versions(path: Path) -> tuple[str, ...]:
    """Return what VERSION lists, of the versions that the suite knows; () where nothing can be read."""
    environment = base_environment() | {"CNI_COMMAND": "VERSION", "CNI_PATH": str(path.parent)}
    try:
        document = make_call(Call(path, environment, b'{"cniVersion": "1.0.0"}')).document() or {}
    except (OSError, TimeoutError):  # the clauses about VERSION say what is wrong
        return ()
    listed = document.get("supportedVersions")
    return tuple(one for one in KNOWN_VERSIONS if one in listed) if isinstance(listed, list) else ()
