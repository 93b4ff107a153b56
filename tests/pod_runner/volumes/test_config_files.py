"""ConfigMaps and what a pod says of itself, as files that change all at once."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from pod_runner.container.spec import ContainerError
from pod_runner.volumes.config_files import TextFile, write_files
from pod_runner.volumes.preparing import prepare_volumes, update_config_maps
from tests.pod_runner.volumes.conftest import Make

MAPS = {"app": {"a.conf": "one", "b.conf": "two"}, "other": {"c": "three"}}


def contents(folder: Path) -> dict[str, str]:
    """Return the files as a container sees them, by the names that do not begin with two dots."""
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        if not name.parts[0].startswith("..") and path.is_file():
            found[str(name)] = path.read_text()
    for link in folder.iterdir():
        if not link.name.startswith("..") and link.is_dir():  # rglob does not enter links
            found |= {f"{link.name}/{name}": text for name, text in contents(link.resolve()).items()}
    return found


def volume(**source: object) -> list[dict[str, object]]:
    return [{"name": "v", **source}]


def test_every_key_is_a_file(make: Make) -> None:
    order, pod = make(MAPS, volumes=volume(configMap={"name": "app", "defaultMode": 0o440}))
    prepared = prepare_volumes(order, pod)["v"]
    assert prepared.is_read_only
    assert contents(prepared.path) == MAPS["app"]
    assert (prepared.path / "a.conf").stat().st_mode & 0o777 == 0o440
    assert (prepared.path / "a.conf").readlink() == Path("..data/a.conf")


def test_items_choose_names_folders_and_modes(make: Make) -> None:
    items = [{"key": "a.conf", "path": "deep/er/x", "mode": 0o600}, {"key": "b.conf", "path": "y"}]
    order, pod = make(MAPS, volumes=volume(configMap={"name": "app", "items": items}))
    path = prepare_volumes(order, pod)["v"].path
    assert contents(path) == {"deep/er/x": "one", "y": "two"}
    assert [stat.S_IMODE((path / name).stat().st_mode) for name in ("deep/er/x", "y")] == [0o600, 0o644]


def test_what_is_missing_is_named_unless_it_is_optional(make: Make) -> None:
    for source, said in (
        ({"name": "none"}, "no ConfigMap 'none'"),
        ({"name": "app", "items": [{"key": "z", "path": "z"}]}, "has no key 'z'"),
    ):
        order, pod = make(MAPS, volumes=volume(configMap=source))
        with pytest.raises(ContainerError, match=said) as refused:
            prepare_volumes(order, pod)
        assert refused.value.reason == "CreateContainerConfigError"
        order, pod = make(MAPS, volumes=volume(configMap={**source, "optional": True}))
        assert contents(prepare_volumes(order, pod)["v"].path) == {}


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/x", "..data", "..x/y", "", "a//b", "x\0y"])
def test_no_path_leads_out_of_a_volume(path: str, make: Make) -> None:
    source = {"name": "app", "items": [{"key": "a.conf", "path": path}]}
    order, pod = make(MAPS, volumes=volume(configMap=source))
    with pytest.raises(ContainerError, match="is no path for a file of a volume"):
        prepare_volumes(order, pod)


def test_a_pod_says_what_it_is(make: Make) -> None:
    items = [
        {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}},
        {"path": "app", "fieldRef": {"fieldPath": "metadata.labels['app']"}},
        {"path": "notes", "fieldRef": {"fieldPath": "metadata.annotations"}},
        {
            "path": "memory",
            "resourceFieldRef": {"containerName": "main", "resource": "limits.memory", "divisor": "1Mi"},
        },
    ]
    containers = [{"name": "main", "resources": {"limits": {"memory": "64Mi"}}}]
    order, pod = make(containers=containers, volumes=volume(downwardAPI={"items": items}))
    assert contents(prepare_volumes(order, pod)["v"].path) == {
        "name": "web-1", "app": "web", "notes": 'note="say \\"hi\\""', "memory": "64",
    }  # fmt: skip


def test_a_projected_volume_has_several_sources(make: Make) -> None:
    sources = [
        {"configMap": {"name": "app"}}, {"configMap": {"name": "other"}},
        {"downwardAPI": {"items": [{"path": "node", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]  # fmt: skip
    order, pod = make(MAPS, volumes=volume(projected={"sources": sources, "defaultMode": 0o400}))
    path = prepare_volumes(order, pod)["v"].path
    assert contents(path) == {**MAPS["app"], **MAPS["other"], "node": "shop"}
    assert (path / "c").stat().st_mode & 0o777 == 0o400


def test_fs_group_may_read_them(make: Make) -> None:
    order, pod = make(
        MAPS, volumes=volume(configMap={"name": "app", "defaultMode": 0o400}), securityContext={"fsGroup": 77}
    )
    there = (prepare_volumes(order, pod)["v"].path / "a.conf").stat()
    assert (there.st_gid, there.st_mode & 0o777) == (77, 0o440)


def test_a_change_is_seen_and_the_same_again_is_none(make: Make) -> None:
    source = volume(configMap={"name": "app"})
    order, pod = make(MAPS, volumes=source)
    path = prepare_volumes(order, pod)["v"].path
    data = (path / "..data").readlink()
    assert update_config_maps(order, pod) == []
    assert (path / "..data").readlink() == data
    changed, _ = make({"app": {"a.conf": "ONE", "new": "3"}}, volumes=source)
    assert update_config_maps(changed, pod) == ["v"]
    assert contents(path) == {"a.conf": "ONE", "new": "3"}
    assert (
        len([one for one in path.iterdir() if one.name.startswith("..")]) == 2
    )  # ..data and what it leads to
    gone, _ = make({}, volumes=source)
    assert update_config_maps(gone, pod) == []
    assert contents(path) == {"a.conf": "ONE", "new": "3"}


def test_readers_never_see_half_of_a_change(tmp_path: Path) -> None:
    """Read two files through one descriptor of ..data while they change: they always agree."""
    states = [{name: TextFile(str(number).encode() * 50, 0o644) for name in "ab"} for number in range(40)]
    write_files(tmp_path, states[0])
    stop, seen, torn = threading.Event(), set[str](), list[tuple[str, str]]()

    def read() -> None:
        while not stop.is_set():
            folder = os.open(tmp_path / "..data", os.O_PATH)
            try:
                texts = tuple(_read(folder, name) for name in "ab")
            except FileNotFoundError:  # a folder that was replaced, and removed, while it was read
                continue
            finally:
                os.close(folder)
            seen.add(texts[0])
            if len(set(texts)) > 1:
                torn.append((texts[0], texts[1]))

    thread = threading.Thread(target=read)
    thread.start()
    for state in states[1:]:
        assert write_files(tmp_path, state)
    stop.set()
    thread.join()
    assert not torn
    assert seen


def _read(folder: int, name: str) -> str:
    file = os.open(name, os.O_RDONLY, dir_fd=folder)
    try:
        return os.read(file, 1000).decode()
    finally:
        os.close(file)


def test_an_interrupted_change_is_made_again(make: Make) -> None:
    """What a kill leaves at any step does not disturb the next writer."""
    order, pod = make(MAPS, volumes=volume(configMap={"name": "app"}))
    path = prepare_volumes(order, pod)["v"].path
    (path / "..half").mkdir()
    (path / "..half/a.conf").write_text("half")
    (path / "..data_tmp").symlink_to("..half")
    changed, _ = make({"app": {"a.conf": "new"}}, volumes=volume(configMap={"name": "app"}))
    assert update_config_maps(changed, pod) == ["v"]
    assert contents(path) == {"a.conf": "new"}
    assert not (path / "..half").exists()
