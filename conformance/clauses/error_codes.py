"""The codes that the specification gives to errors that any plugin can meet."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.calls import Answer, Json
from conformance.case import KNOWN_VERSIONS, Case, said
from conformance.clause import Level, NotApplicable, clause, expect, fail
from conformance.faults import UNHEARD_OF, makes_an_interface

INCOMPATIBLE_VERSION, UNSUPPORTED_FIELD, INVALID_ENVIRONMENT = 1, 2, 4
IO_FAILURE, UNDECODABLE, INVALID_CONFIG = 5, 6, 7


@clause("5", Level.MUST, "5, Error", "refuses a cniVersion that it does not speak with code 1")
def unknown_version(case: Case) -> None:
    """An ADD of a CNI version that the plugin does not list fails, with code 1.

    By this code, and no other, a runtime knows that it may try again with an older version. Asked are a
    version that does not exist, and one that does where the plugin does not list all.
    """
    listed = case.plugin.versions
    others = [one for one in KNOWN_VERSIONS if listed and one not in listed]
    for version in (UNHEARD_OF, *others[-1:]):
        attachment = case.attachment()
        answer = case.ask("ADD", attachment, config=case.config(attachment) | {"cniVersion": version})
        what = f"an ADD of CNI version {version}, which the plugin does not list"
        expect(not answer.succeeded, f"{what}, succeeded")
        expect(
            answer.error().get("code") == INCOMPATIBLE_VERSION,
            f"{what}, is to fail with code 1: {said(answer)}",
        )


@clause("6", Level.MUST, "5, Error", "names key and value of a field that it does not support")
def unsupported_field(case: Case) -> None:
    """An error of code 2 (a field of the configuration is not supported) names the field and its value.

    A person who reads it must find the line of the configuration that is meant. The profile tells which
    fields lead there.
    """
    if not case.profile.unsupported:
        raise NotApplicable("its profile names no field that it answers with code 2")
    met = False
    for changes in case.profile.unsupported:
        attachment = case.attachment()
        answer = case.ask("ADD", attachment, config=case.config(attachment, changes))
        if answer.error().get("code") != UNSUPPORTED_FIELD:
            continue
        met = True
        key, value = _last_leaf(changes)
        text = f"{answer.error().get('msg', '')} {answer.error().get('details', '')}"
        missing = [one for one in (key, value) if one not in text]
        expect(
            not missing,
            f"the error about {key}: {value} does not name {' and '.join(missing)}: {said(answer)}",
        )
    if not met:
        raise NotApplicable("it answers none of the fields that its profile names with code 2")


def _last_leaf(changes: Json) -> tuple[str, str]:
    key, value = list(changes.items())[-1]
    return _last_leaf(value) if isinstance(value, dict) else (key, str(value))


@clause("7", Level.MUST, "5, Error", "names the environment variables that are missing, with code 4")
def missing_variables(case: Case) -> None:
    """An ADD without a variable that the plugin needs fails with code 4, and the text names the variable.

    A plugin that does not need one may do without; one that makes an interface needs CNI_NETNS and
    CNI_IFNAME.
    """
    refused = False
    for names in (("CNI_CONTAINERID",), ("CNI_NETNS",), ("CNI_IFNAME",), ("CNI_NETNS", "CNI_IFNAME")):
        answer = case.ask("ADD", case.attachment(), env=dict.fromkeys(names))
        what = f"an ADD without {' and '.join(names)}"
        if answer.succeeded:
            needed = makes_an_interface(case) and names != ("CNI_CONTAINERID",)
            expect(not needed, f"{what} succeeded")
            continue
        refused = True
        _names_them(answer, names, what)
    if not refused:
        raise NotApplicable("it needs none of the variables")


def _names_them(answer: Answer, names: tuple[str, ...], what: str) -> None:
    error = answer.error()
    expect(error.get("code") == INVALID_ENVIRONMENT, f"{what} is to fail with code 4: {said(answer)}")
    text = f"{error.get('msg', '')} {error.get('details', '')}"
    unnamed = [name for name in names if name not in text]
    expect(not unnamed, f"{what} failed, and its text does not name {' and '.join(unnamed)}: {said(answer)}")


@clause("8", Level.SHOULD, "5, Error", "answers what it cannot read with the codes 5, 6 and 7", seconds=60)
def codes_of_the_configuration(case: Case) -> None:
    """A configuration that cannot be read is code 5, one that is not JSON 6, one that makes no sense 7.

    By the codes a runtime, and who reads its log, can tell a broken pipe from a broken file and from a wrong
    setting. What makes no sense: no network name, and what the profile lists as invalid. There 6 is right as
    well, where a value is of another type than it should be, and 2, where it is not supported; a plugin may
    also take no notice.
    """
    wrong = [
        f"{what} is {answer.error().get('code', 'none')}, not {codes[0]} ({_text(answer)})"
        for what, codes, answer in _unreadable(case)
        if not answer.succeeded and answer.error().get("code") not in codes
    ]
    if wrong:
        fail(f"the code of {'; of '.join(wrong)}")


def _unreadable(case: Case) -> Iterator[tuple[str, tuple[int, ...], Answer]]:
    attachment = case.attachment()
    yield "stdin that cannot be read", (IO_FAILURE,), case.ask("ADD", attachment, readable=False)
    answer = case.ask("ADD", attachment, stdin=b"this is no JSON")
    expect(not answer.succeeded, "an ADD of stdin that is not JSON succeeded")
    yield "stdin that is not JSON", (UNDECODABLE,), answer
    senseless = (INVALID_CONFIG, UNDECODABLE, UNSUPPORTED_FIELD)
    for changes in ({"name": None}, *case.profile.invalid):
        attachment = case.attachment()
        answer = case.ask("ADD", attachment, config=case.config(attachment, changes))
        yield f"a configuration with {_shown(changes)}", senseless, answer


def _text(answer: Answer) -> str:
    return repr(answer.error().get("msg") or (answer.stdout + answer.stderr)[:200])


def _shown(changes: Json) -> str:
    return ", ".join(f"no {key}" if value is None else f"{key}: {value!r}" for key, value in changes.items())


CLAUSES = (unknown_version, unsupported_field, missing_variables, codes_of_the_configuration)
