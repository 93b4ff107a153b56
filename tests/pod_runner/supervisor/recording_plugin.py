"""A network of one plugin that writes down how it was called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.pod_runner.supervisor.world import World

RECORDING = """#!/bin/sh
folder=$(dirname "$0")
printf '%s\\n' "$CNI_COMMAND $CNI_CONTAINERID $CNI_NETNS $CNI_IFNAME $CNI_ARGS" >> "$folder/calls"
cat >> "$folder/stdin"; echo >> "$folder/stdin"
test "$CNI_COMMAND" = ADD || exit 0
test ! -e "$folder/slow" || sleep 1000
test ! -e "$folder/fail" || { echo '{"code": 100, "msg": "no addresses left"}'; exit 1; }
echo '{"cniVersion": "1.0.0", "ips": [{"address": "10.1.2.3/24"}, {"address": "fd00::3/64"}]}'
"""


def install(world: World, text: str = RECORDING) -> Path:
    """Give the node a network of one plugin that writes down how it was called."""
    folder = Path(world.node.cni_path[0])
    folder.mkdir()
    (folder / "recording").write_text(text)
    (folder / "recording").chmod(0o755)
    network(world, {"type": "recording", "capabilities": {"portMappings": True, "bandwidth": True}})
    return folder


def network(world: World, *plugins: dict[str, Any]) -> None:
    """Write the node's network."""
    Path(world.node.cni_conf_dir).mkdir()
    body = {"cniVersion": "1.0.0", "name": "pods", "plugins": plugins}
    Path(world.node.cni_conf_dir, "10-pods.conflist").write_text(json.dumps(body))


def calls(folder: Path) -> list[str]:
    """Return the verbs so far."""
    path = folder / "calls"
    return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []
