"""-v shows what the kernel is asked, also by plugins that are executed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.calls import run


def test_the_messages_of_an_executed_plugin_are_shown(host: None, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    conflist = {"cniVersion": "1.0.0", "name": "net1", "plugins": [{"type": "bridge", "bridge": "pod0"}]}
    (tmp_path / "net1.conflist").write_text(json.dumps(conflist))
    podwire = [sys.executable, "-m", "podwire"]
    run([*podwire, "install", "--to", str(tmp_path / "bin")])
    run(["ip", "netns", "add", "one"])
    places = ["--conf-dir", str(tmp_path), "--cni-path", str(tmp_path / "bin")]
    for verb in ("add", "del"):
        command = [*podwire, "-v", "cni", verb, "net1", "one", *places]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
        assert done.returncode == 0, done.stderr
        assert "podwire.kernel: " in done.stderr
        assert ("ip link add pod0" in done.stderr) == (verb == "add")
    run(["ip", "netns", "del", "one"])
