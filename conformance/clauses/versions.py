"""VERSION, and what the versions that it lists are worth."""

from __future__ import annotations

from conformance.case import CHAINED_SINCE, Case, as_numbers, said
from conformance.clause import Clause, Failed, Kind, Level, NotApplicable, clause, expect

SECTION = "2, VERSION"
ECHOED_SINCE = "1.0.0"  # before, `cniVersion` was the version of the answer's own form
CHECK_SINCE = "0.4.0"


@clause(
    "41", Level.MUST, SECTION, "VERSION says its versions, and the version it was asked in", since="0.2.0"
)
def says_its_versions(case: Case) -> None:
    """VERSION must print an object with `supportedVersions`, a list, and `cniVersion`, as it was asked.

    A runtime chooses from the list. That `cniVersion` is the one on stdin is asked from CNI 1.0.0 on, where a
    plugin lists that; before, it is any version.
    """
    for version in case.plugin.versions or (case.version,):
        answer = case.ask("VERSION", config={"cniVersion": version})
        expect(answer.succeeded, f"VERSION failed: {said(answer)}")
        document = answer.document()
        if document is None:
            raise Failed(f"VERSION printed no JSON object: {answer.stdout[:200]!r}")
        listed = document.get("supportedVersions")
        expect(
            isinstance(listed, list) and listed and all(isinstance(one, str) for one in listed),
            f"`supportedVersions` is no list of versions: {listed!r}",
        )
        told = document.get("cniVersion")
        expect(isinstance(told, str), f"`cniVersion` is {told!r}, not a version")
        expect(
            told == version or as_numbers(version) < as_numbers(ECHOED_SINCE),
            f"asked with cniVersion {version}, its `cniVersion` is {told!r}",
        )


@clause("42", Level.MUST, SECTION, "VERSION needs no variable but CNI_COMMAND", since="0.2.0")
def needs_nothing(case: Case) -> None:
    """VERSION must work with CNI_COMMAND as CNI's only variable.

    Runtimes ask for it before there is a container.
    """
    answer = case.ask("VERSION", config={"cniVersion": case.version}, env={"CNI_PATH": None})
    expect(answer.succeeded, f"with CNI_COMMAND alone VERSION failed: {said(answer)}")
    expect(answer.document() is not None, f"it printed no JSON object: {answer.stdout[:200]!r}")


@clause(
    "43", Level.BEHAVIOUR, "1, Version considerations", "works in every version that it lists", seconds=120
)
def lives_its_versions(case: Case) -> None:
    """In each version that VERSION lists, ADD, CHECK (from 0.4.0 on) and DEL must work.

    A runtime may take any of them, and old ones take old ones. (Where CHECK fails in the newest one as well,
    clause 33 says so.)
    """
    chained = case.kind is Kind.CHAINED
    versions = [
        one for one in case.plugin.versions if not chained or as_numbers(one) >= as_numbers(CHAINED_SINCE)
    ]
    if not versions:
        raise NotApplicable("VERSION lists no version that the suite knows")
    checks = case.can_check(case.add(case.attachment()))
    for version in versions:
        _live_through(case, version, checks=checks and as_numbers(version) >= as_numbers(CHECK_SINCE))


def _live_through(case: Case, version: str, *, checks: bool) -> None:
    attachment = case.attachment(version=version)
    config = case.config(attachment, version=version)
    answer = case.ask("ADD", attachment, config=config)
    expect(answer.succeeded, f"with cniVersion {version} ADD failed: {said(answer)}")
    if checks:
        previous = answer.document() or attachment.previous
        config = {key: value for key, value in config.items() if key != "prevResult"} | {
            "prevResult": previous
        }
        checked = case.ask("CHECK", attachment, config=config)
        expect(checked.succeeded, f"with cniVersion {version} CHECK right after ADD failed: {said(checked)}")
    deleted = case.ask("DEL", attachment, config=config)
    expect(deleted.succeeded, f"with cniVersion {version} DEL failed: {said(deleted)}")


CLAUSES: tuple[Clause, ...] = (says_its_versions, needs_nothing, lives_its_versions)
