"""The Kubernetes client against a server that pages, forgets, refuses, stalls and breaks off."""

from __future__ import annotations

import base64
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster_store.kubernetes import KubernetesClient, Watch, WatchEvent
from cluster_store.kubernetes_access import (
    Access,
    FixedToken,
    TokenFile,
    access_by_kubeconfig,
    access_in_cluster,
)
from cluster_store.kubernetes_answers import KindUnknown, NotFound
from cluster_store.kubernetes_http import Connection, Question
from cluster_store.kubernetes_listing import Listing
from cluster_store.kubernetes_stream import Chunks
from cluster_store.store import Conflict, StoreRefused, StoreUnavailable
from tests.kube_api.collection import Json
from tests.kube_api.objects import managers
from tests.kube_api.server import ApiServer, running_api

NODES = "/api/v1/nodes"
SECRET = "s3cr3t-t0ken"


@pytest.fixture
def api(host: None) -> Iterator[ApiServer]:
    """Serve Nodes in a fresh namespace."""
    with running_api() as server:
        yield server


def access_to(api: ApiServer, token: str = "") -> Access:
    return Access(api.url, "127.0.0.1", api.http.server_port, FixedToken(token))


def client_of(api: ApiServer, page: int = 500) -> KubernetesClient:
    return KubernetesClient(access_to(api), page=page)


def make_nodes(api: ApiServer, count: int) -> None:
    for number in range(count):
        api.objects.create({"metadata": {"name": f"node-{number:03}"}})


def names(listing: Listing | list[WatchEvent]) -> list[str]:
    items = listing.items if isinstance(listing, Listing) else [one.item for one in listing]
    return [one["metadata"]["name"] for one in items]  # type: ignore[index]


def started(watch: Watch, api: ApiServer) -> None:
    """Take the list, and wait until the watch is open."""
    assert isinstance(watch.next(5), Listing)
    assert watch.next(0.01) == []
    api.wait_watchers(1)


def wait_for_events(watch: Watch) -> Listing | list[WatchEvent]:
    """Ask again through lost connections, as every caller does."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if found := watch.next(1):
                return found
        except StoreUnavailable:
            continue
    raise AssertionError("nothing came")


def test_a_list_of_many_pages_is_one_list(api: ApiServer) -> None:
    make_nodes(api, 7)

    listing = client_of(api, page=3).list(NODES)

    assert names(listing) == [f"node-{number:03}" for number in range(7)]
    assert listing.resource_version == f"{api.objects.version}"
    assert len(api.asked) == 3


def test_pages_that_expire_while_they_are_read_are_read_again(api: ApiServer) -> None:
    make_nodes(api, 5)
    page, reads = api.objects.page, []

    def compacting(limit: int, token: str) -> object:
        reads.append(token)
        if len(reads) == 2:
            api.objects.compact()
        return page(limit, token)

    api.objects.page = compacting  # type: ignore[method-assign,assignment]

    assert len(client_of(api, page=3).list(NODES).items) == 5
    assert len(reads) == 4


def test_metadata_has_no_spec(api: ApiServer) -> None:
    api.objects.create({"metadata": {"name": "node-1"}, "spec": {"podCIDR": "10.244.1.0/24"}})

    (item,) = client_of(api).list(NODES, is_metadata=True).items

    assert item["kind"] == "PartialObjectMetadata"
    assert "spec" not in item


def test_an_object_that_is_not_there_is_none(api: ApiServer) -> None:
    assert client_of(api).get(f"{NODES}/node-1") is None


def test_a_watch_begins_with_the_list_and_goes_on_with_changes(api: ApiServer) -> None:
    make_nodes(api, 2)
    watch = client_of(api).watch(NODES)
    started(watch, api)

    api.objects.annotate("node-000", public_ip="192.0.2.1")
    api.objects.delete("node-001")
    seen: list[WatchEvent] = []
    while len(seen) < 2:
        got = watch.next(5)
        assert got and not isinstance(got, Listing)
        seen += got

    assert [one.kind for one in seen] == ["MODIFIED", "DELETED"]
    watch.close()
    api.wait_watchers(0)


def test_a_timeout_in_the_middle_of_an_event_loses_nothing(api: ApiServer) -> None:
    watch = client_of(api).watch(NODES)
    started(watch, api)
    api.objects.create({"metadata": {"name": "big", "annotations": {"x": "y" * 3_000_000}}})

    deadline = time.monotonic() + 10
    while not (got := watch.next(0.0005)):
        assert time.monotonic() < deadline

    assert names(got) == ["big"]
    watch.close()


def test_a_watch_that_broke_off_goes_on_where_it_was(api: ApiServer) -> None:
    make_nodes(api, 1)
    watch = client_of(api).watch(NODES)
    started(watch, api)

    api.drop_connections()
    api.wait_watchers(0)
    make_nodes(api, 1)  # the same name: only its event tells
    with pytest.raises(StoreUnavailable, match="broke off"):
        watch.next(5)

    assert isinstance(watch.next(5), list)
    assert len([one for one in api.asked if "watch" not in one.query]) == 1
    watch.close()


def test_a_bookmark_saves_the_list_after_a_compaction(api: ApiServer) -> None:
    make_nodes(api, 1)
    watch = client_of(api).watch(NODES)
    started(watch, api)
    api.objects.compact()  # history moves on, by what other objects do
    api.bookmark()
    assert watch.next(0.5) == []

    api.drop_connections()
    api.objects.create({"metadata": {"name": "late"}})

    assert names(wait_for_events(watch)) == ["late"]
    watch.close()


def test_a_watch_that_ended_in_good_order_goes_on_without_a_word(api: ApiServer) -> None:
    watch = client_of(api).watch(NODES)
    started(watch, api)

    api.end_watches()
    api.wait_watchers(0)
    make_nodes(api, 1)

    assert names(watch.next(5)) == ["node-000"]
    assert len([one for one in api.asked if "watch" not in one.query]) == 1
    watch.close()


def test_a_watch_that_fell_silent_is_made_anew(api: ApiServer) -> None:
    watch = Watch(access_to(api), NODES, silence=0.2)
    started(watch, api)
    api.is_watch_stalled = True
    make_nodes(api, 1)

    assert watch.next(0.3) == []
    api.is_watch_stalled = False

    assert names(watch.next(5)) == ["node-000"]
    watch.close()


@pytest.mark.parametrize(
    "line",
    [
        b"no json", b"[]", b"{}", b'{"type":"ADDED"}', b'{"type":"ADDED","object":{"metadata":null}}',
        b'{"type":"MODIFIED","object":{"metadata":{"resourceVersion":7}}}', b'{"type":"ERROR","object":[]}',
        b'{"type":"ERROR","object":{"code":500,"message":"etcd"}}', b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_line_that_is_no_event_loses_none(api: ApiServer, line: bytes) -> None:
    watch = client_of(api).watch(NODES)
    started(watch, api)
    with api.objects.changed:
        api.lines_next = [line + b"\n"]
        make_nodes(api, 1)

    with pytest.raises(StoreUnavailable):
        watch.next(5)

    assert names(wait_for_events(watch)) == ["node-000"]
    watch.close()


@pytest.mark.parametrize("page", [b"<html>", b"[]", b'"x"', b'{"items":[]}', b'{"metadata":{},"items":{}}'])
def test_a_page_of_somebody_elses_is_no_list(api: ApiServer, page: bytes) -> None:
    api.page = page
    with pytest.raises(StoreUnavailable, match=api.url):
        client_of(api).list(NODES)


@pytest.mark.parametrize("is_gone_by_status", [False, True])
def test_history_that_is_forgotten_gives_a_new_list(api: ApiServer, is_gone_by_status: bool) -> None:
    make_nodes(api, 2)
    watch = client_of(api).watch(NODES)
    started(watch, api)
    api.drop_connections()
    api.wait_watchers(0)
    api.is_gone_by_status = is_gone_by_status
    api.objects.delete("node-000")
    api.objects.compact()

    got = wait_for_events(watch)

    assert isinstance(got, Listing)
    assert names(got) == ["node-001"]
    watch.close()


def test_close_ends_a_wait_in_another_thread(api: ApiServer) -> None:
    watch = client_of(api).watch(NODES)
    started(watch, api)
    got: list[object] = []
    waiting = threading.Thread(target=lambda: got.append(watch.next(60)))
    waiting.start()

    before = time.monotonic()
    watch.close()
    waiting.join(50)

    assert got == [[]]
    assert time.monotonic() - before < 30
    assert watch.next(60) == []


def test_close_ends_a_question_that_nobody_answers(api: ApiServer) -> None:
    api.is_silent = True
    watch = client_of(api).watch(NODES)
    got: list[object] = []
    waiting = threading.Thread(target=lambda: got.append(watch.next(60)))
    waiting.start()
    deadline = time.monotonic() + 60
    while not api.asked:
        assert time.monotonic() < deadline

    before = time.monotonic()
    watch.close()
    waiting.join(50)

    assert got == [[]]
    assert time.monotonic() - before < 30


@pytest.mark.parametrize("fault", ["silent", "dribbling"])
def test_a_question_ends_at_its_deadline(api: ApiServer, fault: str) -> None:
    api.is_silent, api.dribble = fault == "silent", 0.05 if fault == "dribbling" else 0.0
    make_nodes(api, 3)
    connection = Connection(access_to(api), deadline=0.3)

    before = time.monotonic()
    with pytest.raises(StoreUnavailable, match=r"within 0\.3 s|timed out"):
        connection.ask(Question("GET", NODES))

    assert time.monotonic() - before < 10


def test_an_idle_connection_that_was_closed_is_made_anew(api: ApiServer) -> None:
    make_nodes(api, 1)
    client = client_of(api)
    client.list(NODES)
    api.drop_connections()

    assert len(client.list(NODES).items) == 1


def test_nobody_listening_is_unavailable_and_says_where(host: None) -> None:
    access = Access("http://127.0.0.1:1", "127.0.0.1", 1, FixedToken())
    with pytest.raises(StoreUnavailable, match=r"http://127.0.0.1:1: Connection refused"):
        KubernetesClient(access).list(NODES)


@pytest.mark.parametrize("code", [429, 500, 503])
def test_an_overloaded_server_is_unavailable(api: ApiServer, code: int) -> None:
    api.break_next = [code]
    client = client_of(api)

    with pytest.raises(StoreUnavailable, match=f"currently unable.*{code}"):
        client.list(NODES)

    assert client.list(NODES).items == ()


def test_a_missing_right_is_refused_with_the_role_that_mends_it(api: ApiServer) -> None:
    api.forbidden = "list"
    with pytest.raises(StoreRefused, match=r"nodes is forbidden.*bind a ClusterRole"):
        client_of(api).list(NODES)


def test_a_wrong_token_is_refused_and_not_told(api: ApiServer) -> None:
    api.token = "right"
    with pytest.raises(StoreRefused, match="Unauthorized") as caught:
        KubernetesClient(access_to(api, SECRET)).list(NODES)
    assert SECRET not in str(caught.value)


def test_a_token_that_was_exchanged_is_read_again_at_once(api: ApiServer, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")
    api.token = "old"
    client = KubernetesClient(Access(api.url, "127.0.0.1", api.http.server_port, TokenFile(file)))
    client.list(NODES)

    file.write_text("new\n")
    api.token = "new"

    assert client.list(NODES).items == ()


@pytest.mark.parametrize("text", ["", "\n", f"two\n{SECRET}", f"{SECRET}\x07", "t\u00f6ken"])
def test_a_file_that_holds_no_token_is_named_and_not_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    with pytest.raises(StoreRefused, match=f"{file} holds no token") as caught:
        TokenFile(file).text()
    assert SECRET not in str(caught.value)


def test_a_token_file_is_read_once_a_minute(tmp_path: Path) -> None:
    file, now = tmp_path / "token", 100.0
    file.write_text("one")
    token = TokenFile(file, lambda: now)
    assert token.text() == "one"
    file.write_text("two")

    now = 159.0
    assert token.text() == "one"
    now = 160.0
    assert token.text() == "two"


def test_apply_takes_over_what_another_wrote_and_drops_what_it_leaves_out(api: ApiServer) -> None:
    api.objects.create({"metadata": {"name": "node-1", "annotations": {"a": "theirs", "c": "theirs"}}})
    client, path = client_of(api), f"{NODES}/node-1/status"
    client.apply(path, {"metadata": {"annotations": {"a": "ours", "b": "ours"}}})

    client.apply(path, {"metadata": {"annotations": {"a": "ours"}}})

    node = api.objects.nodes["node-1"]
    assert node["metadata"]["annotations"] == {"a": "ours", "c": "theirs"}
    assert managers(node)["podwire"]["subresource"] == "status"


def test_applying_the_same_again_wakes_nobody(api: ApiServer) -> None:
    api.objects.create({"metadata": {"name": "node-1"}})
    client, body = client_of(api), {"metadata": {"annotations": {"a": "ours"}}}
    first = client.apply(f"{NODES}/node-1/status", dict(body))

    assert client.apply(f"{NODES}/node-1/status", dict(body)) == first


def test_a_version_that_is_not_the_last_conflicts(api: ApiServer) -> None:
    version = api.objects.create({"metadata": {"name": "node-1"}})["metadata"]["resourceVersion"]
    api.objects.annotate("node-1", public_ip="192.0.2.1")
    client = client_of(api)

    with pytest.raises(Conflict):
        client.merge(f"{NODES}/node-1", {"metadata": {"annotations": {"a": "b"}}}, version)
    with pytest.raises(Conflict):
        client.apply(f"{NODES}/node-1/status", {"metadata": {"resourceVersion": version}})

    assert "a" not in api.objects.nodes["node-1"]["metadata"]["annotations"]


def test_null_in_a_merge_removes(api: ApiServer) -> None:
    node = api.objects.create({"metadata": {"name": "node-1", "annotations": {"a": "1", "b": "2"}}})

    version = node["metadata"]["resourceVersion"]
    client_of(api).merge(f"{NODES}/node-1/status", {"metadata": {"annotations": {"a": None}}}, version)

    assert api.objects.nodes["node-1"]["metadata"]["annotations"] == {"b": "2"}


def test_applying_to_a_node_that_is_gone_makes_none(api: ApiServer) -> None:
    with pytest.raises(NotFound):
        client_of(api).apply(f"{NODES}/node-1/status", {"metadata": {"name": "node-1"}})
    assert not api.objects.nodes


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_chunks_come_out_whole_however_they_are_cut(size: int) -> None:
    wire = b"5\r\nhello\r\n1;ext=1\r\n \r\n000A\r\nwide\r\nworld\r\n0\r\n\r\n".replace(b"000A", b"000b")
    chunks = Chunks()
    found = b"".join(chunks.feed(wire[at : at + size]) for at in range(0, len(wire), size))
    assert found == b"hello wide\r\nworld"
    assert chunks.is_ended


@pytest.mark.parametrize("wire", [b"xyz\r\n", b"-1\r\n", b"1" * 70, b"fffffffff\r\n", b"0x5\r\n"])
def test_a_chunk_without_a_length_is_an_error(wire: bytes) -> None:
    with pytest.raises(ValueError, match="length"):
        Chunks().feed(wire)


# kubeconfig


CONFIG = """
apiVersion: v1
kind: Config
current-context: home
contexts:
- name: home
  context: {{cluster: one, user: me, namespace: x}}
- name: lost
  context: {{cluster: nowhere, user: me}}
clusters:
- name: one
  cluster: {{server: "{server}", {cluster}}}
users:
- name: me
  user: {{{user}}}
preferences: {{}}
"""


def write_config(
    folder: Path, *, server: str = "https://192.0.2.1:6443", user: str = "", cluster: str = ""
) -> Path:
    file = folder / "kubeconfig"
    file.write_text(CONFIG.format(server=server, user=user, cluster=cluster))
    return file


def test_a_kubeconfig_gives_server_and_token(tmp_path: Path) -> None:
    access = access_by_kubeconfig(write_config(tmp_path, user=f"token: {SECRET}"))

    assert (access.host, access.port, access.token.text()) == ("192.0.2.1", 6443, SECRET)
    assert SECRET not in f"{access.where}"


def test_a_server_behind_a_path_and_by_ipv6(tmp_path: Path) -> None:
    access = access_by_kubeconfig(write_config(tmp_path, server="https://[fd77::1]/k8s/clusters/c1/"))

    assert (access.host, access.port, access.base) == ("fd77::1", 443, "/k8s/clusters/c1")


@pytest.mark.parametrize(
    ("user", "cluster", "sentence"),
    [
        ("exec: {command: aws}", "", "exec plugins are not run by an agent: use a token"),
        ("auth-provider: {name: gcp}", "", "auth-provider is gone"),
        ("as: admin, token: x", "", "does not impersonate"),
        (f"username: a, password: {SECRET}", "", "username is gone"),
        ("client-certificate: a.pem", "", "client-certificate without client-key"),
        ("", "proxy-url: 'http://p'", "proxy-url is not supported"),
        (f"token: [{SECRET}]", "", "users.0.user.token: expected a valid string"),
        (f'token: "{SECRET}\\nx"', "", "token holds no token of one line"),
        (f"token: {{{SECRET}", "", "line .*not YAML"),
        ("client-certificate-data: '!', client-key-data: '!'", "", "client-certificate-data is not base64"),
    ],
)
def test_what_a_kubeconfig_cannot_have_is_refused_and_no_secret_told(
    tmp_path: Path, user: str, cluster: str, sentence: str
) -> None:
    with pytest.raises(StoreRefused, match=sentence) as caught:
        access_by_kubeconfig(write_config(tmp_path, user=user, cluster=cluster))
    assert SECRET not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(("context", "said"), [("away", "home, lost"), ("lost", "'nowhere'")])
def test_a_context_that_leads_nowhere_names_what_there_is(tmp_path: Path, context: str, said: str) -> None:
    with pytest.raises(StoreRefused, match=said):
        access_by_kubeconfig(write_config(tmp_path), context)


@pytest.mark.parametrize("server", ["", "192.0.2.1:6443", "ftp://x", "https://", "https://h:99999"])
def test_a_server_that_is_no_url_is_refused(tmp_path: Path, server: str) -> None:
    with pytest.raises(StoreRefused, match="server"):
        access_by_kubeconfig(write_config(tmp_path, server=server))


def test_a_pod_takes_what_kubernetes_gives_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET)
    access = access_in_cluster(
        {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}, tmp_path
    )

    assert (access.where, access.host, access.token.text()) == ("https://[fd00::1]:443", "fd00::1", SECRET)


def test_outside_a_pod_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="name a kubeconfig instead"):
        access_in_cluster({}, tmp_path)


# TLS


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an authority, and certificates of a server and of a client."""
    folder = tmp_path_factory.mktemp("papers")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    ca = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign")
    openssl(folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", *ca)
    for name, more in (("server", "subjectAltName=IP:127.0.0.1"), ("client", "extendedKeyUsage=clientAuth")):
        openssl(
            folder, "req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.pem",
            "-subj", f"/CN={name}", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-addext", more, "-addext", "basicConstraints=CA:FALSE",
        )  # fmt: skip
    return folder


@pytest.fixture
def tls_api(host: None, papers: Path) -> Iterator[ApiServer]:
    """Serve by TLS, for clients whose certificate is the authority's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(papers / "server.pem", papers / "server.key")
    context.load_verify_locations(papers / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    with running_api(context) as server:
        yield server


def inline(papers: Path, name: str) -> str:
    return base64.b64encode((papers / name).read_bytes()).decode()


@pytest.mark.parametrize("is_inline", [True, False])
def test_a_client_certificate_is_shown_from_files_or_from_the_kubeconfig(
    tls_api: ApiServer, papers: Path, tmp_path: Path, is_inline: bool
) -> None:
    make_nodes(tls_api, 3)
    user = f"client-certificate: {papers}/client.pem, client-key: {papers}/client.key"
    cluster = f"certificate-authority: {papers}/ca.pem"
    if is_inline:
        certificate, key = inline(papers, "client.pem"), inline(papers, "client.key")
        user = f"client-certificate-data: {certificate}, client-key-data: {key}"
        cluster = f"certificate-authority-data: {inline(papers, 'ca.pem')}"
    config = write_config(tmp_path, server=tls_api.url, user=user, cluster=cluster)
    client = KubernetesClient(access_by_kubeconfig(config))

    assert len(client.list(NODES).items) == 3
    watch = client.watch(NODES)
    started(watch, tls_api)
    tls_api.objects.delete("node-001")
    assert names(wait_for_events(watch)) == ["node-001"]
    waiting = threading.Thread(target=watch.next, args=(60,))
    waiting.start()
    watch.close()
    waiting.join(5)
    assert not waiting.is_alive()


def test_a_server_that_nobody_vouches_for_is_not_spoken_to(
    tls_api: ApiServer, papers: Path, tmp_path: Path
) -> None:
    user = f"client-certificate: {papers}/client.pem, client-key: {papers}/client.key, token: {SECRET}"
    config = write_config(tmp_path, server=tls_api.url, user=user)
    with pytest.raises(StoreUnavailable, match="certificate is not trusted"):
        KubernetesClient(access_by_kubeconfig(config)).list(NODES)
    assert not tls_api.asked


def test_a_certificate_that_is_none_names_the_file(tls_api: ApiServer, tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("nothing")
    config = write_config(tmp_path, server=tls_api.url, cluster="certificate-authority: bad.pem")
    with pytest.raises(StoreRefused, match=r"bad\.pem cannot be used for TLS"):
        KubernetesClient(access_by_kubeconfig(config)).list(NODES)


def test_a_watch_of_what_a_selector_selects(api: ApiServer) -> None:
    """What matches no more has gone, for who watches; what does now is new."""
    make_nodes(api, 2)
    label = {"labelSelector": "zone=a"}
    watch = Watch(access_to(api), NODES, select=label)
    started(watch, api)

    api.objects.update("node-001", lambda node: node["metadata"].update(labels={"zone": "a"}))
    api.objects.update("node-001", lambda node: node["metadata"].update(labels={}))
    seen: list[WatchEvent] = []
    while len(seen) < 2:
        got = watch.next(5)
        assert got and not isinstance(got, Listing)
        seen += got

    assert [one.kind for one in seen] == ["ADDED", "DELETED"]
    assert all(one.query["labelSelector"] == "zone=a" for one in api.questions())
    watch.close()


def test_a_kind_that_the_server_does_not_have_is_told_apart(api: ApiServer) -> None:
    watch = client_of(api).watch("/apis/networking.k8s.io/v1/unheardofs")
    with pytest.raises(KindUnknown, match="unheardofs"):
        watch.next(1)
    watch.close()


def test_a_server_that_ends_every_watch_at_once_is_left_in_peace(api: ApiServer) -> None:
    watch = client_of(api).watch(NODES)
    assert isinstance(watch.next(5), Listing)
    api.objects.since = _ending(api)  # type: ignore[method-assign]

    with pytest.raises(StoreUnavailable, match="ends as soon as it begins"):
        watch.next(30)

    assert len([one for one in api.questions() if "watch" in one.query]) == 3
    watch.close()


def _ending(api: ApiServer) -> Callable[..., list[tuple[int, str, Json]]]:
    """Return a history that ends whoever reads it."""

    def since(*_: object) -> list[tuple[int, str, Json]]:
        api.generation += 1
        return []

    return since
