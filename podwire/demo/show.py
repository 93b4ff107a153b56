"""The show: two guests on a bridge, a ping, a web page through a host port, and nothing left.

Every sentence that claims something is said after it was verified; a claim that fails ends the show.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from podwire.demo import containerd
from podwire.demo.busybox_image import BUSYBOX, PAUSE, find_busybox, write_archive
from podwire.demo.conflists import PortMapping
from podwire.demo.container import serve
from podwire.demo.dumps import Dump, difference, leftovers, take_dump
from podwire.demo.errors import ShowError
from podwire.demo.lab import BRIDGE, GATEWAY, SUBNET, ContainerdLab, Guest, Lab
from podwire.demo.node_agent import NodeAgent, attach_times
from podwire.demo.plain import PlainLab
from podwire.demo.plugin_folder import PODWIRE, install_ours
from podwire.demo.report import Report
from podwire.demo.world import World, WorldError

OUTSIDE, OUTSIDE_NETWORK = "outside", "192.0.2"  # RFC 5737, for documentation
WEB_PORT = PortMapping(host_port=8080, container_port=80)
GREETING = "hello from behind a host port"


def show(report: Report, *, plain: bool) -> None:
    """Run the whole show; `plain` without containerd even where there is one.

    Raises:
        ShowError: something was not as claimed.
        WorldError: a command failed.
    """
    before = _look_at_machine()
    report.step("A host of its own")
    with World() as world:
        world.add_neighbour(OUTSIDE, OUTSIDE_NETWORK)
        report.say("Network, mount, pid, ipc, uts and cgroup namespaces were made: the host of this show.")
        report.say(f"The host is {OUTSIDE_NETWORK}.1; one cable away is {OUTSIDE_NETWORK}.2, the outside.")
        install_ours(world, "/opt/cni/bin")
        report.say(f"`podwire install` put into its /opt/cni/bin: {_names(world.path('/opt/cni/bin'))}.")
        with NodeAgent(world) as agent:
            report.say(f"`podwire agent` runs as process {agent.status()['pid']}: the executables ask it.")
            with _open_lab(report, world, plain=plain) as lab:
                _show_network(report, world, lab, agent)
            _show_times(report, world)
    report.step("The machine")
    if changes := difference(before, _look_at_machine()):
        raise ShowError("the machine is not as it was:\n" + "\n".join(changes))
    report.good("Its links, addresses, routes, nft rules, mounts and state files are as before the show.")


def _names(folder: Path) -> str:
    return ", ".join(sorted(path.name for path in folder.iterdir()))


def _look_at_machine() -> Dump:
    def run(argv: Sequence[str]) -> str:
        return subprocess.run(argv, capture_output=True, check=True, text=True).stdout

    return take_dump(run)


@contextmanager
def _open_lab(report: Report, world: World, *, plain: bool) -> Iterator[Lab]:
    if plain or not containerd.is_available():
        report.step("Guests")
        if not plain:
            report.say("containerd, ctr or runc is not here (as root: apt-get install containerd runc).")
        report.say("The guests are plain network namespaces, and `podwire cni` is their runtime.")
        yield PlainLab(world)
        return
    report.step("containerd")
    with containerd.Containerd(world) as daemon, tempfile.TemporaryDirectory(prefix="podwire-") as folder:
        report.say(f"containerd runs, with its own root and its own socket, {containerd.SOCKET}.")
        archive = Path(folder) / "images.tar"
        write_archive(archive, find_busybox())
        daemon.import_images(archive)
        size = archive.stat().st_size / 1e6
        report.say(f"Made from {find_busybox()} and imported, {size:.1f} MB: {BUSYBOX}, {PAUSE}.")
        yield ContainerdLab(daemon)


def _show_network(report: Report, world: World, lab: Lab, agent: NodeAgent) -> None:
    before = take_dump(world.run)
    report.step(f"Two {lab.kind}s on one network")
    report.say(f"Plugins: bridge with host-local ({BRIDGE}, {SUBNET}), portmap, firewall, tuning.")
    guests, words = [], []
    for name, ports in (("one", ()), ("two", (WEB_PORT,))):
        guest = lab.start(name, ports)
        guests.append(guest)
        words += [guest.container_id, guest.address()]
        took = agent.since_last("ADD")
        whole, parts = sum(ms for _, ms in took), ", ".join(f"{plugin} {ms:.1f}" for plugin, ms in took)
        if not took:
            raise ShowError(f"the agent was not asked to attach {name}")
        report.say(f"The {lab.kind} {name} is up as {guest.address()}, attached in {whole:.1f} ms ({parts}).")
    _show_pings(report, *guests)
    _show_host_port(report, world, lab, guests[1])
    _show_attachment(report, world, guests[1])
    report.step("The end")
    for guest in guests:
        guest.stop()
        report.say(f"The {lab.kind} {guest.name} was stopped and detached.")
    if left := leftovers(before, take_dump(world.run), shared=[BRIDGE], words=words):
        raise ShowError("left behind:\n" + "\n".join(left))
    report.good("No link, address, rule, element, reservation or cached result of theirs is left.")


def _show_pings(report: Report, one: Guest, two: Guest) -> None:
    for who, to, whom in (
        (one, two.address(), "two"),
        (two, one.address(), "one"),
        (one, GATEWAY, "the host"),
        (one, f"{OUTSIDE_NETWORK}.2", "the outside, masqueraded"),
    ):
        said = who.execute("ping", "-c", "1", "-w", "10", to)
        time = next((line.split("time=")[1] for line in said.splitlines() if "time=" in line), None)
        if time is None:
            raise ShowError(f"{who.name} did not reach {whom}: {said}")
        report.good(f"{who.name} pings {to}, {whom}: {time}.")


def _show_host_port(report: Report, world: World, lab: Lab, web: Guest) -> None:
    report.step("A web server behind a host port")
    web.execute("sh", "-c", serve(GREETING))
    url = f"http://{OUTSIDE_NETWORK}.1:{WEB_PORT.host_port}"
    report.say(f"httpd listens on port {WEB_PORT.container_port} of the {lab.kind} {web.name}.")
    wget = ["timeout", "10", "busybox", "wget", "-q", "-O", "-"]
    for who, prefix, address in (
        ("the outside", ["ip", "netns", "exec", OUTSIDE], url),
        ("the host itself", [], f"http://127.0.0.1:{WEB_PORT.host_port}"),
    ):
        if (said := world.run([*prefix, *wget, address]).strip()) != GREETING:
            raise ShowError(f"{who} fetched {address} and read {said!r}")
        report.good(f'From {who}, {address} says: "{said}".')


def _show_times(report: Report, world: World) -> None:
    report.step("How long an attach takes: bridge, host-local, masquerading and a host port")
    times = attach_times(world)
    for name, took in times.items():
        report.say(f"{name:10}  ADD {took['ADD']:6.1f} ms   DEL {took['DEL']:6.1f} ms   (median)")
    if len(times) == 2:
        ours, theirs = times.values()
        report.good(f"An ADD takes {ours['ADD'] / theirs['ADD']:.2f} of the Go plugins' time here.")
    else:
        report.say("The Go plugins are not here (as root: apt-get install containernetworking-plugins).")


def _show_attachment(report: Report, world: World, guest: Guest) -> None:
    report.step(f"What {guest.name} owns in the kernel and in files: podwire inspect {guest.container_id}")
    try:
        report.shown(world.run([*PODWIRE, "inspect", guest.container_id]))
    except WorldError as error:
        raise ShowError(f"the attachment could not be inspected: {error}") from error
