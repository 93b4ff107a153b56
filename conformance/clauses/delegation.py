"""Delegation: how a plugin runs its IPAM plugin, and what an IPAM plugin gives back."""

from __future__ import annotations

import json
from typing import Any

from conformance.calls import Answer
from conformance.case import Attachment, Case, said
from conformance.clause import Clause, Failed, Kind, Level, NotApplicable, clause, expect

SECTION = "4, Delegation"
INTERFACE = frozenset({Kind.INTERFACE})
UNKNOWN = {"judge.example/unknown": {"list": [1, None, "ü"], "on": True}}
ENVIRONMENT = {"CNI_ARGS": "IgnoreUnknown=1;JUDGE=of-the-delegate"}
WORDS = "words of the judge's delegate on its stderr"
REFUSAL = "the judge's delegate will not"


@clause("52", Level.MUST, SECTION, "runs its delegate with what it was given itself", kinds=INTERFACE)
def hands_all_over(case: Case) -> None:
    """A delegate is looked up in CNI_PATH, and must get the environment and the configuration as they are.

    Nothing may be left out, since a plugin does not know what its delegate reads. What the delegate writes to
    stderr must come out of the plugin's.
    """
    _need_delegate(case)
    case.delegate.behave(ADD={"stderr": f"{WORDS}\n"})
    attachment = case.attachment()
    config = case.config(attachment, UNKNOWN)
    answer = case.ask("ADD", attachment, config=config, env=ENVIRONMENT)
    expect(answer.succeeded, f"ADD failed: {said(answer)}")
    expect(WORDS in answer.stderr, "what its delegate wrote to stderr did not come out of its own")
    _expect_handed_over(case, "ADD", attachment, config)
    config |= {"prevResult": answer.document()}
    expect(case.ask("DEL", attachment, config=config, env=ENVIRONMENT).succeeded, "DEL failed")
    _expect_handed_over(case, "DEL", attachment, config)


@clause("53", Level.SHOULD, SECTION, "returns its delegate's error", kinds=INTERFACE)
def returns_errors(case: Case) -> None:
    """Where a delegate fails, the plugin should fail, with that error: its code, or its sentence.

    (CHECK, STATUS and GC have clauses of their own for this: 34, 40, 46.)
    """
    _need_delegate(case)
    refusal = {"code": 132, "msg": REFUSAL}
    case.delegate.behave(ADD=refusal)
    _expect_error(case.ask("ADD", case.attachment()), "ADD")
    case.delegate.behave()
    attachment = case.add(case.attachment())
    case.delegate.behave(DEL=refusal)
    _expect_error(case.ask("DEL", attachment), "DEL")


@clause(
    "54",
    Level.MUST,
    "5, Delegated plugins (IPAM)",
    "gives the abbreviated result",
    kinds=frozenset({Kind.IPAM}),
    since="0.3.0",
)
def abbreviates(case: Case) -> None:
    """An IPAM plugin's result must have no `interfaces`, and its `ips` no `interface`.

    It makes no interfaces; the plugin that called it puts them there.
    """
    result = case.add(case.attachment()).result or {}
    interfaces = result.get("interfaces")
    expect(not interfaces, f"its result has `interfaces`: {interfaces!r}")
    indexed = [one for one in result.get("ips") or () if one.get("interface") is not None]
    expect(not indexed, f"an entry of `ips` has an `interface`: {indexed[:1]!r}")


def _need_delegate(case: Case) -> None:
    if not case.delegates:
        raise NotApplicable("it has no delegate")


def _expect_handed_over(case: Case, verb: str, attachment: Attachment, config: dict[str, Any]) -> None:
    calls = case.delegate.calls(verb)
    if not calls:
        raise Failed(f"{verb} was done, and its delegate in CNI_PATH was not run")
    asked = calls[-1]
    wanted = {
        "CNI_COMMAND": verb,
        "CNI_CONTAINERID": attachment.container,
        "CNI_NETNS": attachment.netns.path,
        "CNI_IFNAME": attachment.ifname,
        **ENVIRONMENT,
    }
    for key, value in wanted.items():
        got = asked.environment.get(key)
        expect(got == value, f"in {verb} its delegate had {key}={got!r}, not {value!r}")
    path = asked.environment.get("CNI_PATH", "")
    expect(str(case.delegate.folder) in path.split(":"), f"in {verb} its delegate had CNI_PATH={path!r}")
    _expect_same_config(verb, config, json.loads(asked.stdin))


def _expect_same_config(verb: str, sent: dict[str, Any], got: dict[str, Any]) -> None:
    for key in sorted(set(sent) | set(got)):
        expect(
            sent.get(key) == got.get(key) and (key in sent) == (key in got),
            f"in {verb} its delegate's configuration differs in `{key}`: "
            f"it is {_shown(got, key)}, and was {_shown(sent, key)}",
        )


def _shown(config: dict[str, Any], key: str) -> str:
    return json.dumps(config[key])[:200] if key in config else "missing"


def _expect_error(answer: Answer, verb: str) -> None:
    expect(not answer.succeeded, f"{verb} succeeded although its delegate's {verb} failed")
    kept = answer.error().get("code") == 132 or REFUSAL in answer.stdout
    expect(kept, f"{verb} failed, and not with its delegate's error (132, {REFUSAL!r}): {said(answer)}")


CLAUSES: tuple[Clause, ...] = (hands_all_over, returns_errors, abbreviates)
