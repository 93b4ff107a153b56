"""`podwire ipam`: look at reserved addresses, find those that nobody holds, give them back."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cni_spec.errors import INVALID_ENVIRONMENT, CheckFailed, CniError
from cni_spec.json_input import JsonObject
from ipam.directory import Owner
from ipam.index import Reservation
from ipam.keys import Key, name_of, parse_name
from ipam.network import DATA_DIR, Network
from ipam.store import Store, operate
from ipam.survey import Problem, find_problems, network_names
from podwire.commands.failing import Failed
from podwire.commands.options import CACHE_DIR, CacheDirOption, OutputOption
from podwire.commands.printing import Output, print_json, print_table

app = typer.Typer(
    no_args_is_help=True, help="Look at the addresses host-local has reserved on this machine, and give back."
)

NetworkArgument = Annotated[str, typer.Argument(help="The network's name.")]
WhatArgument = Annotated[
    str, typer.Argument(metavar="ADDRESS|CONTAINER", help="An address, or a container's id.")
]
DataDirOption = Annotated[Path, typer.Option("--data-dir", help="Where host-local keeps its networks.")]
IfnameOption = Annotated[str, typer.Option("--ifname", "-i", help="Only this interface of the container.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Even if the container's namespace is there.")]


@app.command("list")
def list_(
    network: Annotated[str, typer.Argument(help="A network's name; all of them without.")] = "",
    data_dir: DataDirOption = DATA_DIR,
    output: OutputOption = Output.TABLE,
) -> None:
    """List reserved addresses, and those that cool down or are remembered for a pod."""
    rows = [row for name in _networks(network, data_dir) for row in _rows(name, data_dir)]
    if output is Output.JSON:
        print_json({"reservations": rows})
        return
    columns = ("network", "address", "state", "container", "ifname", "since", "netns")
    print_table([one.upper() for one in columns], [[str(row[one]) for one in columns] for row in rows])


@app.command()
def show(
    network: NetworkArgument,
    what: WhatArgument,
    data_dir: DataDirOption = DATA_DIR,
    output: OutputOption = Output.TABLE,
) -> None:
    """Tell all that is known of an address, or of what a container holds."""
    name = _networks(network, data_dir)[0]
    rows = [row for row in _rows(name, data_dir) if what in _subjects(row)]
    if not rows:
        raise CniError(INVALID_ENVIRONMENT, f"network {name}: nothing is known of {what}")
    if output is Output.JSON:
        print_json({"reservations": rows})
        return
    print_table(("KEY", "VALUE"), [(key, str(value)) for row in rows for key, value in row.items()])


@app.command()
def release(
    network: NetworkArgument,
    what: WhatArgument,
    ifname: IfnameOption = "",
    force: ForceOption = False,
    data_dir: DataDirOption = DATA_DIR,
    output: OutputOption = Output.TABLE,
) -> None:
    """Give an address back, or all that a container holds; nothing held is no error."""
    name = _networks(network, data_dir)[0]

    def give_back(store: Store) -> list[str]:
        chosen = [one for one in store.index.reservations() if _is_meant(one, what, ifname)]
        if not force:
            _spare_the_living(chosen)
        return [name_of(one.key) for one in chosen if store.release(one.key, one.owner)]

    released = operate(Network(name, data_dir), give_back)
    if output is Output.JSON:
        print_json({"network": name, "released": released})
        return
    print_table(("RELEASED",), [[one] for one in released])


@app.command()
def check(
    network: Annotated[str, typer.Argument(help="A network's name; all of them without.")] = "",
    data_dir: DataDirOption = DATA_DIR,
    cache_dir: CacheDirOption = CACHE_DIR,
    output: OutputOption = Output.TABLE,
) -> None:
    """Find files that are empty, damaged, or of containers that are gone, and say what to do."""
    names = _networks(network, data_dir)
    found = [one for name in names for one in find_problems(data_dir, name)]
    for name in names:
        found += _orphans(name, data_dir, _cached_namespaces(name, cache_dir))
    rows: list[JsonObject] = [
        {"network": one.network, "name": one.name, "problem": one.what, "advice": one.advice} for one in found
    ]
    if output is Output.TABLE:
        print_table(
            ("NETWORK", "NAME", "PROBLEM", "WHAT TO DO"), [[str(v) for v in row.values()] for row in rows]
        )
    if found:
        problems = f"{len(found)} problem{'s' if len(found) > 1 else ''}"
        raise Failed(CheckFailed(f"{problems} with the reservations in {data_dir}"), {"problems": rows})
    if output is Output.JSON:
        print_json({"problems": rows})


def _networks(network: str, data_dir: Path) -> list[str]:
    names = network_names(data_dir)
    if network and network not in names:
        known = ", ".join(names) or "none"
        raise CniError(INVALID_ENVIRONMENT, f"no network {network} in {data_dir}; there are: {known}")
    return [network] if network else names


def _describe(store: Store) -> list[JsonObject]:
    """Describe every address of a network that is not simply free."""
    sticky = store.sticky(create=False)
    names = sticky.all() if sticky else {}
    cooling = store.index.addresses("cooling")
    waiting = [key for key in store.index.addresses("idle") if key not in cooling]
    return [
        *(_row(one.key, "taken", names, one) for one in store.index.reservations()),
        *(_row(key, "cooling", names, None) for key in cooling),
        *(_row(key, "remembered", names, None) for key in waiting),
    ]


def _row(key: Key, state: str, names: dict[Key, str], one: Reservation | None) -> JsonObject:
    return {
        "address": name_of(key),
        "state": state,
        "container": one.owner.container_id if one else "",
        "ifname": one.owner.ifname if one else "",
        "netns": one.netns if one else "",
        "since": datetime.fromtimestamp(one.since, UTC).isoformat(timespec="seconds") if one else "",
        "rememberedFor": names.get(key, ""),
    }


def _rows(network: str, data_dir: Path) -> list[JsonObject]:
    return [{"network": network} | row for row in operate(Network(network, data_dir), _describe)]


def _subjects(row: JsonObject) -> tuple[object, object]:
    return row["address"], row["container"]


def _is_meant(one: Reservation, what: str, ifname: str) -> bool:
    if (key := parse_name(what)) is not None:
        return one.key == key
    return one.owner.container_id == what and ifname in ("", one.owner.ifname)


def _spare_the_living(chosen: list[Reservation]) -> None:
    for one in chosen:
        if one.netns and os.path.lexists(one.netns):
            raise CniError(
                INVALID_ENVIRONMENT,
                f"{name_of(one.key)} is held by {one.owner}, and its namespace {one.netns} is there; "
                "--force gives it back all the same",
            )


def _cached_namespaces(network: str, cache_dir: Path) -> dict[Owner, str]:
    """Return the namespaces libcni's cache knows: owner -> path."""
    from pod_runner.cni.cache import ResultCache

    cached = [one for one in ResultCache(cache_dir).attachments() if one.network == network]
    return {Owner(one.target.container_id, one.target.ifname): one.target.netns for one in cached}


def _orphans(network: str, data_dir: Path, cached: dict[Owner, str]) -> list[Problem]:
    """List reservations whose container seems to be gone."""
    found = []
    for one in operate(Network(network, data_dir), lambda store: list(store.index.reservations())):
        netns = one.netns or cached.get(one.owner, "")
        if netns and os.path.lexists(netns):
            continue
        name = name_of(one.key)
        what = f"its namespace {netns} is gone" if netns else "no namespace and no cached result is known"
        advice = f"if {one.owner.container_id} is not running: podwire ipam release {network} {name}"
        found.append(Problem(network, name, f"held by {one.owner}: {what}", advice))
    return found
