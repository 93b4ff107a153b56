"""What a later supervisor must know to execute something in a container that runs: `specs/<container>.json`.

Written at a container's start. What the mounts and the root were does not matter any more: they are there.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from pod_runner.container.spec import ContainerSpec, RootFs, Security
from pod_runner.supervisor.state import write_whole

FOLDER = "specs"
KEPT = ("name", "argv", "cgroup", "env", "cwd", "terminal", "stop_signal")


def write_spec(folder: Path, spec: ContainerSpec) -> None:
    """Write a container's. Raises OSError."""
    body = {key: getattr(spec, key) for key in KEPT}
    body["security"] = asdict(spec.security) | {"capabilities": sorted(spec.security.capabilities)}
    (folder / FOLDER).mkdir(mode=0o700, exist_ok=True)
    write_whole(folder / FOLDER / f"{spec.name}.json", json.dumps(body))


def read_spec(folder: Path, name: str) -> ContainerSpec | None:
    """Return what was written; None where there is nothing, or nothing of ours."""
    try:
        body = json.loads((folder / FOLDER / f"{name}.json").read_text())
        security = body.pop("security")
        groups, capabilities = tuple(security.pop("groups")), frozenset(security.pop("capabilities"))
        return ContainerSpec(
            root=RootFs((), None, None),
            argv=tuple(body.pop("argv")),
            security=Security(groups=groups, capabilities=capabilities, **security),
            **body,
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
