"""What a run is told as: one value in, every form out."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest

from conformance.reports.comparison import compare, render_comparison
from conformance.reports.junit import write_junit
from conformance.reports.page import page
from conformance.reports.report import Report, Rule, Subject, badge, read_report, write_report
from conformance.reports.terminal import render
from conformance.running.verdict import Outcome, Verdict

STEPS = (("env -i CNI_COMMAND=DEL /bin/x <<< '<>'", "exit 1, stdout: \x00</pre><script>"),)
VERDICTS = (
    Verdict("bridge", "20", Outcome.FAILED, "the second DEL failed: code 999", STEPS, 0.5),
    Verdict("bridge", "21", Outcome.PASSED, "", STEPS, 0.2),
    Verdict("ptp", "20", Outcome.NOT_APPLICABLE, "it came later", (), 0),
    Verdict("ptp", "21", Outcome.NOT_JUDGED, "nft is not installed", (), 0.1),
)
REPORT = Report(
    "2026-01-02T03:04:05+00:00", "Linux 6", ("python", "-m", "conformance", "plugin", "--cni-path", "/x y"),
    (Subject("bridge", "/x/bridge", "interface", ("1.0.0", "1.1.0")),
     Subject("ptp", "/x/ptp", "interface", ())),
    (Rule("20", "must", "2, DEL", "succeeds again", "It must & <so>.\n\nBecause."),
     Rule("21", "must", "2, DEL", "deletes", "Text.")),
    VERDICTS, 1.5, unknown=("mine",),
)  # fmt: skip


class Tags(HTMLParser):
    """Elements that are open, and texts."""

    VOID = ("meta", "link", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given["href"] or ""] if tag == "a" else []
        assert "src" not in given and tag != "link", "the page needs another file"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_report_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    write_report(REPORT, tmp_path / "r.json")

    assert read_report(tmp_path / "r.json") == REPORT


def test_a_file_of_another_form_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text('{"schema": "podwire-conformance-report/9"}')

    with pytest.raises(ValueError, match="this suite reads"):
        read_report(tmp_path / "r.json")


def test_the_badge_counts_what_was_judged() -> None:
    assert badge(REPORT, REPORT.subjects[0]) == "bridge, CNI 1.1.0: 1 of 2 clauses, 1 failed"
    assert badge(REPORT, REPORT.subjects[1]) == "ptp: 0 of 0 clauses, 1 not applicable, 1 not judged"


def test_the_terminal_shows_the_table_and_how_to_run_a_failure_again() -> None:
    said = render(REPORT, colour=False)

    assert "\x1b" not in said
    assert "Section 2, DEL" in said and " 20 M succeeds again" in said
    assert "again: python -m conformance plugin --cni-path '/x y' --type bridge --clause 20" in said
    assert "NOT JUDGED ptp 21: nft is not installed" in said and "no profile, so not judged: mine" in said
    assert "\x1b[1;31mFAIL" in render(REPORT, colour=True)


def test_junit_has_a_case_for_every_verdict(tmp_path: Path) -> None:
    write_junit(REPORT, tmp_path / "junit.xml")
    suites = ElementTree.parse(tmp_path / "junit.xml").getroot()
    found = {
        (suite.get("name"), case.get("name")): [child.tag for child in case]
        for suite in suites
        for case in suite
    }

    assert found == {
        ("conformance.bridge", "20 succeeds again"): ["failure"],
        ("conformance.bridge", "21 deletes"): [],
        ("conformance.ptp", "20 succeeds again"): ["skipped"],
        ("conformance.ptp", "21 deletes"): ["error"],
    }
    assert suites[0].get("failures") == "1" and suites[0].get("tests") == "2"


def test_the_page_is_whole_and_every_link_leads_somewhere() -> None:
    tags = Tags()
    tags.feed(page(REPORT))

    assert tags.open == [], "an element is not closed"
    assert len(tags.ids) == len(set(tags.ids))
    assert {link.removeprefix("#") for link in tags.links} <= set(tags.ids)


def test_the_page_shows_what_was_seen_and_takes_nothing_for_markup() -> None:
    said = page(REPORT)

    assert "the second DEL failed: code 999" in said and "It must &amp; &lt;so&gt;." in said
    assert "</pre><script>" not in said and said.count("<script>") == 1
    assert "--type bridge --clause 20" in said


def test_reports_are_compared_cell_by_cell() -> None:
    better = Report(
        **{**vars(REPORT), "verdicts": (VERDICTS[1], Verdict("bridge", "20", Outcome.PASSED, "", (), 1))}
    )
    changed = {(one.plugin, one.clause): one.is_worse for one in compare(better, REPORT)}

    assert changed == {("bridge", "20"): True, ("ptp", "20"): False, ("ptp", "21"): False}
    assert "bridge 20: passed -> failed" in render_comparison(better, REPORT, ("a", "b"))
    assert compare(REPORT, REPORT) == []
