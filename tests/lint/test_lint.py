"""Each mistake people make is found, at its line and column, and good configurations are left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from podwire.install.planning import SAMPLES, sample
from podwire.lint.linting import lint
from tests.cli.conftest import Cli, cli, said

__all__ = ["cli"]

HOST_LOCAL = '"ipam": {"type": "host-local", "subnet": "10.1.0.0/24"}'
BRIDGE = f'{{"type": "bridge", {HOST_LOCAL}}}'


def _write(folder: Path, plugins: str, name: str = "net1", keys: str = "") -> Path:
    """Write a list whose plugins begin in line 2."""
    file = folder / f"10-{name}.conflist"
    file.write_text(f'{{"cniVersion": "1.0.0", "name": "{name}", {keys}"plugins": [\n{plugins}\n]}}')
    return file


def _found(file: Path, uplink_mtu: int | None = None) -> list[str]:
    found = [str(finding).removeprefix(f"{file}:") for finding in lint(file, uplink_mtu=uplink_mtu)]
    return [line.replace(str(file.parent), "DIR") for line in found]


CASES: list[tuple[str, str, list[str]]] = [
    ("a good bridge", BRIDGE, []),
    ("an unknown key", '{"type": "bridge", "isGatway": true}',
     ['2:20: warning: unknown key "isGatway" of bridge; did you mean "isGateway"?']),
    ("an unknown key where strict", '{"type": "bridge", "strict": true, "isGatway": true}',
     ['2:36: error: unknown key "isGatway" of bridge; did you mean "isGateway"?']),
    ("an unknown key inside", '{"type": "bridge", "vlanTrunk": [{"id": 3, "maxId": 4, "x": 1}]}',
     ['2:34: error: vlanTrunk.0: minID and maxID belong together, came {"id": 3, "maxID": 4}',
      '2:44: warning: key "vlanTrunk[0].maxId" is taken as "maxID"',
      '2:56: warning: unknown key "vlanTrunk[0].x" of bridge']),
    ("another letter case", '{"type": "bridge", "hairpinmode": true}',
     ['2:20: warning: key "hairpinmode" is taken as "hairpinMode"']),
    ("one key in two spellings", '{"type": "bridge", "mtu": 1, "MTU": 2}',
     ['2:27: error: mtu: given twice, also as "MTU"']),
    ("a value of the wrong type", '{"type": "bridge",\n "mtu": "1500"}',
     ['3:9: error: mtu: expected a valid integer, came "1500"']),
    ("two wrong values", '{"type": "bridge", "mtu": true, "vlan": 5000}',
     ["2:27: error: mtu: expected a valid integer, came true",
      "2:41: error: vlan: expected less than or equal to 4094, came 5000"]),
    ("a plugin nobody knows", '{"type": "brigde"}',
     ['2:10: warning: "brigde" is no plugin of podwire, its keys are not judged; did you mean "bridge"?']),
    ("a plugin of the reference", '{"type": "macvlan", "anything": 1}', []),
    ("an ipam without type", '{"type": "bridge", "ipam": {"subnet": "10.0.0.0/24"}}',
     ["2:28: error: ipam has no type"]),
    ("an ipam nobody knows", '{"type": "bridge", "ipam": {"type": "hostlocal"}}',
     ['2:37: warning: "hostlocal" is no plugin of podwire, its keys are not judged; '
      'did you mean "host-local"?']),
    ("portmap without its capability", f'{BRIDGE},\n{{"type": "portmap"}}',
     ['3:1: warning: portmap does nothing without "capabilities": {"portMappings": true}']),
    ("a capability misspelled",
     f'{BRIDGE},\n{{"type": "portmap", "capabilities": {{"portMapping": true}}}}',
     ['3:1: warning: portmap does nothing without "capabilities": {"portMappings": true}',
      '3:38: warning: no runtime knows the capability "portMapping"; did you mean "portMappings"?']),
    ("a capability that is off",
     f'{BRIDGE},\n{{"type": "portmap", "capabilities": {{"portMappings": false}}}}',
     ['3:1: warning: portmap does nothing without "capabilities": {"portMappings": true}']),
    ("portmap before the bridge",
     f'{{"type": "portmap", "capabilities": {{"portMappings": true}}}},\n{BRIDGE}',
     ["2:10: error: portmap works on the interface that bridge makes: move it after bridge"]),
    ("tuning before ptp", f'{{"type": "tuning"}},\n{{"type": "ptp", {HOST_LOCAL}}}',
     ["2:10: error: tuning works on the interface that ptp makes: move it after ptp"]),
    ("host-local in the list", f'{BRIDGE},\n{{"type": "host-local"}}',
     ["3:10: error: host-local gives addresses: it belongs into the ipam of another plugin"]),
    ("two interfaces of one name", f'{BRIDGE},\n{{"type": "ptp"}}',
     ["3:10: error: ptp makes the interface that bridge has made already"]),
    ("tuning undoes the mtu",
     f'{{"type": "bridge", "mtu": 1400, {HOST_LOCAL}}},\n{{"type": "tuning", "mtu": 1500}}',
     ["3:27: warning: tuning sets mtu 1500, larger than the 1400 its peer has"]),
    ("a good overlay", '{"type": "overlay", "delegate": {"isDefaultGateway": true},\n'
     '"ipam": {"routes": [{"dst": "192.0.2.0/24"}]}},\n'
     '{"type": "portmap", "capabilities": {"portMappings": true}}', []),
    ("a good overlay of ptp",
     '{"type": "flannel", "delegate": {"type": "ptp", "isDefaultGateway": true}}', []),
    ("an overlay's keys", '{"type": "flannel", "subnetfile": "/run/x",\n"delegat": {}, "waitTimeout": 99}',
     ['2:21: warning: key "subnetfile" is taken as "subnetFile"',
      '3:1: warning: unknown key "delegat" of overlay; did you mean "delegate"?',
      "3:31: error: waitTimeout: expected less than or equal to 60, came 99"]),
    ("a delegate's keys",
     '{"type": "overlay", "delegate":\n{"hairpinmode": true, "mtu": "x", "isGatway": 1}}',
     ['3:2: warning: key "hairpinmode" is taken as "hairpinMode"',
      '3:30: error: mtu: expected a valid integer, came "x"',
      '3:35: warning: unknown key "isGatway" of bridge; did you mean "isGateway"?']),
    ("a delegate nobody knows", '{"type": "overlay", "delegate": {"type": "brigde"}}',
     ['2:42: warning: "brigde" is no plugin of podwire, its keys are not judged; did you mean "bridge"?']),
    ("a delegate with a name", '{"type": "overlay",\n"delegate": {"name": "x"}}',
     ["3:13: error: delegate: delegate.name is not for the configuration to say: it is the network's, "
      'came {"name": "x"}']),
    ("an overlay with ranges", '{"type": "overlay",\n"ipam": {"ranges": []}}',
     ["3:20: warning: ipam.ranges: the ranges are those of the node's lease"]),
    ("portmap before an overlay",
     '{"type": "portmap", "capabilities": {"portMappings": true}},\n{"type": "overlay"}',
     ["2:10: error: portmap works on the interface that overlay makes: move it after overlay"]),
    ("pools overlap in a list", '{"type": "bridge", "ipam": {"type": "host-local", "ranges": [\n'
     '[{"subnet": "10.1.0.0/16"}],\n[{"subnet": "10.1.7.0/24"}]]}}',
     ["4:13: error: 10.1.7.0/24 overlaps 10.1.0.0/16 of the same network"]),
    ("pools apart by their limits", '{"type": "bridge", "ipam": {"type": "host-local", "ranges": [[\n'
     '{"subnet": "10.1.0.0/24", "rangeEnd": "10.1.0.99"},\n'
     '{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.100"}]]}}', []),
    ("a gateway outside", '{"type": "bridge", "ipam": {"type": "host-local", "subnet": "10.1.0.0/24",\n'
     '"gateway": "10.1.1.1"}}', ["3:12: error: gateway 10.1.1.1 is outside the subnet 10.1.0.0/24"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("plugins", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_each_mistake_is_found_where_it_is(tmp_path: Path, plugins: str, expected: list[str]) -> None:
    found = _found(_write(tmp_path, plugins))

    assert found == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"name": "a",\n  "plugins": [}', "2:15: error: not JSON"),
        (b'{"name": "a",\n  "name": "b"}', '2:3: error: not JSON: key "name" is there more than once'),
        (b"", "1:1: error: expected a JSON object, came nothing"),
        (b"\xff\xfe", "1:1: error: not UTF-8"),
        (b'{"name": "a", "plugins": []}', "1:26: error: plugins: expected at least one"),
        (
            b'{"name": "a",\n "plugins": [{"type": 3}]}',
            "2:23: error: plugins.0: type: expected a valid string",
        ),
        (b'{"name": "a/b",\n "plugins": [{"type": "x"}]}', "1:10: error: name: expected a network name"),
        (
            b'{"name": "a",\n "cniVersion": "2.0.0", "plugins": [{"type": "x"}]}',
            "2:16: error: cniVersion 2.0.0 is",
        ),
        (b'{"name": "a"}', "1:1: error: network a has no plugins"),
    ],
)
def test_what_is_no_list_is_one_finding_at_its_place(tmp_path: Path, data: bytes, expected: str) -> None:
    file = tmp_path / "10-a.conflist"
    file.write_bytes(data)

    found = _found(file)
    assert len(found) == 1 and found[0].startswith(expected), found


def test_keys_of_a_list_count_in_their_exact_spelling(tmp_path: Path) -> None:
    found = _found(_write(tmp_path, BRIDGE, keys='"disablecheck": true, '))

    assert found == ['1:41: warning: unknown key "disablecheck" in a list; did you mean "disableCheck"?']


def test_an_mtu_larger_than_the_way_out_is_found(tmp_path: Path) -> None:
    file = _write(tmp_path, f'{{"type": "bridge", "mtu": 9000, {HOST_LOCAL}}}')

    assert _found(file, 1500) == [
        "2:27: warning: mtu 9000 is larger than the 1500 of the way out of this machine"
    ]
    assert _found(file, 9000) == _found(file, None) == []


def test_pools_of_two_networks_in_a_directory_that_overlap_are_found(tmp_path: Path) -> None:
    _write(tmp_path, BRIDGE, name="net2")
    file = _write(tmp_path, BRIDGE.replace("10.1.0.0/24", "10.1.0.128/25"))

    assert _found(file) == [
        "2:61: warning: 10.1.0.128/25 overlaps 10.1.0.0/24 of network net2, "
        "configured in DIR/10-net2.conflist"
    ]


def test_drop_in_files_are_judged_too(tmp_path: Path) -> None:
    file = _write(tmp_path, BRIDGE)
    (tmp_path / "net1").mkdir()
    (tmp_path / "net1" / "10.conf").write_text('{"type": "ptp"}')
    (tmp_path / "net1" / "20.conf").write_text('{"type": }')

    found = [str(finding) for finding in lint(file)]
    assert found[0].startswith(f"{tmp_path}/net1/10.conf:1:10: error: ptp makes the interface")
    assert found[1].startswith(f"{tmp_path}/net1/20.conf:1:10: error: not JSON")


def test_a_single_configuration_is_judged_too(tmp_path: Path) -> None:
    file = tmp_path / "10.conf"
    file.write_text('{"cniVersion": "0.4.0", "name": "a", "type": "bridge",\n "isGatway": true}')

    assert _found(file) == ['2:2: warning: unknown key "isGatway" of bridge; did you mean "isGateway"?']


@pytest.mark.parametrize("name", SAMPLES)
def test_our_own_samples_are_clean(tmp_path: Path, name: str) -> None:
    file = tmp_path / "10.conflist"
    file.write_bytes(sample(name))

    assert _found(file, 1500) == []


# ---- manifests

MANIFEST = """\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  priorityClassName: high
  containers:
  - {name: web, imge: nginx}
"""
OF_MANIFEST = [
    "5:3: warning: spec.priorityClassName: pods are never preempted here",
    "7:5: error: spec.containers[0]: image is missing",
    '7:17: error: spec.containers[0].imge: there is no field "imge"; did you mean "image"?',
]


@pytest.mark.parametrize("name", ["web.yaml", "web.yml"])
def test_a_manifest_is_judged_field_by_field(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text(MANIFEST)

    assert _found(file) == OF_MANIFEST


def test_a_manifest_in_json_is_known_by_its_kind(tmp_path: Path) -> None:
    file = tmp_path / "web.json"
    file.write_text('{"apiVersion": "v1", "kind": "Secret",\n "metadata": {"name": "a"}}')

    (line,) = _found(file)
    assert line.startswith("1:30: error: kind: Secret: not supported: podwire keeps no secrets")


def test_broken_yaml_and_bytes_are_findings(tmp_path: Path) -> None:
    broken, binary = tmp_path / "a.yaml", tmp_path / "b.yaml"
    broken.write_text("a: b\na: c\n")
    binary.write_bytes(b"\xff")

    assert _found(broken) == ["2:1: error: the key a is there twice"]
    assert _found(binary) == ["1:1: error: it is not UTF-8: byte 0"]


# ---- the command


def test_the_command_prints_a_line_each_and_its_status_tells_errors(tmp_path: Path, cli: Cli) -> None:
    good, bad = _write(tmp_path, BRIDGE), tmp_path / "bad.conflist"
    bad.write_text("{")
    warned = _write(tmp_path, '{"type": "brigde"}', name="net3")

    assert cli("lint", good).exit_code == 0
    assert cli("lint", warned).exit_code == 0
    assert cli("lint", warned, "--strict").exit_code == 1
    result = cli("lint", good, bad)
    assert result.exit_code == 1 and result.stdout.startswith(f"{bad}:1:2: error: ")


def test_the_command_prints_json(tmp_path: Path, cli: Cli) -> None:
    file = _write(tmp_path, '{"type": "bridge", "isGatway": true}')

    found = said(cli("lint", file, "-o", "json"))
    assert found == [
        {
            "file": str(file),
            "line": 2,
            "column": 20,
            "severity": "warning",
            "msg": 'unknown key "isGatway" of bridge; did you mean "isGateway"?',
        }
    ]


def test_a_file_that_is_not_there_is_a_sentence(cli: Cli) -> None:
    result = cli("lint", "/no/such.conflist")

    assert (
        result.exit_code == 1 and result.stderr == "podwire: /no/such.conflist: No such file or directory\n"
    )


def test_the_schema_of_a_plugin_is_json_schema(cli: Cli) -> None:
    schema = said(cli("schema", "bridge"))

    assert schema["properties"]["isGateway"]["type"] == "boolean" and schema["required"] == ["name"]
    assert "bridge" in json.loads(cli("schema", "-o", "json").stdout)
    assert 'there is no plugin "x"' in cli("schema", "x").stderr
