"""Volumes that are folders: emptyDir, hostPath, named ones; memory that outlives a supervisor; mounts."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pod_runner.container.spec import ContainerError, Mount
from pod_runner.volumes.mounting import mounts_of
from pod_runner.volumes.preparing import PreparedVolume, Volumes, keep_volumes, prepare_volumes
from pod_runner.volumes.usage import disk_usage
from tests.pod_runner.volumes.conftest import Make


def test_an_empty_folder_is_everybodys_and_is_kept(make: Make) -> None:
    order, pod = make(volumes=[{"name": "data", "emptyDir": {}}])
    path = prepare_volumes(order, pod)["data"].path
    assert path.is_relative_to(order.folder)
    assert stat.S_IMODE(path.stat().st_mode) == 0o777
    (path / "file").write_text("kept")
    assert (prepare_volumes(order, pod)["data"].path / "file").read_text() == "kept"


def test_fs_group_owns_an_empty_folder_and_what_is_put_there(make: Make) -> None:
    order, pod = make(volumes=[{"name": "data", "emptyDir": {}}], securityContext={"fsGroup": 77})
    path = prepare_volumes(order, pod)["data"].path
    (path / "file").touch()
    assert (path.stat().st_gid, stat.S_IMODE(path.stat().st_mode)) == (77, 0o2777)
    assert (path / "file").stat().st_gid == 77


def test_a_named_volume_is_made_once_and_outlives_its_pod(make: Make, tmp_path: Path) -> None:
    claim = {"name": "db", "persistentVolumeClaim": {"claimName": "postgres", "readOnly": True}}
    order, pod = make(volumes=[claim])
    prepared = prepare_volumes(order, pod)["db"]
    assert prepared.path == tmp_path / "volumes/shop/postgres"
    assert prepared.is_read_only
    (prepared.path / "file").write_text("kept")
    prepared.path.chmod(0o700)
    assert prepare_volumes(order, pod)["db"] == prepared
    assert stat.S_IMODE(prepared.path.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["../../etc", "..", "a/../../../b", "a/b", "", "x\0"])
def test_a_named_volume_leads_nowhere_else(name: str, make: Make, tmp_path: Path) -> None:
    order, pod = make(volumes=[{"name": "db", "persistentVolumeClaim": {"claimName": name}}])
    with pytest.raises(ContainerError, match="is no name of a volume"):
        prepare_volumes(order, pod)


HOST_PATHS = {
    ("", "missing"): stat.S_ISDIR, ("", "file"): stat.S_ISREG, ("Directory", "folder"): stat.S_ISDIR,
    ("DirectoryOrCreate", "missing/deep"): stat.S_ISDIR, ("File", "file"): stat.S_ISREG,
    ("FileOrCreate", "missing"): stat.S_ISREG, ("Socket", "socket"): stat.S_ISSOCK,
    ("CharDevice", "/dev/null"): stat.S_ISCHR, ("Directory", "link"): stat.S_ISDIR,
}  # fmt: skip
REFUSED = {
    ("Directory", "missing"): "No such file", ("Directory", "file"): "is not a folder",
    ("File", "folder"): "is not a file", ("File", "missing"): "No such file",
    ("Socket", "file"): "not a socket",
    ("BlockDevice", "/dev/null"): "not a block device", ("FileOrCreate", "missing/deep"): "No such file",
    ("DirectoryOrCreate", "file/below"): "Not a directory", ("Nonsense", "file"): "no type 'Nonsense'",
    ("", "../x"): "no path from the root on", ("CharDevice", "file"): "not a character device",
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a folder with one of each kind."""
    (tmp_path / "node/folder").mkdir(parents=True)
    (tmp_path / "node/file").touch()
    (tmp_path / "node/link").symlink_to("folder")
    with socket.socket(socket.AF_UNIX) as one:
        folder = os.open(tmp_path / "node", os.O_PATH)
        one.bind(f"/proc/self/fd/{folder}/socket")
        os.close(folder)
    return tmp_path / "node"


@pytest.mark.parametrize("kind", HOST_PATHS)
def test_a_path_of_the_node_is_what_its_type_says(kind: tuple[str, str], make: Make, place: Path) -> None:
    path = place / kind[1]
    order, pod = make(volumes=[{"name": "v", "hostPath": {"path": str(path), "type": kind[0]}}])
    assert prepare_volumes(order, pod)["v"].path == path
    assert HOST_PATHS[kind](path.stat().st_mode)


@pytest.mark.parametrize("kind", REFUSED)
def test_another_kind_is_refused_with_a_sentence(kind: tuple[str, str], make: Make, place: Path) -> None:
    order, pod = make(volumes=[{"name": "v", "hostPath": {"path": f"{place}/{kind[1]}", "type": kind[0]}}])
    if kind[1].startswith("/"):
        order, pod = make(volumes=[{"name": "v", "hostPath": {"path": kind[1], "type": kind[0]}}])
    with pytest.raises(ContainerError, match=REFUSED[kind]):
        prepare_volumes(order, pod)


def in_a_process(work: Callable[[], object]) -> object:
    """Run a function in a process of its own, as a supervisor is one; return what it returned, by JSON."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        body = answer.read()
    os.waitpid(pid, 0)
    return json.loads(body)


@pytest.fixture
def pause() -> Iterator[int]:
    """Start a process with mounts of its own, as a pause process; give its pid."""
    process = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /sys; echo; exec sleep 60"],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process.pid
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_memory_outlives_a_supervisor_and_nothing_is_left_mounted(make: Make, pause: int) -> None:
    volumes = [{"name": "m", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}]
    order, pod = make(volumes=volumes, securityContext={"fsGroup": 77})
    before = Path("/proc/self/mountinfo").read_text()

    def first() -> object:
        path = prepare_volumes(order, pod)["m"].path
        keep_volumes(order, pod, pause)
        prepare_volumes(order, pod)  # the sandbox is made anew
        (path / "file").write_text("kept")
        try:
            (path / "large").write_bytes(bytes(2 << 20))
        except OSError as error:
            return [error.strerror, path.stat().st_gid, stat.S_IMODE(path.stat().st_mode)]
        return None

    def second() -> object:
        path = prepare_volumes(order, pod, pause=pause)["m"].path
        return (path / "file").read_text()

    assert in_a_process(first) == ["No space left on device", 77, 0o2777]
    assert in_a_process(second) == "kept"
    assert in_a_process(second) == "kept"
    assert Path("/proc/self/mountinfo").read_text() == before
    assert list((order.folder / "volumes/m").iterdir()) == []


def test_memory_without_a_size_is_what_the_containers_may_have(make: Make) -> None:
    containers = [{"name": one, "resources": {"limits": {"memory": "1Mi"}}} for one in ("a", "b")]
    order, pod = make(containers=containers, volumes=[{"name": "m", "emptyDir": {"medium": "Memory"}}])

    def size() -> object:
        there = os.statvfs(prepare_volumes(order, pod)["m"].path)
        return there.f_blocks * there.f_frsize

    assert in_a_process(size) == 2 << 20


def prepared(*names: str) -> Volumes:
    return {name: PreparedVolume(Path("/v", name.strip("/")), name == "config") for name in names}


def mounts(make: Make, volumes: Volumes, *mounts: dict[str, object]) -> tuple[object, ...]:
    _, pod = make(containers=[{"name": "main", "volumeMounts": list(mounts)}])
    return mounts_of(pod.spec.containers[0], volumes)


def test_mounts_are_as_the_container_says(make: Make) -> None:
    found = mounts(
        make, prepared("/etc/hosts", "data", "config"),
        {"name": "data", "mountPath": "/data/"},
        {"name": "data", "mountPath": "/ro", "readOnly": True, "subPath": "a/./b"},
        {"name": "config", "mountPath": "/etc/app", "mountPropagation": "HostToContainer"},
    )  # fmt: skip
    assert found == (
        Mount(Path("/v/etc/hosts"), "/etc/hosts"),
        Mount(Path("/v/data"), "/data"),
        Mount(Path("/v/data"), "/ro", read_only=True, sub_path="a/b"),
        Mount(Path("/v/config"), "/etc/app", read_only=True, propagation="slave"),
    )


def test_a_container_may_bring_its_own_etc_hosts(make: Make) -> None:
    found = mounts(make, prepared("/etc/hosts", "data"), {"name": "data", "mountPath": "/etc/hosts"})
    assert found == (Mount(Path("/v/data"), "/etc/hosts"),)


@pytest.mark.parametrize("path", ["..", "../x", "a/../../x", "/etc"])
def test_no_sub_path_leads_out(path: str, make: Make) -> None:
    with pytest.raises(ContainerError, match="leads out of data"):
        mounts(make, prepared("data"), {"name": "data", "mountPath": "/data", "subPath": path})


def test_a_volume_that_is_not_there_is_named(make: Make) -> None:
    with pytest.raises(ContainerError, match="no volume 'other'"):
        mounts(make, prepared("data"), {"name": "other", "mountPath": "/data"})


def test_disk_usage_is_what_du_says(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/file").write_bytes(b"x" * 100_000)
    os.link(tmp_path / "a/file", tmp_path / "a/b/again")
    (tmp_path / "a/link").symlink_to("/usr")
    with (tmp_path / "a/sparse").open("wb") as sparse:
        sparse.truncate(1 << 30)
    said = subprocess.run(["du", "-s", "-B1", "-x", tmp_path], capture_output=True, text=True, check=True)
    assert disk_usage(tmp_path) == int(said.stdout.split()[0])
    assert disk_usage(tmp_path / "missing") == 0
