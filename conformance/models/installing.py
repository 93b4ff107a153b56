"""Put a model into a folder, as an executable of its own name."""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module
from pathlib import Path

from conformance.forking import offer

ROOT = Path(__file__).parents[2]
MODELS = {"judge-veth": "veth", "judge-label": "label", "judge-ipam": "recording_ipam"}  # type -> module


def install_model(folder: Path, type: str) -> Path:
    """Write the executable of a model into a folder, and return its path."""
    path = folder / type
    path.write_text(
        f"#!{sys.executable} -IS\n"
        f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        f"sys.pycache_prefix = {str(folder / '.compiled')!r}\n"  # compiling costs more than running
        f"from conformance.models.{MODELS[type]} import main\n"
        "sys.exit(main())\n"
    )
    path.chmod(0o755)
    offer(path, partial(_main, type))
    return path


def load_models() -> None:
    """Import every model, for the processes that will stand for them."""
    for name in MODELS.values():
        import_module(f"conformance.models.{name}")


def _main(type: str) -> int:
    status: int = import_module(f"conformance.models.{MODELS[type]}").main()
    return status
