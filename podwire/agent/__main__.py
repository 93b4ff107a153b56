"""`python -m podwire.agent`: the agent without the command line, which takes longer to load than 500 peers.

For services and launchers; `podwire agent` is the same for a person.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for some takes 12 ms; there are none

from cni_spec.errors import CniError
from podwire.agent.client import socket_path
from podwire.agent.lifecycle import AlreadyRunning, run_agent
from podwire.agent.settings import read_settings


def main() -> int:
    """Be the agent; return the exit status."""
    parser = argparse.ArgumentParser(prog="podwire.agent", description="Run the node agent.")
    parser.add_argument("--socket", type=Path, help="where launchers look for it")
    parser.add_argument("--idle", type=float, default=0, help="leave after so many seconds; 0: stay")
    parser.add_argument("--background", action="store_true", help="as a launcher starts it")
    chosen = parser.parse_args()
    try:
        settings = read_settings()
        idle = settings.agent.idle if chosen.background else chosen.idle
        run_agent(chosen.socket or socket_path(), settings, idle=idle)
    except AlreadyRunning as reason:
        return 0 if chosen.background else _fail(str(reason))
    except CniError as error:
        return _fail(error.msg)
    return 0


def _fail(why: str) -> int:
    print(why, file=sys.stderr)
    return 1


raise SystemExit(main())
