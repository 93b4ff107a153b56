"""systemd-networkd, udev and NetworkManager: do they leave alone what they did not make?"""

from __future__ import annotations

from collections.abc import Iterator
from configparser import ConfigParser
from fnmatch import fnmatchcase

from podwire.doctor.host_files import HostFiles, parse_ini
from podwire.doctor.verdict import State, Verdict

NETWORKD_RUNS = "/run/systemd/netif/state"  # it writes this as soon as it runs
UDEV_RUNS, MANAGER_RUNS = "/run/udev", "/run/NetworkManager"
FOREIGN = ("ManageForeignRoutes", "ManageForeignRoutingPolicyRules")  # networkd.conf(5); both default to yes
TRUE = ("1", "yes", "true", "on", "y", "t")  # systemd.syntax(7)
TUNNEL = "flannel.1"  # the tunnel device that must keep its MAC
OURS = (TUNNEL, "cni0", "veth0a1b2c3d")  # as NetworkManager would meet them


def look_at_networkd(files: HostFiles) -> Iterator[Verdict]:
    """Yield a verdict on what systemd-networkd does with others' routes when it restarts."""
    breaks = "the overlay's routes and rules: they go when systemd-networkd restarts"
    if not files.has(NETWORKD_RUNS):
        yield Verdict("systemd-networkd", State.FINE, "it does not run", breaks)
        return
    said = dict.fromkeys(FOREIGN, "yes")
    for parser in _all_of(files, "etc/systemd/networkd.conf", "systemd/networkd.conf.d", ".conf"):
        for key in FOREIGN:
            said[key] = parser.get("Network", key, fallback=said[key]) or "yes"
    removed = [key for key in FOREIGN if said[key].lower() in TRUE]
    if not removed:
        yield Verdict("systemd-networkd", State.FINE, "it leaves others' routes alone", breaks)
        return
    lines = "".join(f"{key}=no\\n" for key in FOREIGN)
    advice = (
        f"mkdir -p /etc/systemd/networkd.conf.d; printf '[Network]\\n{lines}' > "
        "/etc/systemd/networkd.conf.d/50-podwire.conf; systemctl restart systemd-networkd"
    )
    yield Verdict("systemd-networkd", State.RISKY, ", ".join(f"{key}=yes" for key in removed), breaks, advice)


def look_at_link_files(files: HostFiles) -> Iterator[Verdict]:
    """Yield a verdict on the .link file that udev applies to a tunnel device: the first that matches."""
    breaks = "mode vxlan: udev gives the tunnel device another MAC than its peers know"
    if not files.has(UDEV_RUNS):
        yield Verdict("MAC policy", State.FINE, "udev does not run", breaks)
        return
    for path in files.drop_ins("systemd/network", ".link"):
        parser = parse_ini(path.read_text(errors="replace"), str(path))
        if not _matches(parser):
            continue
        policy = parser.get("Link", "MACAddressPolicy", fallback="none") or "none"
        if policy != "none":
            yield Verdict("MAC policy", State.RISKY, f"{path}: {policy}", breaks, _link_file())
            return
        break
    yield Verdict("MAC policy", State.FINE, "udev leaves the tunnel device's MAC alone", breaks)


def look_at_network_manager(files: HostFiles) -> Iterator[Verdict]:
    """Yield a verdict on NetworkManager: pods' links and the tunnel must be unmanaged."""
    breaks = "pods' links and the tunnel device: NetworkManager configures them, or takes them down"
    if not files.has(MANAGER_RUNS):
        yield Verdict("NetworkManager", State.FINE, "it does not run", breaks)
        return
    unmanaged = ""
    for parser in _all_of(files, "etc/NetworkManager/NetworkManager.conf", "NetworkManager/conf.d", ".conf"):
        unmanaged = parser.get("keyfile", "unmanaged-devices", fallback="") or unmanaged
        unmanaged += "," + (parser.get("keyfile", "unmanaged-devices+", fallback="") or "")
    managed = [one for one in OURS if not _is_named(one, unmanaged)]
    if not managed:
        yield Verdict("NetworkManager", State.FINE, "it leaves pods' links alone", breaks)
        return
    wanted = "interface-name:veth*;interface-name:cni*;interface-name:flannel*;interface-name:podwire*"
    advice = (
        f"printf '[keyfile]\\nunmanaged-devices+={wanted}\\n' > /etc/NetworkManager/conf.d/podwire.conf; "
        "nmcli general reload"
    )
    yield Verdict("NetworkManager", State.RISKY, f"it manages {', '.join(managed)}", breaks, advice)


def _all_of(files: HostFiles, main: str, folder: str, suffix: str) -> Iterator[ConfigParser]:
    """Yield the main file, then drop-ins by name: what comes later counts."""
    if (text := files.read(main)) is not None:
        yield parse_ini(text, str(files.at(main)))
    for path in files.drop_ins(folder, suffix):
        yield parse_ini(path.read_text(errors="replace"), str(path))


def _matches(parser: ConfigParser) -> bool:
    """Tell whether a .link file's [Match] fits a tunnel device (systemd.link(5)); an empty one fits none."""
    facts = {"OriginalName": TUNNEL, "Kind": "vxlan", "Type": "vxlan", "Driver": "vxlan"}
    if not parser.has_section("Match") or not parser.items("Match"):
        return False
    return all(key in facts and _fits(facts[key], patterns or "") for key, patterns in parser.items("Match"))


def _fits(value: str, patterns: str) -> bool:
    is_inverted = patterns.startswith("!")
    words = patterns.removeprefix("!").split()
    return any(fnmatchcase(value, word) for word in words) != is_inverted


def _link_file() -> str:
    text = "[Match]\\nOriginalName=flannel* podwire*\\n[Link]\\nMACAddressPolicy=none\\n"
    return f"printf '{text}' > /etc/systemd/network/10-podwire.link; udevadm control --reload"


def _is_named(ifname: str, unmanaged: str) -> bool:
    """Tell whether a list of device specs (NetworkManager.conf(5)) names a link."""
    specs = [one.strip() for one in unmanaged.replace(",", ";").split(";")]
    names = [one.removeprefix("interface-name:") for one in specs if one.startswith("interface-name:")]
    return "*" in specs or any(fnmatchcase(ifname, name.removeprefix("=")) for name in names)
