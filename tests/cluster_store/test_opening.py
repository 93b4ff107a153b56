"""URLs of registries, and what opening one costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cluster_store.directory import DirectoryStore
from cluster_store.opening import StoreOptions, open_store, prefix_of
from cluster_store.store import StoreRefused

ETCD = {
    "etcd://10.0.0.1": "etcd 10.0.0.1:2379",
    "etcd://10.0.0.1:2379,10.0.0.2:4001": "etcd 10.0.0.1:2379,10.0.0.2:4001",
    "etcd://[fd00::1]:2379,[fd00::2]/coreos.com/network/": "etcd [fd00::1]:2379,[fd00::2]:2379",
    "etcds://etcd.example/": "etcd etcd.example:2379",
    "http://10.0.0.1:2379,http://10.0.0.2:2379": "etcd 10.0.0.1:2379,10.0.0.2:2379",
    "https://10.0.0.1:2379/,https://10.0.0.2:2379/": "etcd 10.0.0.1:2379,10.0.0.2:2379",
}
REFUSED = (
    *("", "nodes", "directory:", "directory:nodes", "etcd:", "etcd://", "etcd://,", "consul://10.0.0.1"),
    *(
        "etcd://10.0.0.1:0",
        "etcd://10.0.0.1:99999",
        "etcd://10.0.0.1:port",
        "etcd://[fd00::1",
        "etcd://:2379",
    ),
    *(
        "etcd://root:secret@10.0.0.1",
        "etcd://a:secret@b:port",
        "x://a:secret@b",
        "etcd://10.0.0.1/a?b=c",
        "http://10.0.0.1/a,http://10.0.0.2/b",
    ),
    "etcd://10.0.0.1,ftp://10.0.0.2",
)


@pytest.mark.parametrize("form", ["{}", "directory:{}", "directory://{}"])
def test_a_folder(tmp_path: Path, form: str) -> None:
    store = open_store(form.format(tmp_path / "nodes"))
    assert isinstance(store, DirectoryStore)
    assert store.name == f"directory {tmp_path}/nodes"
    assert prefix_of(form.format(tmp_path)) == ""


@pytest.mark.parametrize("url", ETCD)
def test_etcd_in_every_spelling(url: str) -> None:
    assert open_store(url).name == ETCD[url]
    assert prefix_of(url) in ("", "/coreos.com/network")


def test_the_prefix_is_the_path() -> None:
    assert prefix_of("etcd://a,b/coreos.com/network/") == "/coreos.com/network"
    assert prefix_of("http://a:2379/x/y") == "/x/y"
    assert prefix_of("http://a/x,http://b/x") == "/x"
    assert prefix_of("etcd://a") == ""


@pytest.mark.parametrize("url", REFUSED)
def test_what_is_no_url_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(StoreRefused) as caught:
        open_store(url)
    assert "secret" not in str(caught.value)
    with pytest.raises(StoreRefused):
        prefix_of(url)


def test_certificates_that_would_not_be_used_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="etcds://"):
        open_store("etcd://10.0.0.1", StoreOptions(ca=tmp_path / "ca.crt"))


def test_a_password_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="password"):
        open_store("etcd://10.0.0.1", StoreOptions(user="node", password_file=tmp_path / "missing"))


LOADED = (
    "import sys; from cluster_store.opening import open_store; open_store(sys.argv[1]); print(*sys.modules)"
)


def loaded_by(url: str) -> set[str]:
    command = [sys.executable, "-I", "-c", LOADED, url]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def test_a_folder_needs_no_network_code(tmp_path: Path) -> None:
    assert not loaded_by(str(tmp_path / "nodes")) & {"http.client", "ssl", "email", "json.tool", "pydantic"}


def test_etcd_needs_nothing_that_is_not_pythons_own() -> None:
    loaded = {name.partition(".")[0] for name in loaded_by("etcd://10.0.0.1")}
    foreign = {name for name in loaded if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert {name for name in foreign if "finder" not in name} <= {
        "cluster_store",
        "sitecustomize",
        "distutils",
    }
