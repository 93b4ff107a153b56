"""The resolvers that pods have: glibc's, musl's and busybox', with a resolv.conf as a pod's.

Each runs with the file mounted over the machine's, in a mount namespace of its own.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.service_proxy.dns.world import V4, World, world

RESOLV_CONF = f"""nameserver {V4}
search default.svc.cluster.local svc.cluster.local cluster.local
options ndots:5
"""
SOURCE = Path(__file__).with_name("getaddrinfo.c")
COMPILERS = {"glibc": "cc", "musl": "musl-gcc"}

Ask = Callable[..., list[str]]

CASES = {
    "web": ["10.96.0.10"],
    "web.other": ["10.96.0.20"],
    "web.other.svc": ["10.96.0.20"],
    "WEB.default.svc.cluster.local.": ["10.96.0.10"],
    "dual": ["10.96.0.11", "fd00:96::11"],
    "headless": ["10.244.1.6", "10.244.1.7", "fd00:244::6"],
    "db-0.headless": ["10.244.1.7"],
    "inside": ["10.96.0.10"],
    "twice": ["10.96.0.10"],
    "1st": ["10.96.0.14"],
    "1-2-3-4.default.pod": ["1.2.3.4"],
}


@pytest.fixture(scope="module")
def server() -> Iterator[World]:
    with world() as one:
        one.wait_for(["web.default.svc.cluster.local. A 10.96.0.10"], "web.default.svc.cluster.local", "A")
        yield one


@pytest.fixture(scope="module")
def in_pod(server: World, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Return what runs a command as a pod would see the network's names."""
    file = tmp_path_factory.mktemp("pod") / "resolv.conf"
    file.write_text(RESOLV_CONF)

    def run(*command: str) -> str:
        script = f'mount --bind {file} "$(readlink -f /etc/resolv.conf)" && exec "$@"'
        return server.run("unshare", "-m", "sh", "-c", script, "sh", *command)

    return run


@pytest.fixture(scope="module", params=COMPILERS)
def ask(
    request: pytest.FixtureRequest, in_pod: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Ask:
    """Return what asks a C library."""
    compiler = COMPILERS[request.param]
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is missing: apt-get install musl-tools")
    program = tmp_path_factory.mktemp("program") / request.param
    static = ["-static"] if compiler == "musl-gcc" else []
    subprocess.run([compiler, *static, "-o", program, SOURCE], check=True)
    return lambda *words: sorted(in_pod(str(program), *words).split("\n")[:-1])


@pytest.mark.parametrize("name", CASES)
def test_a_c_library_finds_it(ask: Ask, name: str) -> None:
    assert ask(name) == CASES[name]


def test_a_c_library_finds_an_addresses_name(ask: Ask) -> None:
    assert ask("-x", "10.96.0.10") == ["web.default.svc.cluster.local"]


def test_a_c_library_is_told_that_there_is_nothing(ask: Ask) -> None:
    assert ask("nothing.default.svc.cluster.local.") in (
        ["Name or service not known"],
        ["Name does not resolve"],
    )


def test_a_c_library_gets_enough_of_what_is_long(ask: Ask) -> None:
    """glibc asks again by TCP; musl before 1.2.4 does not, and takes what is there."""
    assert 20 < len(ask("many")) <= 100


def test_getent_of_the_machine(in_pod: Callable[..., str]) -> None:
    said = in_pod("getent", "-s", "dns", "ahosts", "headless").split("\n")[:-1]
    assert sorted({line.split()[0] for line in said}) == CASES["headless"]
    assert in_pod("getent", "-s", "dns", "hosts", "10.96.0.10").split() == [
        "10.96.0.10",
        "web.default.svc.cluster.local",
    ]
    assert in_pod("getent", "-s", "dns", "hosts", "nothing") == ""


@pytest.mark.parametrize(("name", "address"), [("web", "10.96.0.10"), ("db-0.headless", "10.244.1.7")])
def test_busybox(in_pod: Callable[..., str], name: str, address: str) -> None:
    said = in_pod("/bin/busybox", "nslookup", f"{name}.default.svc.cluster.local")
    assert address in said, said
