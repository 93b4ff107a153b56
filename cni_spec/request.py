"""Environment and stdin -> Request (CNI 1.1.0 section 2, Parameters).

The rules for the environment are one table; everything missing is named in one message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cni_spec.cni_args import parse_cni_args
from cni_spec.errors import INVALID_ENVIRONMENT, CniError
from cni_spec.json_input import JsonObject, decode_object
from cni_spec.names import check_container_id, check_ifname


class Verb(StrEnum):
    """What a runtime can ask of a plugin."""

    ADD = "ADD"
    DEL = "DEL"
    CHECK = "CHECK"
    STATUS = "STATUS"
    GC = "GC"
    VERSION = "VERSION"


_ATTACHMENT_VERBS = (Verb.ADD, Verb.CHECK, Verb.DEL)
_ENTERING_VERBS = (Verb.ADD, Verb.CHECK)

# variable, the verbs that need it, how its text is checked
_VARIABLES: tuple[tuple[str, tuple[Verb, ...], Callable[[str], str]], ...] = (
    ("CNI_CONTAINERID", _ATTACHMENT_VERBS, check_container_id),
    ("CNI_NETNS", _ENTERING_VERBS, str),
    ("CNI_IFNAME", _ATTACHMENT_VERBS, check_ifname),
)


@dataclass(frozen=True)
class Request:
    """One call of a plugin, as the runtime made it.

    `netns` is the path of a network namespace, "" where the verb can do without. `path` is CNI_PATH in
    its order. `body` is stdin's JSON, `stdin` its bytes: a delegate gets those, unchanged. `environment`
    holds all variables, for a delegate too.
    """

    verb: Verb
    container_id: str
    netns: str
    ifname: str
    args: Mapping[str, str]
    path: tuple[str, ...]
    body: JsonObject
    stdin: bytes = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)


def read_verb(environment: Mapping[str, str]) -> Verb:
    """Return the verb of CNI_COMMAND.

    Raises:
        CniError: code 4, if there is no such verb.
    """
    text = environment.get("CNI_COMMAND", "")
    try:
        return Verb(text)
    except ValueError:
        raise CniError(INVALID_ENVIRONMENT, f"unknown CNI_COMMAND: {text[:40]}") from None


def read_request(environment: Mapping[str, str], stdin: bytes) -> Request:
    """Check a call's environment and read its stdin; VERSION needs neither.

    Raises:
        CniError: code 4 naming the variables at fault, code 6 for a body that is no JSON object.
    """
    verb = read_verb(environment)
    values = _check_environment(verb, environment)
    is_version = verb is Verb.VERSION
    return Request(
        verb=verb,
        container_id=values["CNI_CONTAINERID"],
        netns=values["CNI_NETNS"],
        ifname=values["CNI_IFNAME"],
        args={} if is_version else parse_cni_args(environment.get("CNI_ARGS", "")),
        path=tuple(part for part in environment.get("CNI_PATH", "").split(":") if part),
        body=_version_body(stdin) if is_version else decode_object(stdin, "network configuration"),
        stdin=stdin,
        environment=environment,
    )


def _version_body(stdin: bytes) -> JsonObject:
    try:
        return decode_object(stdin, "network configuration")
    except CniError:  # VERSION needs nothing but CNI_COMMAND (CNI 1.1.0, VERSION)
        return {}


def _check_environment(verb: Verb, environment: Mapping[str, str]) -> dict[str, str]:
    values = {name: environment.get(name, "") for name, _, _ in _VARIABLES}
    missing = [name for name, verbs, _ in _VARIABLES if verb in verbs and not values[name]]
    if missing:
        raise CniError(INVALID_ENVIRONMENT, f"required env variables {missing} missing for {verb}")
    for name, verbs, check in _VARIABLES:
        if values[name] and verb in (*verbs, Verb.DEL):
            try:
                check(values[name])
            except ValueError as error:
                raise CniError(INVALID_ENVIRONMENT, f"{name}: {error}") from error
    return values
