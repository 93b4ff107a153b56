"""The command line: `python -m conformance`, `cni-conformance`, and behind `podwire conformance`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

PROGRAM = "python -m conformance"
USAGE = 2  # exit status: the command was wrong, or nothing can be judged here
INTERRUPTED = 130  # 128 + SIGINT, as a shell has it
# command -> its module (arguments, run), and what --help says of it
COMMANDS = {
    "plugin": ("conformance.commands.plugin", "judge the plugins of a folder"),
    "runtime": ("conformance.commands.runtime", "judge a runtime"),
    "list": ("conformance.commands.clauses", "list the clauses"),
    "explain": ("conformance.commands.explain", "tell what a clause asks, and why"),
    "init": ("conformance.commands.init", "begin a profile for a plugin of your own"),
    "profile": ("conformance.commands.profile", "show the schema or an example of profiles, or check one"),
    "compare": ("conformance.commands.compare", "show two reports side by side"),
    "self-test": ("conformance.commands.self_test", "judge plugins that break one rule each"),
}


class Wrong(Exception):
    """What was asked cannot be done; the text is one sentence that says what to do."""


def main(argv: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Run one command; return the exit status: 0 all passed, 1 something failed, 2 it was asked wrongly."""
    words = list(sys.argv[1:] if argv is None else argv)
    # Who ends a run by SIGTERM is told what was judged, as by Ctrl-C
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if words[:1] == ["--compare"]:
        words[0] = "compare"
    try:
        asked = _parser(program, words).parse_args(words)
        asked.program, asked.words = program, words
        status: int = import_module(COMMANDS[asked.command][0]).run(asked)
        sys.stdout.flush()
    except Wrong as error:
        print(f"conformance: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


def script() -> None:
    """Be `cni-conformance`."""
    sys.exit(main(program="cni-conformance"))


def _parser(program: str, words: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser; only the module of the command that was asked for is imported."""
    parser = argparse.ArgumentParser(
        prog=program, description="Judge CNI plugins and runtimes by what they do.", allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, sentence) in COMMANDS.items():
        one = commands.add_parser(
            name, help=sentence, description=sentence.capitalize() + ".", allow_abbrev=False
        )
        if name in words[:1]:
            import_module(module).arguments(one)
    return parser
