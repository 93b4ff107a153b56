"""What the executable of a plugin is: the C launcher, or one in Python that does the same.

Both hand a call to the node agent, and become a Python that runs the plugin where there is none.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path

from cni_plugins.delegate import MARKER, TRAILER, is_ours
from cni_spec.errors import IO_FAILURE, CniError

FOLDER = Path(__file__).parent
BINARY = FOLDER / "launcher"  # built with the package from launcher.c; absent where there was no compiler
SCRIPT = FOLDER / "python_launcher.py"
SHEBANG_LIMIT = 255  # bytes; BINPRM_BUF_SIZE in linux/binfmts.h is 256


class Kind(StrEnum):
    """Which launcher is installed; AUTO is C where it was built."""

    AUTO = "auto"
    C = "c"
    PYTHON = "python"


def choose(kind: Kind) -> Kind:
    """Return which launcher is meant. Raises CniError 5 if the C one is asked for and was not built."""
    if kind is Kind.C and not BINARY.is_file():
        raise CniError(
            IO_FAILURE, "the C launcher was not built: install gcc and libc6-dev, then podwire again"
        )
    if kind is Kind.AUTO:
        return Kind.C if BINARY.is_file() else Kind.PYTHON
    return kind


def launcher(plugin_type: str, interpreter: str = sys.executable, kind: Kind = Kind.AUTO) -> bytes:
    """Return the executable of one plugin.

    Raises:
        CniError: code 5, if the interpreter's path is too long or the launcher was not built.
    """
    if len(interpreter.encode()) > SHEBANG_LIMIT - len("#! -I -S") or any(map(str.isspace, interpreter)):
        raise CniError(
            IO_FAILURE, f"{interpreter}: the path is too long or has spaces; install podwire elsewhere"
        )
    if choose(kind) is Kind.C:
        return BINARY.read_bytes() + _trailer(plugin_type, interpreter)
    return _script(plugin_type, interpreter)


def is_launcher(path: Path) -> bool:
    """Tell whether a file is one that podwire wrote."""
    try:
        return is_ours(path)
    except OSError:  # absent, or a directory
        return False


def _trailer(plugin_type: str, interpreter: str) -> bytes:
    """Return what the C launcher reads of itself: `read_trailer` in launcher.c."""
    lines = b"\n".join([MARKER, plugin_type.encode(), interpreter.encode(), b""])
    return lines.ljust(TRAILER, b"\0")


def _script(plugin_type: str, interpreter: str) -> bytes:
    """Return the Python launcher. Isolated (-I), without `site` (-S): nothing of the caller's counts."""
    text = SCRIPT.read_text().replace("@TYPE@", plugin_type).replace("@INTERPRETER@", interpreter)
    return f"#!{interpreter} -IS\n{MARKER.decode()}\n{text}".encode()
