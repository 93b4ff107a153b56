"""Keys of the configuration: the well-known, those that nobody knows, and capabilities' data."""

from __future__ import annotations

from conformance.case import Case, said
from conformance.clause import Clause, Kind, Level, NotApplicable, clause, expect

DNS = {
    "nameservers": ["192.0.2.53", "2001:db8::53"],
    "domain": "judge.example",
    "search": ["a.judge.example"],
    "options": ["ndots:2"],
}
UNKNOWN_ARGS = {"cni": {"judgeUnknown": ["x", 1]}, "judge.example": {"key": None, "other": {"deep": True}}}
RESERVED = {"cni.dev/judge-unknown": {"any": ["thing"]}, "cni.dev/judge-flag": True}


@clause(
    "55",
    Level.SHOULD,
    "1, Plugin configuration objects",
    "keeps the meaning of `dns`",
    kinds=frozenset({Kind.INTERFACE}),
)
def means_dns(case: Case) -> None:
    """A plugin that takes the well-known key `dns` should give it back in its result.

    The runtime writes the container's resolv.conf from there. (What `ipMasq` means is a matter of packets:
    the level datapath sees it.)
    """
    if "dns" not in case.profile.consumes:
        raise NotApplicable("its profile does not say that it takes `dns`")
    attachment = case.attachment()
    result = case.add(attachment, case.config(attachment, {"dns": DNS})).result or {}
    given = result.get("dns") or {}
    for key, wanted in DNS.items():
        expect(
            given.get(key) == wanted, f"`dns.{key}` was {wanted!r}, and in the result is {given.get(key)!r}"
        )


@clause(
    "56",
    Level.BEHAVIOUR,
    "1, Plugin configuration objects",
    "ignores `args` it does not know, and refuses capability data it cannot honour",
)
def takes_args(case: Case) -> None:
    """Unknown keys below `args` are ignored; data of a capability that cannot be honoured is an error.

    `args` are for whom they concern. But a capability was asked for by the network's author: its data must
    not be dropped in silence.
    """
    attachment = case.attachment()
    answer = case.ask("ADD", attachment, config=case.config(attachment, {"args": UNKNOWN_ARGS}))
    expect(answer.succeeded, f"ADD failed where `args` held keys of others: {said(answer)}")
    for changes in case.profile.dishonoured:
        other = case.attachment()
        config = case.config(other, changes)
        answer = case.ask("ADD", other, config=config)
        expect(
            not answer.succeeded,
            f"ADD succeeded with capability data that cannot be honoured: {config.get('runtimeConfig')!r}",
        )


@clause("57", Level.SHOULD, "1, Configuration format", "ignores keys of `cni.dev/` that it does not know")
def ignores_reserved(case: Case) -> None:
    """Keys that begin with `cni.dev/` belong to the specification; unknown ones should be ignored.

    Later versions and other runtimes add some.
    """
    attachment = case.attachment()
    config = case.config(attachment, RESERVED)
    answer = case.ask("ADD", attachment, config=config)
    expect(answer.succeeded, f"ADD failed where the configuration had {', '.join(RESERVED)}: {said(answer)}")
    previous = answer.document() or attachment.previous
    answer = case.ask("DEL", attachment, config=config | {"prevResult": previous})
    expect(answer.succeeded, f"DEL failed where the configuration had {', '.join(RESERVED)}: {said(answer)}")


CLAUSES: tuple[Clause, ...] = (means_dns, takes_args, ignores_reserved)
