"""`python -m podwire`: the command line where it is not on the PATH."""

from __future__ import annotations

from podwire.main import main

main()
