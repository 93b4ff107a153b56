"""podwire's own parts: the launchers that runtimes execute, and the agent behind them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from cni_plugins.registry import PLUGIN_TYPES
from cni_spec.errors import CniError
from podwire.agent.client import read_status, socket_path
from podwire.doctor.verdict import State, Verdict
from podwire.install.launchers import Kind, is_launcher, launcher


def look_at_launchers(folder: Path) -> Iterator[Verdict]:
    """Yield a verdict on the launchers in a folder: are they those of this installation?"""
    ours = [name for name in PLUGIN_TYPES if is_launcher(folder / name)]
    stale = [name for name in ours if not _is_current(folder / name, name)]
    breaks = "agreement of plugins and agent: runtimes execute another podwire than this one"
    if stale:
        advice = f"podwire install --to {folder} --force"
        yield Verdict(
            "launchers", State.RISKY, f"of another installation: {', '.join(stale)}", breaks, advice
        )
    else:
        yield Verdict("launchers", State.FINE, f"{len(ours)} of this installation in {folder}", breaks)


def look_at_agent(path: Path | None = None) -> Iterator[Verdict]:
    """Yield a verdict on the agent: does it answer, and is it of this version?"""
    path = path or socket_path()
    breaks = "the overlay, metrics, and plugins' speed: without it each call starts a Python"
    try:
        status = read_status(path)
    except CniError:
        advice = (
            "podwire agent, or systemctl start podwire-agent; where none may run, the next ADD works alone"
        )
        yield Verdict("agent", State.LACKING, f"none answers at {path}", breaks, advice)
        return
    mine, its = version("podwire"), status["version"]
    if mine == its:
        yield Verdict("agent", State.FINE, f"{its}, pid {status['pid']}", breaks)
        return
    advice = f"systemctl restart podwire-agent, or kill {status['pid']}: the next call starts a new one"
    yield Verdict("agent", State.RISKY, f"it is {its}, this is {mine}", breaks, advice)


def _is_current(path: Path, plugin_type: str) -> bool:
    """Compare a launcher with what would be written now, of either kind."""
    seen = path.read_bytes()
    for kind in (Kind.C, Kind.PYTHON):
        try:
            if seen == launcher(plugin_type, kind=kind):
                return True
        except CniError:  # the C one was not built
            continue
    return False
