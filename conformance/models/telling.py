"""What a model answers, on stdout."""

from __future__ import annotations

import json
import os
from typing import Any


def tell(body: dict[str, Any], status: int) -> int:
    """Print what the caller is told and return the exit status: what nobody hears is no success."""
    data = json.dumps(body).encode()
    try:
        while data:
            data = data[os.write(1, data) :]
    except OSError:  # stdout is closed, or full
        return status or 1
    return status
