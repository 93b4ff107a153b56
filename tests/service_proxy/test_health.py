"""Health answers: what load balancers and kubelet read, over real sockets."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator

import pytest

from cluster_store.conditions import Conditions
from service_proxy.background import Background
from service_proxy.health import ProxyHealth, answering
from service_proxy.health_http import open_listener, serve
from service_proxy.health_ports import HealthPorts
from service_proxy.model import ServiceName
from service_proxy.ports import Ports
from service_proxy.settings import ProxySettings

WEB, SHOP = ServiceName("default", "web"), ServiceName("default", "shop")
PORT = 32000
Reply = tuple[int, dict[str, str], object]


@pytest.fixture
def background(host: None) -> Iterator[Background]:
    """Run a loop in the test's namespace."""
    made = Background()
    made.start()
    yield made
    made.stop()


def get(path: str = "/", port: int = PORT, address: str = "127.0.0.1", method: str = "GET") -> Reply:
    """Ask over HTTP; return status, headers and the body, parsed where it is JSON."""
    asked = http.client.HTTPConnection(address, port, timeout=30)
    asked.request(method, path)
    answer = asked.getresponse()
    body = answer.read().decode()
    asked.close()
    return answer.status, dict(answer.getheaders()), json.loads(body) if body[:1] == "{" else body


def is_refused(port: int = PORT) -> bool:
    """Tell whether nobody listens."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_health_port_tells_of_local_endpoints_as_kube_proxy_does(
    background: Background, address: str
) -> None:
    is_well = [True]
    ports = HealthPorts(background, Conditions(), lambda: is_well[0])
    ports.set(WEB, PORT, 3)
    status, headers, body = get(address=address)
    assert status == 200
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Load-Balancing-Endpoint-Weight"] == "3"
    service = {"namespace": "default", "name": "web"}
    assert body == {"service": service, "localEndpoints": 3, "serviceProxyHealthy": True}
    ports.set(WEB, PORT, 0)
    assert get(address=address)[0] == 503
    ports.set(WEB, PORT, 1)
    is_well[0] = False
    status, _, body = get(address=address)
    assert status == 503 and isinstance(body, dict) and body["serviceProxyHealthy"] is False
    ports.close()


def test_a_health_port_follows_its_service_and_closes_with_it(background: Background) -> None:
    ports = HealthPorts(background, Conditions(), lambda: True)
    ports.set(WEB, PORT, 1)
    ports.set(WEB, PORT + 1, 1)
    assert is_refused(PORT) and get(port=PORT + 1)[0] == 200
    ports.set(WEB, 0, 1)
    assert is_refused(PORT + 1)
    ports.drop(WEB)


def test_a_taken_health_port_is_one_condition_until_it_is_free(background: Background) -> None:
    conditions = Conditions()
    ports = HealthPorts(background, conditions, lambda: True)
    taken = socket.create_server(("0.0.0.0", PORT))
    ports.set(WEB, PORT, 1)
    assert [one["about"] for one in conditions.as_json()] == ["default/web"]
    ports.set(SHOP, PORT + 1, 1)
    assert get(port=PORT + 1)[0] == 200
    taken.close()
    ports.retry()
    assert conditions.as_json() == [] and get()[0] == 200
    ports.close()


def test_two_services_with_one_health_port_have_it_one_after_the_other(background: Background) -> None:
    conditions = Conditions()
    ports = HealthPorts(background, conditions, lambda: True)
    ports.set(WEB, PORT, 1)
    ports.set(SHOP, PORT, 2)
    assert [one["about"] for one in conditions.as_json()] == ["default/shop"]
    ports.drop(WEB)
    assert get()[1]["X-Load-Balancing-Endpoint-Weight"] == "2" and conditions.as_json() == []
    ports.close()


def test_strange_requests_harm_nobody(background: Background) -> None:
    ports = HealthPorts(background, Conditions(), lambda: True)
    ports.set(WEB, PORT, 1)
    for request in (b"\r\n\r\n", b"GET /\r\n\r\n", b"\xff" * 100 + b"\r\n\r\n", b"x" * 20_000, b""):
        with socket.create_connection(("127.0.0.1", PORT), timeout=30) as asked:
            asked.sendall(request)
            asked.shutdown(socket.SHUT_WR)
            try:
                said = asked.recv(100)
            except ConnectionResetError:  # it did not read all that was sent
                said = b""
            assert not said or said.split()[1] in (b"400", b"431"), request
    assert get()[0] == 200
    assert get(method="HEAD")[2] == ""
    ports.close()


def test_healthz_and_livez_differ_on_a_node_that_leaves(background: Background) -> None:
    now = [1000.0]
    health = ProxyHealth(lambda: now[0])
    server = background.wait(serve(open_listener("::", 10256), answering(health)))

    def statuses() -> tuple[int, int]:
        return get("/healthz", 10256)[0], get("/livez?verbose", 10256)[0]

    assert statuses() == (503, 200)  # nothing is written yet
    health.updated()
    assert statuses() == (200, 200)
    health.is_leaving = True
    status, headers, body = get("/healthz", 10256)
    assert status == 503 and headers["Content-Type"] == "application/json"
    assert isinstance(body, dict) and body["nodeEligible"] is False
    assert body["lastUpdated"].startswith("1970-01-01 00:16:40")
    assert get("/livez", 10256)[0] == 200
    health.is_leaving = False
    health.queued()
    now[0] += 59
    health.queued()  # more of them make the first no younger
    assert statuses() == (200, 200)
    now[0] += 2
    assert statuses() == (503, 503)
    health.updated()
    assert statuses() == (200, 200)
    assert get("/other", 10256)[0] == 404
    server.close()


def test_the_proxys_health_is_served_as_soon_as_another_leaves_the_port(host: None) -> None:
    conditions, health = Conditions(), ProxyHealth()
    health.updated()
    ports = Ports(ProxySettings(healthz=f"127.0.0.1:{PORT}"), conditions, health)
    with socket.create_server(("127.0.0.1", PORT)):
        ports.open()
        assert conditions.has("HealthzTaken")
    ports.retry()
    assert get("/healthz")[0] == 200 and not conditions.as_json()
    ports.retry()  # and not a second time
    assert not conditions.as_json()
    ports.close()
    assert is_refused()
