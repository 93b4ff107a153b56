"""`plugin`: judge the plugins of a folder."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from conformance.case import KNOWN_VERSIONS, Plugin
from conformance.catalogue import PLUGIN_CLAUSES
from conformance.clause import Clause
from conformance.command import Wrong
from conformance.commands.options import (
    add_choice,
    add_running,
    chosen,
    folders,
    judged,
    need_root,
    own_profiles,
)
from conformance.commands.output import add_output, give
from conformance.reports.report import Report, Rule, Subject, now, ordered, this_machine
from conformance.running.daemon import Daemon
from conformance.running.finding import find_plugins
from conformance.running.judging import Task
from conformance.running.run import piece_of

SLOWEST = 2.0  # times as long as the plugins beside


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--cni-path", required=True, metavar="DIR[:DIR]", help="folders with the plugins")
    parser.add_argument(
        "--type", nargs="+", action="extend", default=[], metavar="TYPE", help="these plugins only"
    )
    parser.add_argument(
        "--config", nargs="+", action="extend", default=[], type=Path, metavar="PROFILE.json",
        help="profiles of plugins of your own (see init), in place of those that ship",
    )  # fmt: skip
    add_choice(parser)
    parser.add_argument(
        "--slowest", type=float, default=SLOWEST, metavar="RATIO",
        help="level fast: how many times as long as the other's a call may take (2)",
    )  # fmt: skip
    parser.add_argument(
        "--cni-version", default="", metavar="V", choices=("", *KNOWN_VERSIONS),
        help="the version that configurations say (the newest that the plugin lists)",
    )  # fmt: skip
    parser.add_argument(
        "--beside", metavar="DIR", help="level fast: the plugins whose times are compared with"
    )
    parser.add_argument(
        "--daemon", metavar="COMMAND", help="begun in every fresh world before the plugin is called"
    )
    parser.add_argument(
        "--daemon-socket", metavar="PATH", default="", help="the daemon is ready when it serves it"
    )
    add_running(parser)
    add_output(parser)


def run(asked: argparse.Namespace) -> int:
    """Judge, and report."""
    clauses = chosen(PLUGIN_CLAUSES, asked)
    path = folders(asked.cni_path)
    need_root(asked.program)
    plugins, unknown = _plugins(asked, path)
    begun = time.monotonic()
    tasks = _tasks(asked, plugins, clauses, path)
    found = judged([piece_of(task, asked.time_limit) for task in tasks], asked)
    return give(
        Report(
            now(), this_machine(), _again(asked), tuple(_subject(one) for one in plugins),
            tuple(Rule.of(one) for one in clauses), ordered(found.verdicts),
            round(time.monotonic() - begun, 1), found.interrupted, tuple(unknown),
        ),
        asked,
    )  # fmt: skip


def _plugins(asked: argparse.Namespace, path: Sequence[Path]) -> tuple[list[Plugin], list[str]]:
    try:
        plugins, unknown = find_plugins(path, asked.type or (), own_profiles(asked.config))
    except ValueError as error:
        raise Wrong(str(error)) from error
    if not plugins:
        named = f": {', '.join(unknown)} have no profile (see {asked.program} init)" if unknown else ""
        raise Wrong(f"no plugin to judge in {asked.cni_path}{named}")
    return plugins, unknown


def _tasks(
    asked: argparse.Namespace, plugins: Sequence[Plugin], clauses: Sequence[Clause], path: Sequence[Path]
) -> list[Task]:
    daemon = Daemon(asked.daemon, asked.daemon_socket) if asked.daemon else None
    beside = folders(asked.beside)[0] if asked.beside else None
    return [
        Task(plugin, clause, path, asked.cni_version, daemon, beside, asked.slowest)
        for plugin in plugins
        for clause in clauses
    ]


def _subject(plugin: Plugin) -> Subject:
    return Subject(plugin.type, str(plugin.path), plugin.profile.kind.value, plugin.versions)


def _again(asked: argparse.Namespace) -> tuple[str, ...]:
    """Return the command of this run, without what chose plugins and clauses and where the report went."""
    words = [*asked.program.split(), "plugin", "--cni-path", asked.cni_path]
    for name in ("cni_version", "beside", "slowest", "daemon", "daemon_socket", "time_limit"):
        value = vars(asked)[name]
        words += [f"--{name.replace('_', '-')}", str(value)] if value and value != SLOWEST else []
    return (*words, *(("--config", *map(str, asked.config)) if asked.config else ()))
