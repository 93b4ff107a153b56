"""overlay under flannel's name: its configurations, files and pods are understood."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from tests.calls import REFERENCE_PLUGINS, Container, Json, Plugins, ip_json, run
from tests.overlay.flannel.recordings import FOLDER
from tests.overlay_world import (
    CONFIG,
    DATA_DIR,
    FLANNELS_STATE,
    SUBNET_FILE,
    MakeContainer,
    addresses,
    lease,
    links,
    needs_reference,
    plugins,
    reaches,
    reserved,
    state_of,
)

RECORDED = FOLDER / "i_cni_plugin"

__all__ = ["lease", "plugins"]


def _recorded(name: str, otherwise: Json) -> Json:
    """Return what a real flannel left, or our own copy where the recordings are not at hand."""
    file = RECORDED / name
    found: Json = json.loads(file.read_text()) if file.exists() else otherwise
    return found


@pytest.mark.parametrize("kind", ["flannel", "overlay"])
def test_the_delegate_is_configured_as_flannel_does_it(
    container: MakeContainer, plugins: Plugins, kind: str
) -> None:
    conf = _recorded("conf.json", {"name": "cbr0", "cniVersion": "1.0.0", "delegate": CONFIG["delegate"]})
    one = container("abc123")
    plugins.add(conf | {"type": kind}, one)
    kept = json.loads(state_of(one).read_text())
    assert kept.pop("severalGateways") is True  # ours: gateways of other blocks may stay
    assert kept == _recorded("state_flannel_abc123.json", FLANNELS_STATE)


@pytest.mark.skipif(not RECORDED.is_dir(), reason="flannel's recordings are not at hand")
def test_the_result_and_the_pod_are_what_flannel_made(container: MakeContainer, plugins: Plugins) -> None:
    SUBNET_FILE.write_text((RECORDED / "n1.subnet.env").read_text())
    conf = json.loads((RECORDED / "conf.json").read_text())
    one = container("abc123")
    result, theirs = plugins.add(conf, one), json.loads((RECORDED / "add.result.json").read_text())
    for key in ("cniVersion", "ips", "routes"):
        assert result[key] == theirs[key], key
    ours = [(i["name"], "sandbox" in i) for i in result["interfaces"]]
    assert [name for name, _ in ours][::2] == ["cni0", "eth0"]
    assert [inside for _, inside in ours] == ["sandbox" in i for i in theirs["interfaces"]]

    def routes(seen: list[Json]) -> set[tuple[object, ...]]:
        return {tuple(route.get(key) for key in ("dst", "gateway", "dev", "prefsrc")) for route in seen}

    recorded = json.loads((RECORDED / "pod.route.json").read_text())
    assert routes(ip_json("-n", "abc123", "route")) == routes(recorded)

    def eth0(seen: list[Json]) -> list[object]:
        (link,) = [one for one in seen if one["ifname"] == "eth0"]
        four = [a for a in link["addr_info"] if a["family"] == "inet"]
        return [link["mtu"], link["operstate"], [(a["local"], a["prefixlen"], a["broadcast"]) for a in four]]

    recorded = json.loads((RECORDED / "pod.addr.json").read_text())
    assert eth0(ip_json("-n", "abc123", "addr")) == eth0(recorded)


@needs_reference
@pytest.mark.parametrize("kind", ["bridge", "ptp"])
def test_a_pod_of_flannels_is_checked_and_removed(
    container: MakeContainer, plugins: Plugins, kind: str
) -> None:
    config = CONFIG | {"cniVersion": "1.0.0", "type": "flannel"}
    one = container("one")
    state = FLANNELS_STATE | {"type": kind}
    result = _as_flannel(state, one)
    assert plugins.check(config, one, result) == ""
    one.run("ip", "route", "del", "10.244.0.0/16")
    assert "10.244.0.0/16" in plugins.check(config, one, result)
    SUBNET_FILE.unlink()
    plugins.delete(config, one)
    plugins.delete(config, one)
    assert [name for name in links() if name.startswith("veth")] == []
    assert reserved() == [] and list(DATA_DIR.iterdir()) == []


@needs_reference
def test_check_of_a_pod_of_flannels_sees_that_it_left_the_bridge(
    container: MakeContainer, plugins: Plugins
) -> None:
    one = container("one")
    result = _as_flannel(FLANNELS_STATE, one)
    (veth,) = [name for name in links() if name.startswith("veth")]
    run(["ip", "link", "set", veth, "nomaster"])
    assert f"{veth} is not attached to cni0" in plugins.check(CONFIG, one, result)


@needs_reference
def test_pods_of_flannels_and_ours_share_bridge_and_pool(container: MakeContainer, plugins: Plugins) -> None:
    one, two = container("one"), container("two")
    _as_flannel(FLANNELS_STATE, one)
    assert addresses(plugins.add(CONFIG, two)) == ["10.244.51.3/24"]
    assert reaches(one, "10.244.51.3")


def _as_flannel(state: Json, one: Container) -> Json:
    """Attach as flannel's plugin does: write its file, run the reference's plugin with its content."""
    DATA_DIR.mkdir(parents=True, exist_ok=True)
    (DATA_DIR / one.name).write_text(json.dumps(state))
    variables = {
        "CNI_COMMAND": "ADD", "CNI_CONTAINERID": one.name, "CNI_IFNAME": one.ifname,
        "CNI_NETNS": one.netns, "CNI_PATH": str(REFERENCE_PLUGINS), "PATH": os.environ["PATH"],
    }  # fmt: skip
    done = subprocess.run(
        [REFERENCE_PLUGINS / state["type"]], input=json.dumps(state).encode(), env=variables,
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    result: Json = json.loads(done.stdout)
    return result
