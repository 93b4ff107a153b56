"""Which files make a network, and in which order they count."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cni_spec.errors import CniError
from pod_runner.cni.lists import load_network


def _write(directory: Path, name: str, body: object) -> None:
    (directory / name).parent.mkdir(exist_ok=True)
    (directory / name).write_text(body if isinstance(body, str) else json.dumps(body))


def _list(name: str, *types: str, **keys: object) -> dict[str, object]:
    return {"cniVersion": "1.0.0", "name": name, "plugins": [{"type": one} for one in types]} | keys


def _types(directory: Path, name: str) -> list[str]:
    return [plugin.type for plugin in load_network(name, directory).network.plugins]


def test_the_first_file_in_lexical_order_wins(tmp_path: Path) -> None:
    _write(tmp_path, "20.conflist", _list("net1", "second"))
    _write(tmp_path, "10.conflist", _list("net1", "first"))
    _write(tmp_path, "05.conflist", _list("net2", "other"))

    assert _types(tmp_path, "net1") == ["first"]


def test_a_broken_earlier_file_does_not_hide_a_good_one(tmp_path: Path) -> None:
    _write(tmp_path, "10.conflist", "{ broken")
    _write(tmp_path, "20.conflist", _list("net1", "a"))

    found = load_network("net1", tmp_path)
    assert found.network.name == "net1"
    assert len(found.remarks) == 1 and "10.conflist is no configuration" in found.remarks[0]


def test_lists_count_before_single_configurations(tmp_path: Path) -> None:
    _write(tmp_path, "10.conf", {"cniVersion": "0.4.0", "name": "net1", "type": "single"})
    _write(tmp_path, "30.json", {"cniVersion": "0.4.0", "name": "net3", "type": "third"})
    _write(tmp_path, "90.conflist", _list("net1", "list"))

    assert _types(tmp_path, "net1") == ["list"]
    assert _types(tmp_path, "net3") == ["third"]


def test_drop_ins_are_appended_in_lexical_order(tmp_path: Path) -> None:
    _write(tmp_path, "10.conflist", _list("net1", "a"))
    _write(tmp_path, "net1/20.conf", {"type": "c"})
    _write(tmp_path, "net1/10.conf", {"type": "b"})
    _write(tmp_path, "net1/30.conflist", {"type": "ignored"})

    assert _types(tmp_path, "net1") == ["a", "b", "c"]


@pytest.mark.parametrize("spelling", [True, "True"])
def test_drop_ins_are_left_out_where_only_inlined_plugins_count(tmp_path: Path, spelling: object) -> None:
    _write(tmp_path, "10.conflist", _list("net1", "a", loadOnlyInlinedPlugins=spelling))
    _write(tmp_path, "net1/10.conf", {"type": "b"})

    assert _types(tmp_path, "net1") == ["a"]


def test_a_list_may_consist_of_drop_ins_alone(tmp_path: Path) -> None:
    _write(tmp_path, "10.conflist", {"cniVersion": "1.0.0", "name": "net1"})
    _write(tmp_path, "net1/10.conf", {"type": "b"})

    assert _types(tmp_path, "net1") == ["b"]


def test_a_network_that_is_not_there_names_the_files_that_could_not_be_read(tmp_path: Path) -> None:
    _write(tmp_path, "10.conflist", "[]")
    _write(tmp_path, "20.conflist", {"name": "net1"})
    (tmp_path / "30.conflist").mkdir()

    with pytest.raises(CniError, match='there is no network "net1"') as caught:
        load_network("net1", tmp_path)
    assert len(caught.value.details.splitlines()) == 2
    assert "has no plugins" in caught.value.details


def test_a_directory_that_is_not_there_is_empty(tmp_path: Path) -> None:
    with pytest.raises(CniError, match="there is no network"):
        load_network("net1", tmp_path / "none")
