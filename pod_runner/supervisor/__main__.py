"""`python -m pod_runner.supervisor FOLDER`: one supervisor, in the foreground and without a spawner."""

from __future__ import annotations

import sys
from pathlib import Path

from pod_runner.supervisor.entry import supervise

if __name__ == "__main__":
    sys.exit(supervise(str(Path(sys.argv[1]).absolute())))
