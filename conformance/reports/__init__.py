"""conformance.reports: what a run is told as, and how two are compared.

report.py       a run's report as a value, and as JSON (docs/conformance-report.schema.json)
again.py        the command that runs one case again
terminal.py     the table plugin by clause, the failures below it, the summary line
junit.py        JUnit XML, for CI servers
page.py         one HTML page that needs nothing else; its style and script are page.css and page.js
comparison.py   two reports side by side
"""
