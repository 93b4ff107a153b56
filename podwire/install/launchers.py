"""What the executable of a plugin is: a few lines of Python that hand over to its code."""

from __future__ import annotations

import sys
from pathlib import Path

from cni_plugins.delegate import MARKER, is_ours
from cni_spec.errors import IO_FAILURE, CniError

SHEBANG_LIMIT = 255  # bytes; BINPRM_BUF_SIZE in linux/binfmts.h is 256


def launcher(plugin_type: str, interpreter: str = sys.executable) -> bytes:
    """Return the executable of one plugin. Isolated (-I): nothing of the caller's environment counts.

    Raises:
        CniError: code 5, if the kernel could not start the interpreter from a first line.
    """
    first = f"#!{interpreter} -I".encode()
    if len(first) > SHEBANG_LIMIT or any(character.isspace() for character in interpreter):
        raise CniError(
            IO_FAILURE, f"{interpreter}: the path is too long or has spaces; install podwire elsewhere"
        )
    lines = (
        first,
        MARKER,
        b"from cni_plugins.skeleton import run",
        b"",
        f'run("{plugin_type}")'.encode(),
        b"",
    )
    return b"\n".join(lines)


def is_launcher(path: Path) -> bool:
    """Tell whether a file is one that podwire wrote."""
    try:
        return is_ours(path)
    except OSError:  # absent, or a directory
        return False
