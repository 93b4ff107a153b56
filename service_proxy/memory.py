"""Memory after a large load: what stays is never looked at again, what was needed once is given back."""

from __future__ import annotations

import ctypes
import gc


def settle_memory() -> None:
    """Leave what is there out of later collections, and give freed memory back to the system."""
    gc.collect()
    gc.freeze()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; musl has none
    if trim is not None:
        trim(0)
