"""No secret of a configuration stays in any text, whatever form it has there."""

from __future__ import annotations

import json
import re
import time
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from podwire.bundle.secrets import REMOVED, Secrets

NAMES = (
    "password",
    "etcd-password",
    "bearerToken",
    "psk",
    "private_key",
    "clientSecret",
    "tls.key",
    "api-key",
)


def _cleaned(text: str, config: str = "") -> str:
    secrets = Secrets({})
    secrets.learn(config)
    return secrets.clean(text)


@pytest.mark.parametrize(
    "text",
    [
        "password = S3CRET",
        'etcd_password = "S3CRET with blanks"',
        "Token: 'S3CRET'",
        '{"bearerToken":"S3CRET","mtu":1450}',
        '{"psk": "a\\"S3CRET"}',
        r'{"msg": "sent {\"password\": \"S3CRET\", \"a\": 1}"}',
        r'{"msg": "{\\"a\\": \\"password=\\\"S3CRET\\\"\\"}"}',
        "etcdctl --password S3CRET get /",
        "etcdctl --password=S3CRET get /",
        "https://root:S3CRET@10.0.0.1:2379/v3",
        "https://S3CRET@10.0.0.1/",
        "GET /?token=S3CRET&x=1",
        "Authorization: Bearer S3CRET.abc-def",
        "curl -H 'X: Bearer S3CRETabc'",
        "eyJhbGciOiJSUzI1NiJ9.eyJS3CRETabcdef.sigS3CRET",
        "-----BEGIN EC PRIVATE KEY-----\nS3CRET\n-----END EC PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nS3CRET, cut off",
        "net.ipv4.tcp_fastopen_key = S3CRET-0-0-0",
        "net.ipv6.conf.eth0.stable_secret = S3CRET",
    ],
)
def test_what_looks_like_a_secret_is_removed(text: str) -> None:
    assert "S3CRET" not in _cleaned(text) and REMOVED in _cleaned(text)


@pytest.mark.parametrize(
    "text",
    [
        "ip route add 10.244.1.0/24 nhid 7",
        '{"type": "bridge", "mtu": 1450, "ipam": {"type": "host-local"}}',
        '{"map": {"family": "ip", "key": {"payload": {"field": "dport"}}}}',
        "keyfile = /etc/podwire/tls/client.key",
        'password_file = "/etc/podwire/etcd.password"',
        "etcdctl --password-file /etc/x get /",
        "https://10.0.0.1:2379/v3",
        "fe80::1@eth0",
        "net.ipv4.tcp_syncookies = 1",
    ],
)
def test_what_is_none_stays(text: str) -> None:
    assert _cleaned(text) == text


def test_a_secret_of_one_file_is_removed_from_every_text() -> None:
    config = json.dumps({"Backend": {"PSK": "hunter2!", "keys": ["one-key", {"inner": "another"}]}})

    assert _cleaned("log: hunter2! one-key another", config) == f"log: {REMOVED} {REMOVED} {REMOVED}"


def test_toml_of_several_lines_and_short_values() -> None:
    config = """[etcd]
password = "abc"
token = '''
first-line
second-line
'''
key = "/etc/x.key"
password_file = "/etc/etcd.pw"
"""
    cleaned = _cleaned(config, config)

    assert not any(one in cleaned for one in ("abc", "first-line", "second-line"))
    assert "/etc/x.key" in cleaned and "/etc/etcd.pw" in cleaned


def test_a_configuration_that_is_broken_hides_nothing() -> None:
    config = '{"name": "x", "key": "S3CRET", "pass": "S4CRET"'

    assert not re.search("S[34]CRET", _cleaned(config, config))


def test_the_environments_secrets_are_known_but_not_its_numbers() -> None:
    secrets = Secrets({"ETCD_PASSWORD": "from-environment", "MAX_TOKENS": "10000000", "TOKEN": "eth0"})

    assert secrets.clean("from-environment 10000000 eth0") == f"{REMOVED} 10000000 eth0"


@given(st.text(min_size=4), st.sampled_from(NAMES))
def test_no_form_of_a_secret_stays(secret: str, name: str) -> None:
    assume(secret == secret.strip() and len(secret.strip()) >= 4 and not secret.startswith("/"))
    assume(secret not in REMOVED and REMOVED not in secret)
    config = json.dumps({"a": {name: secret}})
    forms = (
        config,
        json.dumps({"a": {name: secret}}, ensure_ascii=False),
        f"x {secret} y",
        quote(secret, safe=""),
    )
    rest = _cleaned("\n".join(forms), config).replace(REMOVED, "")

    assert secret not in rest.replace(json.dumps({"a": {name: ""}}), "")


@pytest.mark.parametrize(
    "unit", ["a", "-", "eyJ", "password", "x://", "Bearer ", '"key": {"payload": {}}, ', "a=b; "]
)
def test_a_line_of_megabytes_is_cleaned_in_seconds(unit: str) -> None:
    text = unit * ((2 << 20) // len(unit))
    began = time.process_time()
    _cleaned(text)

    assert time.process_time() - began < 10
