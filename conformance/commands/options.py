"""Options that several commands have, and what they mean."""

from __future__ import annotations

import argparse
import os
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from conformance.clause import Clause, Level
from conformance.command import Wrong
from conformance.profile import Profile, read_profile
from conformance.running.progress import Progress
from conformance.running.run import Piece, Run, Told, run_pieces

SPECIFIED = (Level.MUST, Level.SHOULD, Level.BEHAVIOUR)  # what is judged where nothing else is asked


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Add what chooses clauses."""
    parser.add_argument(
        "--level", metavar="LEVEL[,LEVEL]", default=",".join(SPECIFIED),
        help="levels: must, should, behaviour (these three where nothing is said), robust, datapath, "
        "fast, or all",
    )  # fmt: skip
    parser.add_argument(
        "--clause", nargs="+", metavar="ID", action="extend", help="judge these clauses only, of any level"
    )


def add_running(parser: argparse.ArgumentParser) -> None:
    """Add how a run goes on."""
    parser.add_argument(
        "--jobs", type=positive, default=len(os.sched_getaffinity(0)), metavar="N",
        help="cases at once (one per core)",
    )  # fmt: skip
    parser.add_argument(
        "--time-limit", type=float, metavar="SECONDS", help="replaces each clause's own limit"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")


def positive(text: str) -> int:
    """Read a number above 0."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return int(text)


def chosen(clauses: Sequence[Clause], asked: argparse.Namespace) -> list[Clause]:
    """Return the clauses that were asked for.

    Raises:
        Wrong: a level or clause that there is not.
    """
    if asked.clause:
        known = {one.id: one for one in clauses}
        for id in asked.clause:
            if id not in known:
                raise Wrong(f"there is no clause {id!r}; `{asked.program} list` names them")
        return [known[id] for id in dict.fromkeys(asked.clause)]
    wanted = list(Level) if asked.level == "all" else [_level(name) for name in asked.level.split(",")]
    return [one for one in clauses if one.level in wanted]


def judged(pieces: Sequence[Piece], asked: argparse.Namespace) -> Run:
    """Run the pieces with the progress that was asked for."""
    with progress([piece.name for piece in pieces], asked) as told:
        return run_pieces(pieces, asked.jobs, told)


@contextmanager
def progress(names: Iterable[str], asked: argparse.Namespace) -> Iterator[Told]:
    """Tell of the verdicts on stderr, one for each name, unless it is to be quiet."""
    if asked.quiet:
        yield lambda verdict: None
        return
    with closing(Progress(Counter(names))) as shown:
        yield shown


def _level(name: str) -> Level:
    try:
        return Level(name.strip())
    except ValueError as error:
        raise Wrong(f"there is no level {name!r}; there are {', '.join(Level)}, all") from error


def folders(text: str) -> list[Path]:
    """Return the folders of a CNI_PATH.

    Raises:
        Wrong: one is not there.
    """
    found = [Path(one).absolute() for one in text.split(":") if one]
    for folder in found:
        if not folder.is_dir():
            raise Wrong(f"{folder} is no folder; --cni-path names folders with plugins, with ':' between")
    if not found:
        raise Wrong("--cni-path names no folder")
    return found


def own_profiles(paths: Sequence[Path]) -> dict[str, Profile]:
    """Read profiles that were named, by type.

    Raises:
        Wrong: a file that is not there, or no profile.
    """
    try:
        return {profile.type: profile for profile in map(read_profile, paths)}
    except OSError as error:
        raise Wrong(f"{error.filename}: {error.strerror}") from error
    except ValueError as error:
        raise Wrong(str(error)) from error


def need_root(program: str) -> None:
    """Say what to do where no namespaces can be made.

    Raises:
        Wrong: we are not root.
    """
    if os.geteuid() == 0:
        return
    other = ""
    if subprocess.run(["unshare", "-Ur", "true"], capture_output=True, check=False).returncode == 0:
        other = f", or in a user namespace of your own: unshare -Ur {program} ..."
    raise Wrong(f"every case has namespaces of its own, which root alone can make: use sudo{other}")
