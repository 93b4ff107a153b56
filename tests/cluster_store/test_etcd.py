"""etcd alone: TLS, users, members that die or fall silent, servers that are none."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cluster_store.etcd import EtcdStore
from cluster_store.http_json import Tls
from cluster_store.opening import StoreOptions, open_store
from cluster_store.store import DEADLINE, Check, Conflict, Put, Snapshot, StoreRefused, StoreUnavailable
from cluster_store.wire import Endpoint
from tests.cluster_store.etcd_server import EtcdServer, missing
from tests.cluster_store.mirror import Mirror

pytestmark = [pytest.mark.skipif(bool(missing()), reason=missing()), pytest.mark.usefixtures("host")]
A, B = "/net/a", "/net/b"
ENDPOINTS = [Endpoint("127.0.0.1", 2379 + 10 * n) for n in range(3)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EtcdServer]:
    made = EtcdServer(tmp_path)
    made.start()
    yield made
    made.kill()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[list[EtcdServer]]:
    """Give three members."""
    members = [EtcdServer(tmp_path, number, 3) for number in range(3)]
    for member in members:
        member.launch()
    for member in members:
        member.wait_listening()
    yield members
    for member in members:
        member.resume()
        member.kill()


def ask_read(store: EtcdStore) -> None:
    store.read(A)


def ask_commit(store: EtcdStore) -> None:
    store.commit([], [Put(A, "2")])


def ask_follower(store: EtcdStore) -> None:
    store.follow("/").next(1)


@contextmanager
def opened(*endpoints: Endpoint, silence: float = 60.0) -> Iterator[EtcdStore]:
    store = EtcdStore(endpoints, silence=silence)
    try:
        yield store
    finally:
        store.close()


# Members


def test_a_dead_member_is_followed_by_the_next(cluster: list[EtcdServer]) -> None:
    with opened(*ENDPOINTS) as store:
        put_at_last(store, "0")
        mirror = Mirror(store.follow("/net/"))
        mirror.follow()
        mirror.follow(0.1)
        for number in (0, 1, 2):
            cluster[number].kill()
            mirror.items.pop(A)
            put_at_last(store, f"without {number}")
            mirror.follow_until(A, f"without {number}")
            cluster[number].start()
        mirror.follower.close()
        assert mirror.snapshots == 1, "each member goes on where another was"


def put_at_last(store: EtcdStore, value: str) -> None:
    """Put until it is taken: for a moment after its leader's death a cluster has none."""
    end = time.monotonic() + 20
    while True:
        try:
            store.commit([], [Put(A, value)])
            return
        except StoreUnavailable:
            assert time.monotonic() < end


def test_a_member_that_hangs_costs_its_share_of_the_deadline(cluster: list[EtcdServer]) -> None:
    with opened(*ENDPOINTS) as store:
        put_at_last(store, "1")
        cluster[0].pause()
        begin = time.monotonic()
        while True:
            try:
                assert store.read(A)
                break
            except StoreUnavailable:  # it was the leader: another is elected
                assert time.monotonic() - begin < 3 * DEADLINE
        begin = time.monotonic()
        assert store.read(A)
        assert time.monotonic() - begin < 1, "the next question goes to the member that answered"


def test_a_member_cut_off_from_the_others_ends_the_watch(cluster: list[EtcdServer]) -> None:
    with opened(ENDPOINTS[0]) as store:
        put_at_last(store, "1")
        follower = store.follow("/net/")
        follower.next(5)
        follower.next(0.1)
        cluster[1].kill()
        cluster[2].kill()
        with pytest.raises(StoreUnavailable):
            follower.next(20)
        follower.close()


def test_a_watch_that_hangs_is_found_by_its_silence(server: EtcdServer) -> None:
    with opened(ENDPOINTS[0], silence=0.3) as store:
        follower = store.follow("/net/")
        assert isinstance(follower.next(5), Snapshot)
        assert follower.next(1) == ()
        server.pause()
        begin = time.monotonic()
        with pytest.raises(StoreUnavailable):
            follower.next(60)
        assert time.monotonic() - begin < DEADLINE + 2
        server.resume()
        store.commit([], [Put(A, "1")])
        mirror = Mirror(follower)
        mirror.follow_until(A)
        follower.close()


@pytest.mark.parametrize("ask", [ask_read, ask_commit, ask_follower])
def test_a_question_to_one_that_hangs_ends_in_time(
    server: EtcdServer, ask: Callable[[EtcdStore], None]
) -> None:
    with opened(ENDPOINTS[0]) as store:
        store.commit([], [Put(A, "1")])
        server.pause()
        begin = time.monotonic()
        with pytest.raises(StoreUnavailable):
            ask(store)
        assert time.monotonic() - begin < DEADLINE + 1
        server.resume()


def test_a_commit_that_may_have_been_made_is_not_made_twice(server: EtcdServer) -> None:
    """The first server takes the transaction and says nothing; the second must not be asked then."""
    with listening(b"") as silent, opened(silent, ENDPOINTS[0]) as store:
        with pytest.raises(StoreUnavailable):
            store.commit([], [Put(A, "1")])
        assert store.read(A) is None
        store.commit([], [Put(A, "2")])


def test_an_address_where_nobody_listens_is_passed_over_by_a_commit(server: EtcdServer) -> None:
    with opened(Endpoint("127.0.0.1", 1), ENDPOINTS[0]) as store:
        store.commit([Check(A, 0)], [Put(A, "1")])
        assert store.read(A)


def test_a_connection_that_died_of_age_costs_no_question(server: EtcdServer) -> None:
    with opened(ENDPOINTS[0]) as store:
        for n in range(3):
            store.commit([], [Put(A, str(n))])
            server.kill()
            server.start()


def test_answers_larger_than_grpcs_usual_limit(server: EtcdServer) -> None:
    with opened(ENDPOINTS[0]) as store:
        for n in range(40):
            store.commit([], [Put(f"/net/{n:02}", "x" * 400_000)])
        mirror = Mirror(store.follow("/net/", Snapshot((), 1)))
        mirror.follow_until("/net/39")
        mirror.follower.close()
        assert tuple(mirror.items.values()) == store.list("/net/").items
        assert mirror.snapshots == 0


# Users


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[EtcdServer]:
    """Give one with users whose tokens live for two seconds; "node" may use /net/ alone."""
    server = EtcdServer(tmp_path, options=["--auth-token-ttl", "2"])
    server.start()
    for command in (
        *("user add root:secret", "user grant-role root root", "user add node:secret", "role add nodes"),
        *("role grant-permission nodes --prefix=true readwrite /net/", "user grant-role node nodes"),
        *("put /other theirs", "auth enable"),
    ):
        server.control(*command.split())
    yield server
    server.kill()


def node_store() -> EtcdStore:
    return EtcdStore(ENDPOINTS[:1], user="node", password="secret")


def test_a_user_may_what_its_role_may(guarded: EtcdServer) -> None:
    store = node_store()
    lease = store.grant(30)
    store.commit([Check(A, 0)], [Put(A, "1", lease)])
    assert [item.key for item in store.list("/net/").items] == [A]
    assert store.keep_alive(lease) == 30
    for ask in (lambda: store.read("/other"), lambda: store.list("/"), lambda: store.follow("/").next(1)):
        with pytest.raises(StoreRefused, match="permission denied"):
            ask()
    with pytest.raises(StoreRefused, match="permission denied"):
        store.commit([], [Put("/other", "mine")])
    store.revoke(lease)
    store.close()


def test_a_wrong_password_or_none_is_refused(guarded: EtcdServer) -> None:
    for user, password in (("node", "wrong"), ("nobody", "x"), ("", "")):
        store = EtcdStore(ENDPOINTS[:1], user=user, password=password)
        with pytest.raises(StoreRefused):
            store.read(A)
        with pytest.raises(StoreRefused):
            store.follow("/net/").next(1)
        store.close()


def test_a_token_that_is_too_old_is_replaced_in_passing(guarded: EtcdServer) -> None:
    store = node_store()
    follower = store.follow("/net/")
    assert isinstance(follower.next(5), Snapshot)
    for n in range(3):
        assert follower.next(2.5) == (), "the wait in which the token dies"
        store.commit([], [Put(A, str(n))])
        assert follower.next(5)
    guarded.kill()  # simple tokens die with it
    guarded.start()
    store.commit([], [Put(A, "after")])
    Mirror(follower).follow_until(A, "after")
    follower.close()
    store.close()


def test_users_switched_on_while_it_is_used(server: EtcdServer) -> None:
    store = EtcdStore(ENDPOINTS[:1], user="root", password="secret")
    store.commit([], [Put(A, "1")])
    for command in ("user add root:secret", "user grant-role root root", "auth enable"):
        server.control(*command.split())
    store.commit([], [Put(A, "2")])
    assert store.read(A)
    store.close()


# TLS


def openssl(*arguments: str, cwd: Path) -> None:
    subprocess.run(["openssl", *arguments], cwd=cwd, check=True, capture_output=True)


def make_certificate(folder: Path, name: str, subject_names: str) -> None:
    """Make a key and a certificate by the folder's authority."""
    extensions = f"subjectAltName={subject_names}\nextendedKeyUsage=serverAuth,clientAuth\n"
    (folder / f"{name}.ext").write_text(extensions)
    request = ["-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr"]
    openssl("req", *request, "-subj", f"/CN={name}", cwd=folder)
    signing = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"]
    files = ["-in", f"{name}.csr", "-out", f"{name}.crt", "-extfile", f"{name}.ext"]
    openssl("x509", "-req", *signing, *files, cwd=folder)


def make_authority(folder: Path) -> None:
    folder.mkdir()
    request = ["-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-days", "2"]
    openssl("req", "-x509", *request, "-subj", f"/CN=authority of {folder.name}", cwd=folder)


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    folder = tmp_path / "certificates"
    make_authority(folder)
    make_certificate(folder, "server", "DNS:etcd.example,IP:127.0.0.1")
    make_certificate(folder, "named", "DNS:etcd.example")
    make_certificate(folder, "client", "DNS:node1")
    make_authority(tmp_path / "stranger")
    make_certificate(tmp_path / "stranger", "client", "DNS:node1")
    return folder


@contextmanager
def tls_server(folder: Path, certificates: Path, name: str) -> Iterator[EtcdServer]:
    files = [
        "--cert-file",
        str(certificates / f"{name}.crt"),
        "--key-file",
        str(certificates / f"{name}.key"),
    ]
    trusted = ["--trusted-ca-file", str(certificates / "ca.crt"), "--client-cert-auth"]
    server = EtcdServer(folder, options=[*files, *trusted])
    server.start()
    try:
        yield server
    finally:
        server.kill()


def options_of(certificates: Path, server_name: str = "") -> StoreOptions:
    ca, certificate, key = (certificates / name for name in ("ca.crt", "client.crt", "client.key"))
    return StoreOptions(ca, certificate, key, server_name)


def test_both_sides_prove_who_they_are(tmp_path: Path, certificates: Path) -> None:
    with tls_server(tmp_path, certificates, "server"):
        store = open_store("https://127.0.0.1:2379", options_of(certificates))
        mirror = Mirror(store.follow("/net/"))
        mirror.follow()
        for n in range(50):
            store.commit([], [Put(f"/net/{n:02}", "x" * 20_000)])
        mirror.follow_until("/net/49")
        assert tuple(mirror.items.values()) == store.list("/net/").items
        mirror.follower.close()
        store.close()


def test_a_server_or_client_that_cannot_prove_itself_is_told_apart(
    tmp_path: Path, certificates: Path
) -> None:
    stranger = tmp_path / "stranger"
    with tls_server(tmp_path, certificates, "server"):
        with_other_ca = StoreOptions(
            ca=stranger / "ca.crt", certificate=stranger / "client.crt", key=stranger / "client.key"
        )
        for options, said in (
            (with_other_ca, "CERTIFICATE_VERIFY_FAILED"),
            (StoreOptions(ca=certificates / "ca.crt"), "CERTIFICATE|EOF|reset"),
            (StoreOptions(), "CERTIFICATE_VERIFY_FAILED"),
        ):
            store = open_store("etcds://127.0.0.1:2379", options)
            with pytest.raises(StoreUnavailable, match=f"(?i){said}"):
                store.read(A)
        plain = open_store("etcd://127.0.0.1:2379")
        with pytest.raises((StoreUnavailable, StoreRefused)):
            plain.read(A)


def test_the_certificate_must_name_the_server(tmp_path: Path, certificates: Path) -> None:
    with tls_server(tmp_path, certificates, "named"):
        store = open_store("etcds://127.0.0.1:2379", options_of(certificates))
        with pytest.raises(StoreUnavailable, match="IP address mismatch"):
            store.read(A)
        named = open_store("etcds://127.0.0.1", options_of(certificates, "etcd.example"))
        named.commit([], [Put(A, "1")])
        named.close()


def test_certificates_that_cannot_be_read_are_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("no certificate")
    for path in (tmp_path / "ca.crt", tmp_path / "missing"):
        with pytest.raises(StoreRefused, match=str(path)):
            open_store("etcds://127.0.0.1", StoreOptions(ca=path))
        store = EtcdStore([Endpoint("127.0.0.1", 2379, True)], tls=Tls(ca=path))
        with pytest.raises(StoreRefused):
            store.read(A)


# Values of others, and servers that are no etcd


def test_values_that_are_no_text_harm_nobody(server: EtcdServer) -> None:
    with opened(ENDPOINTS[0]) as store:
        mirror = Mirror(store.follow("/net/"))
        mirror.follow()
        subprocess.run(
            ["etcdctl", "put", "/net/binary"], input=b"\xff\xfe", check=True, stdout=subprocess.DEVNULL
        )
        store.commit([], [Put(A, "1")])
        mirror.follow_until(A)
        mirror.follower.close()
        assert set(mirror.items) == {A}
        assert [item.key for item in store.list("/net/").items] == [A]
        with pytest.raises(StoreRefused, match="UTF-8"):
            store.read("/net/binary")
        with pytest.raises(Conflict):
            store.commit([Check("/net/binary", 0)], [Put("/net/binary", "mine now")])


@contextmanager
def listening(answer: bytes, pause: float = 0.0) -> Iterator[Endpoint]:
    """Be a server that sends this, byte by byte with a pause if one is given, and then nothing."""
    ends = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection:
            connection.recv(65536)
            for byte in answer if pause else ():
                connection.sendall(bytes([byte]))
                if ends.wait(pause):
                    return
            if not pause:
                connection.sendall(answer)
            ends.wait(60)

    def accept() -> None:
        while not ends.is_set():
            try:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
            except OSError:  # closed
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield Endpoint(*listener.getsockname())
        ends.set()
        listener.shutdown(socket.SHUT_RDWR)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
NO_ETCD = {
    "a page": HEAD + b"Content-Length: 6\r\n\r\n<html>",
    "a list": HEAD + b"Content-Length: 2\r\n\r\n[]",
    "no number": HEAD + b'Content-Length: 31\r\n\r\n{"header": {"revision": "abc"}}',
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "no end": HEAD + b"Content-Length: 999999\r\n\r\n{",
    "endless": HEAD + b"\r\n" + b"x" * 70_000,
    "broken chunks": CHUNKED + b"zz\r\n{}\r\n",
}
NO_WATCH = {
    "a page": NO_ETCD["a page"] + b"\n",
    "a list": CHUNKED + b"3\r\n[]\n\r\n",
    "no result": CHUNKED + b"3\r\n{}\n\r\n",
    "no number": CHUNKED + b'2a\r\n{"result": {"header": {"revision": "x"}}}\n\r\n',
    "an error": CHUNKED + b'28\r\n{"error": {"message": "x", "code": 14}}\n\r\n',
    "an end": CHUNKED + b"0\r\n\r\n",
    "broken chunks": NO_ETCD["broken chunks"],
}


@pytest.mark.parametrize("name", NO_ETCD)
def test_a_server_that_is_no_etcd_is_named_as_such(name: str) -> None:
    with listening(NO_ETCD[name]) as endpoint, opened(endpoint) as store:
        begin = time.monotonic()
        with pytest.raises(StoreUnavailable):
            store.list("/")
        assert time.monotonic() - begin < DEADLINE + 1


@pytest.mark.parametrize("name", NO_WATCH)
def test_a_watch_that_is_none_is_named_as_such(name: str) -> None:
    with listening(NO_WATCH[name]) as endpoint, opened(endpoint) as store:
        follower = store.follow("/", Snapshot((), 5))
        begin = time.monotonic()
        with pytest.raises(StoreUnavailable):
            follower.next(60)
        assert time.monotonic() - begin < DEADLINE + 1
        follower.close()


def test_a_server_that_trickles_does_not_hold_us() -> None:
    """Each byte comes within any socket's time-out; all of them would take an hour."""
    body = HEAD + b"Content-Length: 9999\r\n\r\n" + b" " * 9999
    with listening(body, pause=0.3) as endpoint, opened(endpoint) as store:
        begin = time.monotonic()
        with pytest.raises(StoreUnavailable):
            store.list("/")
        assert time.monotonic() - begin < DEADLINE + 1


def test_a_name_that_nobody_knows_is_unavailable() -> None:
    with opened(Endpoint("no-such-host.invalid", 2379)) as store:
        begin = time.monotonic()
        with pytest.raises(StoreUnavailable, match=r"no-such-host\.invalid"):
            store.read(A)
        assert time.monotonic() - begin < DEADLINE + 1


def test_an_older_etcd_is_asked_by_its_older_path() -> None:
    asked = []

    class Old(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(self.path)
            is_known = self.path.startswith("/v3beta/")
            body = b'{"header": {"revision": "7"}}' if is_known else b"404 page not found\n"
            self.send_response(200 if is_known else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Old) as old:
        threading.Thread(target=old.serve_forever, daemon=True).start()
        with opened(Endpoint("127.0.0.1", old.server_port)) as store:
            assert store.list("/") == Snapshot((), 7)
            store.list("/")
        old.shutdown()
    assert asked == ["/v3/kv/range", "/v3beta/kv/range", "/v3beta/kv/range"]
