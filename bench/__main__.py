"""`python -m bench [NAME [OPTION...]]`: run one bench, or list them.

A bench is a module here with `measure(arguments) -> list[Row]`; its docstring says what is measured.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pkgutil import iter_modules

import bench
from bench.report import finish

_NO_BENCHES = ("__main__",)


def names() -> list[str]:
    """Return the benches there are."""
    modules = (one.name for one in iter_modules(bench.__path__) if one.name not in _NO_BENCHES)
    return sorted(name for name in modules if hasattr(import_module(f"bench.{name}"), "measure"))


def main(arguments: list[str]) -> int:
    """Run what was asked for; return the exit status."""
    if not arguments:
        for name in names():
            first_line = (import_module(f"bench.{name}").__doc__ or "").partition("\n")[0]
            print(f"{name:12} {first_line}")
        return 0
    name = arguments[0]
    if name not in names():
        print(f"bench: there is no {name}; there are: {', '.join(names())}", file=sys.stderr)
        return 2
    module = import_module(f"bench.{name}")
    return finish(name, module.measure(arguments[1:]), module.__doc__ or "")


sys.exit(main(sys.argv[1:]))
