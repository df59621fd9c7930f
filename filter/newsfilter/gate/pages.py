"""In which line of an HTML file an element begins, by the path that a provenance record gives."""

import re
from collections import defaultdict
from typing import Any

from newsfilter.records import Source

_STEP = re.compile(r"/(?:\*\[name\(\)='(?P<odd>[^']*)'\]|(?P<tag>[A-Za-z_][\w.-]*))(?:\[(?P<number>\d+)\])?")


def html_lines(source: Source, paths: set[str]) -> dict[str, int]:
    """Return the line of each path's element, from 1; a path that leads nowhere is left out.

    The page is parsed once more, here, as it was for judging; so this is done only for pages that have findings. The parser counts no further than
    line 65,535: what stands lower has that number.
    """
    from newsfilter.decode import decode  # noqa: PLC0415 - needed for HTML that has findings, and lxml takes a while to import
    from newsfilter.extract import parse  # noqa: PLC0415 - as above

    root, _ = parse(decode(source.raw, charset=source.charset).text)
    if root is None or not paths:
        return {}
    children: dict[str, dict[str, list[Any]]] = {}
    found: dict[str, int] = {}
    for path in paths:
        element, at = None, ""
        for step in _STEP.finditer(path):
            tag, number = step["odd"] or step["tag"], int(step["number"] or 1)
            if element is None:
                element = root if tag == root.tag else None
            else:
                if at not in children:  # looked through once for all paths that lead through it
                    children[at] = _by_tag(element)
                same = children[at].get(tag, [])
                element = same[number - 1] if number <= len(same) else None
            if element is None:
                break
            at += step.group()
        if element is not None and at == path and element.sourceline:
            found[path] = int(element.sourceline)
    return found


def _by_tag(element: Any) -> dict[str, list[Any]]:
    result: dict[str, list[Any]] = defaultdict(list)
    for child in element:
        if isinstance(child.tag, str):
            result[child.tag].append(child)
    return result
