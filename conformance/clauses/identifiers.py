"""Container ids and networks' names of every legal form."""

from __future__ import annotations

from conformance.calls import Answer
from conformance.case import Attachment, Case, said, with_result
from conformance.clause import Clause, Level, clause, expect

LONG = "Judge_1.of-long" + "-0123456789_abcdefghij.KLMNOPQRSTUVWXYZ" * 5  # 215 characters
NAMES = (
    ("x", "n"),
    ("0.", "9_-."),
    (LONG[:128], LONG[:64]),
    (LONG[:210] + "a", LONG[:210]),
    (LONG[:210] + "b", LONG[:210]),
)  # container id, network; the last two ids share all but their last character


@clause(
    "58",
    Level.BEHAVIOUR,
    "2, Parameters; 1, Configuration format",
    "takes container ids and network names of every legal form",
    seconds=60,
)
def takes_every_name(case: Case) -> None:
    """Ids and names begin with a letter or digit; dots, underscores and hyphens may follow, at any length.

    They must not reach limits of what a plugin writes them into (names of interfaces and chains, comments,
    files), nor be cut so that two containers become one: the DEL of one leaves the other.
    """
    checks = case.can_check(case.add(case.attachment()))
    added = [_add(case, container, network) for container, network in NAMES]
    for one in added[:-1] if checks else ():
        _expect(case.ask("CHECK", one), one, "CHECK")
    twin, other = added[-2:]
    _expect(case.ask("DEL", twin), twin, "DEL")
    if checks:
        answer = case.ask("CHECK", other)
        _expect(
            answer, other, f"after DEL for an id that differs in its last character ({_short(twin)}) CHECK"
        )
    for one in (*added[:-2], other):
        _expect(case.ask("DEL", one), one, "DEL")


def _add(case: Case, container: str, network: str) -> Attachment:
    attachment = case.attachment(container=container, network=network)
    answer = case.ask("ADD", attachment)
    _expect(answer, attachment, "ADD")
    return with_result(attachment, answer)


def _expect(answer: Answer, attachment: Attachment, verb: str) -> None:
    expect(
        answer.succeeded,
        f"{verb} failed for the container id {_short(attachment)} in the network "
        f"{attachment.network[:20]!r} ({len(attachment.network)} characters): {said(answer)}",
    )


def _short(attachment: Attachment) -> str:
    return f"{attachment.container[:20]!r} ({len(attachment.container)} characters)"


CLAUSES: tuple[Clause, ...] = (takes_every_name,)
