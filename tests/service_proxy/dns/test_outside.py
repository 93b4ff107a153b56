"""Zone, forwarder and autopath in one process, before servers that real clusters have."""

from __future__ import annotations

import pickle
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import dns.message
import pytest

from service_proxy.dns.answers import Answers
from service_proxy.dns.counting import Tally
from service_proxy.dns.forward_settings import ForwardSettings, Server
from service_proxy.dns.forwarder import Forwarder
from service_proxy.dns.later import Later
from service_proxy.dns.outside import OutsideOptions, open_outside
from service_proxy.dns.zone import Zone
from tests.service_proxy.dns.asking import ask, data_of, forwarding
from tests.service_proxy.dns.faulty_server import records, serving

UPSTREAM = "127.0.0.11"
pytestmark = pytest.mark.usefixtures("host")


@contextmanager
def dnsmasq(*arguments: str) -> Iterator[None]:
    """Run Debian's dnsmasq; return when it answers."""
    if (program := shutil.which("dnsmasq")) is None:
        pytest.skip("dnsmasq (package dnsmasq-base) is not installed")
    process = subprocess.Popen(
        [program, "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root",
         "--pid-file=", "--bind-interfaces", f"--listen-address={UPSTREAM}", *arguments],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 8
        while socket.socket().connect_ex((UPSTREAM, 53)):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
        yield
    finally:
        process.terminate()
        process.wait()


def test_dnsmasq_is_asked_and_its_denials_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text(f"nameserver {UPSTREAM}\nsearch corp.test\n")
    many = [f"--host-record=many.test,192.0.2.{number}" for number in range(1, 90)]
    rows = [
        "--host-record=www.test,192.0.2.1,2001:db8::1",
        "--cname=alias.test,www.test",
        "--local=/test/",
        *many,
    ]
    options = OutsideOptions(ForwardSettings(), resolv_conf=path, cni_results=tmp_path / "results")
    with dnsmasq(*rows):
        forwarder, path_search = pickle.loads(pickle.dumps(partial(open_outside, options)))(Zone())
        assert isinstance(forwarder, Forwarder) and path_search is not None
        try:
            _judge(forwarder)
        finally:
            forwarder.close()


def _judge(forwarder: Forwarder) -> None:
    deadline = time.monotonic() + 8
    while not data_of(ask(forwarder, "www.test")):  # the file is read in a thread
        assert time.monotonic() < deadline
    assert data_of(ask(forwarder, "www.test")) == ["192.0.2.1"]
    assert data_of(ask(forwarder, "www.test", "AAAA")) == ["2001:db8::1"]
    assert data_of(ask(forwarder, "alias.test")) == ["www.test.", "192.0.2.1"]
    assert ask(forwarder, "nowhere.test").rcode() == 3
    assert len(data_of(ask(forwarder, "many.test", is_tcp=True))) == 89
    cut = ask(forwarder, "many.test")
    assert cut.flags & 0x0200 and 0 < len(data_of(cut)) < 89


def test_what_it_counts_has_corednss_names() -> None:
    forwarder = Forwarder(ForwardSettings(), [Server(UPSTREAM)], lambda name, message, about="": None)
    forwarder.start()
    ask(forwarder, "www.test")
    samples = {(one.name, dict(one.labels).get("to")): one.value for one in forwarder.samples()}
    forwarder.close()
    where = f"{UPSTREAM}:53"
    assert samples["coredns_cache_misses_total", None] == 1 == samples["coredns_cache_requests_total", None]
    assert samples["podwire_dns_upstream_failures_total", where] == 3
    assert samples["coredns_proxy_request_duration_seconds_count", where] == 0
    assert samples["coredns_forward_max_concurrent_rejects_total", None] == 0


def test_what_is_kept_is_answered_by_the_server_itself_and_counted_as_others() -> None:
    answers = Answers(Zone(), 1)
    answers.is_complete = True
    good = lambda query, is_tcp: records(query, "192.0.2.1").to_wire()  # noqa: E731
    with serving(UPSTREAM, good), forwarding(UPSTREAM) as forwarder:
        Later(answers, forwarder)
        ask(forwarder, "www.test")
        tally = Tally("udp", "1")
        query = dns.message.make_query("wWw.test", "A")
        kept = answers.answer(query.to_wire(), tally)
        assert kept is not None and data_of(dns.message.from_wire(kept)) == ["192.0.2.1"]
        assert (tally.foreign_types[1], tally.foreign_codes[0]) == (1, 1) and not any(tally.types)
        inside = dns.message.make_query("www.default.svc.cluster.local", "A").to_wire()
        denied = answers.answer(inside, tally)
        assert denied is not None and dns.message.from_wire(denied).rcode() == 3
