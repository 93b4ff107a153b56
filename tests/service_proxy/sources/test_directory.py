"""A folder of files: what a person may do to it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from service_proxy.model import ServiceName
from service_proxy.sources.documents import objects_in
from service_proxy.sources.yaml_text import BadDocument
from tests.service_proxy.sources.objects import endpoints, pod, service
from tests.service_proxy.sources.worlds import FolderWorld, Reader, reading

WEB, DB = ServiceName("default", "web"), ServiceName("default", "db")
YAML = """
apiVersion: v1
kind: Service
metadata: {name: web}   # no namespace: "default", as kubectl has it
spec:
  clusterIP: 10.96.0.1
  ports: [{name: http, port: 80}]
---
---
kind: List
items:
- kind: Service
  metadata: {name: db, creationTimestamp: 2026-11-20T20:12:19Z}
  spec: {clusterIP: 10.96.0.2, ports: [{port: 5432}]}
- {apiVersion: apps/v1, kind: Deployment, metadata: {name: other}}
- {apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: knative}}
"""


@pytest.fixture
def world(tmp_path: Path) -> FolderWorld:
    """Give an empty folder."""
    return FolderWorld(tmp_path)


@pytest.fixture
def reader(world: FolderWorld) -> Iterator[Reader]:
    """Follow it."""
    with reading(world) as found:
        yield found


def names(reader: Reader) -> set[str]:
    return {one.name for one in reader.catalogue.services}


def test_a_file_has_any_number_of_documents_and_lists(world: FolderWorld, reader: Reader) -> None:
    (world.root / "all.yaml").write_text(YAML)
    reader.wait_until(lambda: names(reader) == {"web", "db"})
    assert reader.source.conditions() == ()


def test_a_typed_list_of_json_gives_its_items_their_kind(world: FolderWorld, reader: Reader) -> None:
    items = [{k: v for k, v in service("web").items() if k not in ("kind", "apiVersion")}]
    (world.root / "all.yml").write_text(json.dumps({"kind": "ServiceList", "items": items}))
    reader.wait_until(lambda: names(reader) == {"web"})


def test_a_file_that_is_half_written_says_what_it_said_before(world: FolderWorld, reader: Reader) -> None:
    path = world.root / "web.json"
    text = json.dumps(service("web"))
    path.write_text(text)
    reader.wait_until(lambda: names(reader) == {"web"})

    path.write_text(text[: len(text) // 2])
    reader.wait_until(lambda: reader.told("BadFile"))
    assert "web.json: line 1" in reader.told("BadFile")[0]
    assert names(reader) == {"web"}

    path.write_text(json.dumps(service("db")))
    reader.wait_until(lambda: names(reader) == {"db"})
    assert reader.source.conditions() == ()


def test_a_file_that_is_half_written_at_the_beginning_is_waited_for(world: FolderWorld) -> None:
    path = world.root / "web.json"
    with path.open("w") as file:
        file.write('{"kind": "Service", "metadata":')
        file.flush()
        source = world.source()
        try:
            reader = Reader(source)
            reader.wait_until(lambda: reader.told("BadFile"))
            assert reader.catalogue.missing
            file.seek(0)
            file.write(json.dumps(service("web")))
            file.close()
            reader.begin()
            assert names(reader) == {"web"}
        finally:
            source.close()


def test_a_file_that_stays_bad_does_not_hold_up_the_others(world: FolderWorld) -> None:
    (world.root / "bad.yaml").write_text("kind: [")
    world.put(service("web"))
    with reading(world) as reader:
        assert names(reader) == {"web"}
        assert len(reader.told("BadFile")) == 1
        (world.root / "bad.yaml").unlink()
        reader.wait_until(lambda: not reader.source.conditions())


def test_of_two_files_the_first_by_name_is_believed_until_it_goes(world: FolderWorld, reader: Reader) -> None:
    (world.root / "b.json").write_text(json.dumps(service("web", "10.96.0.2")))
    reader.wait_until(lambda: WEB in reader.catalogue.services)
    (world.root / "a.json").write_text(json.dumps(service("web", "10.96.0.1")))
    reader.wait_until(lambda: reader.catalogue.services[WEB].cluster_ips == (bytes([10, 96, 0, 1]),))
    assert reader.told("NamedTwice") == ["Service default/web is in a.json and b.json; the first counts"]

    (world.root / "a.json").rename(world.root / "a.json.off")
    reader.wait_until(lambda: reader.catalogue.services[WEB].cluster_ips == (bytes([10, 96, 0, 2]),))
    assert reader.source.conditions() == ()


def test_an_object_twice_in_one_file_is_a_condition(world: FolderWorld, reader: Reader) -> None:
    both = {"kind": "List", "items": [service("web", "10.96.0.1"), service("web", "10.96.0.2")]}
    (world.root / "a.json").write_text(json.dumps(both))
    reader.wait_until(lambda: WEB in reader.catalogue.services)
    assert reader.catalogue.services[WEB].cluster_ips == (bytes([10, 96, 0, 1]),)
    assert "is there twice" in reader.told("BadObject")[0]


def test_what_is_no_object_file_is_left_alone(world: FolderWorld, reader: Reader) -> None:
    for name in (".hidden.yaml", "web.yaml~", "README"):
        (world.root / name).write_text("{")
    os.mkfifo(world.root / "pipe.yaml")
    (world.root / "folder.yaml").mkdir()
    world.put(service("web"))
    reader.wait_until(lambda: names(reader) == {"web"})
    assert [one.about for one in reader.source.conditions()] in ([], ["folder.yaml"])


def test_a_file_by_link_is_followed_when_the_link_is_exchanged(
    world: FolderWorld, reader: Reader, tmp_path: Path
) -> None:
    """A ConfigMap's way: a link to the file, another link renamed over it."""
    for number in (1, 2):
        (tmp_path / f"{number}.json").write_text(json.dumps(service("web", f"10.96.0.{number}")))
        (world.root / "new").symlink_to(tmp_path / f"{number}.json")
        (world.root / "new").rename(world.root / "web.json")
        wanted = (bytes([10, 96, 0, number]),)
        reader.wait_until(
            lambda wanted=wanted: (  # type: ignore[misc]
                WEB in reader.catalogue.services and reader.catalogue.services[WEB].cluster_ips == wanted
            )
        )


def test_endpoints_follow_the_pods_in_the_folder(world: FolderWorld, reader: Reader) -> None:
    world.put(service("web", selector={"app": "web"}))
    world.put(pod("a", "10.1.0.1", app="web"))
    reader.wait_until(lambda: len(reader.catalogue.slices) == 1)
    world.put(pod("a", "10.1.0.1", is_ready=False, app="web"))
    reader.wait_until(lambda: not reader.catalogue.slices_of(WEB)[0].endpoints[0].is_ready)
    world.remove(pod("a", "10.1.0.1"))
    reader.wait_until(lambda: not reader.catalogue.slices)


def test_a_hundred_bad_objects_are_a_hundred_conditions_and_a_number(world: FolderWorld) -> None:
    bad = [service(f"s{number}", ports=[{"port": 0}]) for number in range(150)]
    (world.root / "all.json").write_text(json.dumps({"kind": "List", "items": [*bad, service("web")]}))
    with reading(world) as reader:
        assert names(reader) == {"web"}
        assert len(reader.told("BadObject")) == 101
        assert reader.told("BadObject")[-1] == "and 50 more"


@pytest.mark.parametrize(
    "text",
    [
        b"kind: Service\nmetadata: [",
        b"\x00\x01",
        b"\xff\xfe{",
        b"- 1",
        b"just text",
        b"[" * 100_000,
        b"a: [" * 50_000,
        b"- " * 100_000 + b"x",
        b"? " * 100_000 + b"x",
        b"".join(b" " * n + b"a:\n" for n in range(3000)),
        ("- " * 100_000).encode("utf-16"),
        b"\r".join(b" " * n + b"a:" for n in range(3000)),
        "[".encode("utf-16") + "[".encode("utf-16-le") * 100_000,
        b"a: &a {<<: *a}",
        b"a: &a [x]\nb: {<<: *a}",
        b'{"kind": "List", "items": [1]}',
        b"kind: Service\nport: 0x" + b"g" * 10,
        b"when: 2026-99-99T99:99:99Z\n? [a]\n: b",
    ],
)
def test_whatever_a_file_says_it_is_read_or_refused(text: bytes) -> None:
    try:
        found = list(objects_in(text))
    except BadDocument as error:
        assert str(error)
    else:
        assert all(isinstance(one, dict) for one in found)


def test_objects_of_one_slice_file_pass(world: FolderWorld, reader: Reader) -> None:
    world.put(endpoints("hand-made", "192.0.2.1", service="db"))
    reader.wait_until(lambda: reader.catalogue.slices_of(DB))
