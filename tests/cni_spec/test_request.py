"""The environment table, CNI_ARGS, names and versions: what is checked at the door."""

from __future__ import annotations

import pytest

from cni_spec.cni_args import parse_cni_args
from cni_spec.errors import DECODING_FAILURE, INCOMPATIBLE_VERSION, INVALID_ENVIRONMENT, CniError
from cni_spec.names import check_container_id, check_ifname, check_network_name
from cni_spec.request import Verb, read_request
from cni_spec.versions import ALL_VERSIONS, is_at_least, parse_version, require_supported

COMPLETE = {
    "CNI_CONTAINERID": "c1",
    "CNI_NETNS": "/run/netns/c1",
    "CNI_IFNAME": "eth0",
    "CNI_PATH": "/opt/cni/bin::/usr/lib/cni",
}
NEEDED = {
    Verb.ADD: {"CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"},
    Verb.CHECK: {"CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"},
    Verb.DEL: {"CNI_CONTAINERID", "CNI_IFNAME"},
    Verb.STATUS: set(),
    Verb.GC: set(),
    Verb.VERSION: set(),
}
BODY = b'{"cniVersion": "1.0.0", "name": "net1"}'


def _refusal(environment: dict[str, str], stdin: bytes = BODY) -> CniError:
    with pytest.raises(CniError) as caught:
        read_request(environment, stdin)
    return caught.value


@pytest.mark.parametrize("verb", Verb)
def test_a_complete_environment_is_a_request(verb: Verb) -> None:
    request = read_request(COMPLETE | {"CNI_COMMAND": verb, "CNI_ARGS": "IgnoreUnknown=1;A=b"}, BODY)

    assert (request.verb, request.container_id, request.ifname) == (verb, "c1", "eth0")
    assert request.path == ("/opt/cni/bin", "/usr/lib/cni")
    assert request.body["name"] == "net1" and request.stdin == BODY
    assert dict(request.args) == ({} if verb is Verb.VERSION else {"IgnoreUnknown": "1", "A": "b"})


@pytest.mark.parametrize("verb", [verb for verb, names in NEEDED.items() if names])
@pytest.mark.parametrize("empty", [{}, dict.fromkeys(COMPLETE, "")], ids=["unset", "empty"])
def test_all_missing_variables_are_named_in_one_message(verb: Verb, empty: dict[str, str]) -> None:
    error = _refusal(empty | {"CNI_COMMAND": verb})

    assert error.code == INVALID_ENVIRONMENT
    for name in COMPLETE:
        assert (name in error.msg) == (name in NEEDED[verb])


@pytest.mark.parametrize("verb", [verb for verb, names in NEEDED.items() if not names])
def test_verbs_about_no_attachment_need_no_attachment(verb: Verb) -> None:
    assert read_request({"CNI_COMMAND": verb}, BODY).container_id == ""


@pytest.mark.parametrize("command", ["", "add", "ADD ", "UPDATE", "A" * 5000])
def test_an_unknown_command_is_refused(command: str) -> None:
    error = _refusal(COMPLETE | {"CNI_COMMAND": command})

    assert error.code == INVALID_ENVIRONMENT
    assert error.msg.startswith("unknown CNI_COMMAND") and len(error.msg) < 100


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CNI_CONTAINERID", "../c1"),
        ("CNI_CONTAINERID", "c1\n"),
        ("CNI_IFNAME", "eth0/1"),
        ("CNI_IFNAME", "a-name-of-16-byt"),
    ],
)
@pytest.mark.parametrize("verb", [Verb.ADD, Verb.DEL, Verb.CHECK])
def test_a_bad_value_is_refused_and_the_variable_named(verb: Verb, name: str, value: str) -> None:
    error = _refusal(COMPLETE | {"CNI_COMMAND": verb, name: value})

    assert error.code == INVALID_ENVIRONMENT
    assert error.msg.startswith(f"{name}: ")


def test_version_ignores_what_is_on_stdin_and_in_the_arguments() -> None:
    request = read_request({"CNI_COMMAND": "VERSION", "CNI_ARGS": "nonsense"}, b"\xff not JSON")

    assert request.body == {}


def test_a_body_that_is_no_json_is_code_6() -> None:
    assert _refusal(COMPLETE | {"CNI_COMMAND": "ADD"}, b"[]").code == DECODING_FAILURE


# ---- names

LEGAL_NAMES = ["a", "0", "A.b_c-d", "k8s.pod-network", "x" * 255]
ILLEGAL_NAMES = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "-a",
    ".a",
    "_a",
    "a b",
    "a\n",
    "\na",
    "a\0b",
    "é",
    "a\u202eb",
    "a;b",
    "x" * 300,
]


@pytest.mark.parametrize("name", LEGAL_NAMES)
def test_legal_names_are_taken(name: str) -> None:
    assert check_network_name(name) == name and check_container_id(name) == name


@pytest.mark.parametrize("name", ILLEGAL_NAMES)
def test_illegal_network_names_are_refused_in_a_short_sentence(name: str) -> None:
    with pytest.raises(ValueError, match="expected a network name") as caught:
        check_network_name(name)
    assert str(caught.value).isascii() or "…" in str(caught.value)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 200


def test_container_ids_may_be_longer_than_names() -> None:
    assert check_container_id("f" * 1024)
    with pytest.raises(ValueError, match="at most 1024 characters"):
        check_container_id("f" * 1025)


@pytest.mark.parametrize("name", ["eth0", "a", "veth12345678", "x" * 15, "ü" * 7, "eth0.100", "@if", "-x"])
def test_interface_names_are_what_the_kernel_takes(name: str) -> None:
    assert check_ifname(name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a:b", "a b", "a\tb", "a\n", "x" * 16, "ü" * 8, "a\0", "\x1b[31m"]
)
def test_interface_names_the_kernel_refuses_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="expected an interface name"):
        check_ifname(name)


# ---- CNI_ARGS


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("", {}),
        (";;", {}),
        ("IP=10.0.0.2", {"IP": "10.0.0.2"}),
        ("IP=10.0.0.2;MAC=02:00:00:00:00:01;", {"IP": "10.0.0.2", "MAC": "02:00:00:00:00:01"}),
        ("IgnoreUnknown=1;K8S_POD_NAME=web", {"IgnoreUnknown": "1", "K8S_POD_NAME": "web"}),
        ("K8S_POD_NAME=web;IgnoreUnknown=TRUE", {"IgnoreUnknown": "TRUE", "K8S_POD_NAME": "web"}),
        ("IP=", {"IP": ""}),
    ],
)
def test_arguments_are_pairs(text: str, pairs: dict[str, str]) -> None:
    assert dict(parse_cni_args(text)) == pairs


@pytest.mark.parametrize(
    "text",
    ["IP", "IP=1=2", "=", "K8S_POD_NAME=web", "IgnoreUnknown=0;X=1", "IgnoreUnknown=yes;X=1", "ip=10.0.0.2"],
)
def test_arguments_nobody_knows_are_refused(text: str) -> None:
    with pytest.raises(CniError, match="CNI_ARGS") as caught:
        parse_cni_args(text)
    assert caught.value.code == INVALID_ENVIRONMENT


# ---- versions


def test_versions_compare_as_numbers() -> None:
    assert sorted(ALL_VERSIONS, key=parse_version) == list(ALL_VERSIONS)
    assert is_at_least("0.10.0", "0.4.0") and not is_at_least("0.3.1", "0.4.0")
    assert parse_version("1") == parse_version("1.0.0")


@pytest.mark.parametrize(
    "text", ["", "1.0.0.0", "v1.0.0", "1.0.x", "-1.0.0", "1..0", "1.0.0\n", "٣.0.0", "9" * 400]
)
def test_what_is_no_version_is_code_6(text: str) -> None:
    with pytest.raises(CniError) as caught:
        parse_version(text)
    assert caught.value.code == DECODING_FAILURE


def test_an_unsupported_version_is_code_1_with_those_that_would_do() -> None:
    with pytest.raises(CniError, match=r"'2\.0\.0'.*'1\.0\.0'") as caught:
        require_supported("2.0.0", ("0.4.0", "1.0.0"))
    assert caught.value.code == INCOMPATIBLE_VERSION
