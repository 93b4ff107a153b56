"""Where plugins are executed, and by which names: namespaces, ids, CNI_PATH."""

from __future__ import annotations

from pathlib import Path

from conformance.clause import Level, NotApplicable, expect
from conformance.runtime.case import NETWORK, RuntimeCase
from conformance.runtime.clause import runtime_clause
from conformance.runtime.clauses.asking import added

BAD_NAMES = ("-begins-with-a-hyphen", "has a blank", "has/a/slash", "höhe")
GOOD_NAME = "Aa.0_z-9"


@runtime_clause("59", Level.MUST, "3, Lifecycle & Ordering", "executes plugins in its own network namespace")
def in_its_own_namespace(case: RuntimeCase) -> None:
    """Plugins must be executed in the runtime's network namespace, not in the container's.

    A plugin makes the host's end of an interface where it stands; from inside the container it could not.
    """
    own = Path("/proc/self/ns/net").stat().st_ino
    case.network()
    container, _ = added(case)
    case.run("del", container)
    for call in case.calls("ADD", "DEL"):
        expect(call.own == own, f"{call} ran in the network namespace {call.own}; the runtime's is {own}")


@runtime_clause("60", Level.MUST, "3, Lifecycle & Ordering", "makes the namespace before, removes it after")
def makes_the_namespace(case: RuntimeCase) -> None:
    """The container's network namespace is there before the first plugin is called, and goes after the last.

    A namespace that stays keeps interfaces and addresses of a container that nobody knows any more.
    """
    if case.profile.uses("netns"):
        raise NotApplicable(f"the caller makes the namespaces that {case.profile.name} is given")
    own = Path("/proc/self/ns/net").stat().st_ino
    case.network()
    container, calls = added(case)
    for call in calls:
        path = call.environment.get("CNI_NETNS", "")
        expect(call.target, f"{call}: CNI_NETNS {path!r} led to nothing")
        expect(call.target != own, f"{call}: CNI_NETNS {path!r} is the runtime's own namespace")
    case.delete(container)
    first = Path(calls[0].environment["CNI_NETNS"])
    left = first.exists() and first.stat().st_ino == calls[0].target
    expect(not left, f"del succeeded, but the namespace {first} is still there")


@runtime_clause(
    "82", Level.MUST, "1, Configuration; 2, Parameters", "checks names and container ids", seconds=120
)
def checks_names(case: RuntimeCase) -> None:
    """A network's name and a container's id begin with a letter or digit, then also '_', '.', '-'; no others.

    Both become parts of file names and of rules. No plugin may be called with another, and one that is
    allowed must work.
    """
    for name in BAD_NAMES:
        case.network(name=name)
        case.run("add", case.container(), network=name)
        calls = case.calls("ADD")
        expect(not calls, f"a plugin was called for a network of the name {name!r}")
    case.network(name=GOOD_NAME)
    added(case, network=GOOD_NAME)
    (case.confdir / f"10-{NETWORK}.conflist").unlink()
    if case.profile.own_ids or not case.profile.uses("container"):
        return
    case.network()
    before = len(case.calls("ADD"))
    for name in BAD_NAMES:
        case.run("add", case.container(name))
        expect(len(case.calls("ADD")) == before, f"a plugin was called for a container of the id {name!r}")
    case.add(case.container(GOOD_NAME))


@runtime_clause("83", Level.MUST, "2, Parameters", "hands CNI_PATH down")
def hands_the_path_down(case: RuntimeCase) -> None:
    """Every plugin is told where plugins are looked for, because it looks for its delegates there."""
    second = case.folder / "more-plugins"
    second.mkdir()
    folder = str(case.recording.plugins)
    given = case.profile.uses("cnipath")
    expected = [folder, str(second)] if given else [folder]
    path = ":".join(expected)
    case.network()
    container, _ = added(case, cnipath=path)
    case.run("del", container, cnipath=path)
    for call in case.calls("ADD", "DEL"):
        told = call.environment.get("CNI_PATH", "")
        whole = told.split(":") == expected if given else folder in told.split(":")
        expect(whole, f"{call} was given the CNI_PATH {told!r}; the runtime looks in {path!r}")


CLAUSES = (in_its_own_namespace, makes_the_namespace, checks_names, hands_the_path_down)
