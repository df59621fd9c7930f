"""In which line of an HTML file a finding stands, by the path that a provenance record gives and the finding's first words."""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from newsfilter.records import Source

WORDS = 3  # of a finding, by which it is looked for in its element
MAX_LOOKED_FOR = 1_000  # findings of a page that are looked for by their words; the others have their elements' lines
_STEP = re.compile(r"/(?:\*\[name\(\)='(?P<odd>[^']*)'\]|(?P<tag>[A-Za-z_][\w.-]*))(?:\[(?P<number>\d+)\])?")

Finding = tuple[str, str]  # XPath, text


def html_lines(source: Source, findings: Sequence[Finding]) -> list[int]:
    """Return the line of each finding, from 1: where its first words stand in its element, else where the element begins, else 1.

    The page is parsed once more, here, as it was for judging; so this is done only for pages that have findings. The parser counts no further than
    line 65,535: an element that stands lower has that number.
    """
    from newsfilter.decode import decode  # noqa: PLC0415 - needed for HTML that has findings, and lxml takes a while to import
    from newsfilter.extract import parse  # noqa: PLC0415 - as above

    root, _ = parse(decode(source.raw, charset=source.charset).text)
    elements = _Elements(root)
    lines = []
    for number, (path, text) in enumerate(findings):
        element = elements.at(path)
        line = 1 if element is None else int(element.sourceline or 1)
        if element is not None and number < MAX_LOOKED_FOR:
            line = elements.line_of(path, element, text) or line
        lines.append(line)
    return lines


class _Elements:
    """Finds elements by path and words in them; what was looked through once is kept, since many findings stand in one place."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._children: dict[str, dict[str, list[Any]]] = {}
        self._texts: dict[str, tuple[str, list[int], list[int]]] = {}  # joined text runs, where each begins, and in which line
        self._behind: dict[str, int] = defaultdict(int)  # where the last finding was found: those of one element come in order

    def at(self, path: str) -> Any:
        """Return the element at a path; None where there is none."""
        element, at = None, ""
        for step in _STEP.finditer(path):
            tag, number = step["odd"] or step["tag"], int(step["number"] or 1)
            if not at:
                element = self._root if self._root is not None and tag == self._root.tag else None
            else:
                if at not in self._children:
                    self._children[at] = _by_tag(element)
                same = self._children[at].get(tag, [])
                element = same[number - 1] if number <= len(same) else None
            if element is None:
                return None
            at += step.group()
        return element if at == path else None

    def line_of(self, path: str, element: Any, text: str) -> int | None:
        """Return the line in which the first words of a text stand in an element; None where they do not, as when a line element stands between them."""
        if path not in self._texts:
            runs = list(_runs(element))
            starts = list(accumulate((len(run) for run, _ in runs), initial=0))
            self._texts[path] = "".join(run for run, _ in runs), starts, [line for _, line in runs]
        joined, starts, lines = self._texts[path]
        words = re.compile(r"\s+".join(re.escape(word) for word in text.split()[:WORDS]))
        found = words.search(joined, self._behind[path]) or words.search(joined)
        if found is None:
            return None
        self._behind[path] = found.end()
        run = bisect_right(starts, found.start()) - 1
        return lines[run] + joined.count("\n", starts[run], found.start())


def _runs(element: Any) -> Iterator[tuple[str, int]]:
    """Yield the text runs of an element in order, each with the line in which it begins."""
    from lxml import etree  # noqa: PLC0415 - as above

    line = 1
    for event, one in etree.iterwalk(element, events=("start", "end", "comment", "pi")):
        if event == "start":
            line = max(line, one.sourceline or 1)
            if one.text:
                yield one.text, line
                line += one.text.count("\n")
        elif event != "end":  # the line of a comment is that in which it ends
            line = max(line + (one.text or "").count("\n"), one.sourceline or 1)
        if event != "start" and one is not element and one.tail:
            yield one.tail, line
            line += one.tail.count("\n")


def _by_tag(element: Any) -> dict[str, list[Any]]:
    result: dict[str, list[Any]] = defaultdict(list)
    for child in element:
        if isinstance(child.tag, str):
            result[child.tag].append(child)
    return result
