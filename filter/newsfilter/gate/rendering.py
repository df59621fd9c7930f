"""Findings as lines, JSON and SARIF. Everything that was scraped, and every path, is made safe to show before it goes anywhere."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote

from newsfilter import __version__
from newsfilter.gate.findings import Finding
from newsfilter.gate.labels import FOUND
from newsfilter.gate.targets import Problem

Visible = Callable[[str], str]
"""Writes out what could steer a terminal: `terminal.visible`."""

_LOG_COMMAND = re.compile(r"##(?=\w*\[)")  # Azure, TeamCity and old GitHub runners obey it anywhere in a line
_PLAIN_START = re.compile(r"[\w/.~]")
_LINKS = str.maketrans({"\\": "\\\\", "[": "\\[", "]": "\\]"})  # SARIF viewers make [a](b) a link
SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def safe(text: str, visible: Visible) -> str:
    r"""Make text fit for a terminal and for the log of a build: what a runner would take for a command is broken, too.

    >>> safe("a ##vso[task.complete]", str)
    'a #\\x23vso[task.complete]'
    """
    return _LOG_COMMAND.sub(lambda _: "#\\x23", visible(text))


def safe_path(name: str, visible: Visible) -> str:
    """Make a path fit to begin a line: one that a runner or a terminal could take for something else gets ``./`` in front.

    >>> safe_path("::set-output name=a::b.txt", str)
    './::set-output name=a::b.txt'
    """
    shown = safe(name, visible)
    return shown if _PLAIN_START.match(name) else f"./{shown}"


def finding_line(finding: Finding, visible: Visible) -> str:
    """Write a finding as ``path:line:column: label probability excerpt``; of a table, with row and field."""
    where = "" if finding.row is None else f"row {finding.row}, field {safe(finding.field or '', visible)}: "
    return f"{_position(finding, visible)}: {where}{_said(finding, visible)}"


def _position(finding: Finding, visible: Visible) -> str:
    return f"{safe_path(finding.name, visible)}:{finding.line}:{finding.column}"


def _said(finding: Finding, visible: Visible) -> str:
    text = "(the document as a whole)" if finding.mark.whole else safe(finding.excerpt(), visible)
    return f"{safe(finding.mark.label, visible)} {finding.mark.probability:.2f} {text}"


def problem_line(problem: Problem, visible: Visible) -> str:
    """Write a problem as ``path:line: message``."""
    line = "" if problem.line is None else f":{problem.line}"
    return f"{safe_path(problem.name, visible)}{line}: {safe(problem.message, visible)}"


def finding_row(finding: Finding, visible: Visible) -> dict[str, Any]:
    """Return a finding as ``--format json`` has it."""
    mark = finding.mark
    return {
        "path": safe_path(finding.name, visible),
        "uri": uri_of(finding.name),
        "line": finding.line,
        "column": finding.column,
        "end_line": finding.end_line,
        "end_column": finding.end_column,
        "row": finding.row,
        "field": None if finding.field is None else safe(finding.field, visible),
        "label": safe(mark.label, visible),
        "probability": mark.probability,
        "excerpt": "" if mark.whole else safe(finding.excerpt(), visible),
        "evidence": [safe(one, visible) for one in mark.evidence],
        "sha256": mark.digest(),
    }


def problem_row(problem: Problem, visible: Visible) -> dict[str, Any]:
    """Return a problem as ``--format json`` has it."""
    return {"path": safe_path(problem.name, visible), "line": problem.line, "message": safe(problem.message, visible)}


def uri_of(name: str) -> str:
    """Return a file's name as a relative URI reference; of a file outside the working folder, its path.

    >>> uri_of("köy yolu.txt")
    'k%C3%B6y%20yolu.txt'
    """
    encoded = quote(name, safe="/~._-")
    return f"./{encoded}" if ":" in encoded.partition("/")[0] else encoded


def as_json(findings: Iterable[Finding], problems: list[Problem], files: int, visible: Visible) -> Iterator[str]:
    """Yield the parts of a JSON object with the keys ``newsfilter``, ``findings``, ``problems`` and ``files``; findings are not gathered.

    `problems` are read when all findings were; `files` is how many were checked.
    """
    yield f'{{"newsfilter": "{__version__}", "findings": ['
    yield from _joined(_dumped(finding_row(finding, visible)) for finding in findings)
    rows = [problem_row(problem, visible) for problem in problems]
    yield f'\n], "problems": {_dumped(rows)}, "files": {files}}}\n'


def as_sarif(findings: Iterable[Finding], problems: list[Problem], visible: Visible) -> Iterator[str]:
    """Yield the parts of a SARIF 2.1.0 log with one run; findings are not gathered, `problems` are read when all findings were."""
    rules = list(FOUND)
    driver = {
        "name": "newsfilter",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_rule(label) for label in rules],
    }
    head = {"columnKind": "unicodeCodePoints", "tool": {"driver": driver}}
    yield f'{{"$schema": "{SARIF_SCHEMA}", "version": "2.1.0", "runs": [{_dumped(head)[:-1]}, "results": ['
    seen = Counter[tuple[str, str, str]]()
    yield from _joined(_dumped(_result(finding, rules, seen, visible)) for finding in findings)
    notes = [_notification(problem, visible) for problem in problems]
    invocation = {"executionSuccessful": not notes, "toolExecutionNotifications": notes}
    yield f'\n], "invocations": [{_dumped(invocation)}]}}]}}\n'


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True)  # what `visible` left is harmless, but ASCII is so in every log


def _joined(rows: Iterable[str]) -> Iterator[str]:
    for number, row in enumerate(rows):
        yield f"{',' if number else ''}\n{row}"


def _rule(label: str) -> dict[str, Any]:
    level = "error" if label.startswith("spam-") or label in ("mostly-spam", "advertorial", "link-farm") else "warning"
    advice = "Check it with: newsfilter explain FILE. Remove it by hand or with: newsfilter check --fix --records DIR FILE; or accept it with a baseline."
    return {
        "id": label,
        "name": "".join(part.capitalize() for part in label.split("-")),
        "shortDescription": {"text": FOUND[label]},
        "help": {"text": f"{FOUND[label]} {advice}"},
        "defaultConfiguration": {"level": level},
    }


def _result(finding: Finding, rules: list[str], seen: Counter[tuple[str, str, str]], visible: Visible) -> dict[str, Any]:
    mark = finding.mark
    key = (finding.name, mark.label, mark.digest())
    seen[key] += 1
    region: dict[str, int] = {"startLine": finding.line}
    if finding.end_line is not None and finding.end_column is not None:
        region |= {"startColumn": finding.column, "endLine": finding.end_line, "endColumn": finding.end_column}
    where = "" if finding.row is None else f"row {finding.row}, field {safe(finding.field or '', visible)}: "
    index = {"ruleIndex": rules.index(mark.label)} if mark.label in rules else {}  # a model of the user's own may know other kinds of spam
    return {
        "ruleId": safe(mark.label, visible),
        **index,
        "level": "error" if mark.label.startswith("spam") or (mark.whole and mark.label != "too-large") else "warning",
        "message": {"text": (where + _said(finding, visible)).translate(_LINKS)},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri_of(finding.name)}, "region": region}}],
        "partialFingerprints": {"newsfilter/v1": hashlib.sha256(f"{mark.label}\0{mark.digest()}\0{seen[key]}".encode()).hexdigest()},
        "properties": {"probability": mark.probability, "evidence": [safe(one, visible) for one in mark.evidence]},
    }


def _notification(problem: Problem, visible: Visible) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": uri_of(problem.name)}}
    if problem.line is not None:
        location["region"] = {"startLine": problem.line}
    return {
        "level": "error",
        "message": {"text": safe(problem.message, visible).translate(_LINKS)},
        "locations": [{"physicalLocation": location}],
    }
