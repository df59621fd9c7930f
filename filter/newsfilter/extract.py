"""HTML to a Page: every text run with the facts of its place, and what trafilatura kept of it.

The page is parsed once. Trafilatura gets the same tree, which it does not change, and its output is aligned to the page's words in order,
because attributes put on elements survive on less than half of what it returns.
"""

import logging
import re
from bisect import bisect_left
from itertools import accumulate, chain

import lxml.html
from lxml import etree

from newsfilter.metadata import host_of, page_metadata
from newsfilter.records import Block, Damage, Inline, Page
from newsfilter.walk import Walk

_WORD = re.compile(r"\w+")
_CLOSING = re.compile(rb"</(?:body|html)\s*>", re.IGNORECASE)

MAX_DEPTH = 400  # trafilatura and the deep copies it makes recurse; the deepest of the 3,065 development pages has 54
MAX_ELEMENTS = 60_000  # trafilatura takes 8 s on 200,000 links; the largest of the 3,065 development pages has 15,795

_ELEMENT_CLASSES = etree.ElementDefaultClassLookup(
    element=lxml.html.HtmlElement, comment=lxml.html.HtmlComment, pi=lxml.html.HtmlProcessingInstruction, entity=lxml.html.HtmlEntity
)

logging.getLogger("trafilatura").setLevel(logging.CRITICAL)


def parse(text: str) -> tuple[lxml.html.HtmlElement | None, bool]:
    """Parse a page into a tree; the second value tells whether the parser gave up before the end.

    The closing tags of body and html go first: libxml2 drops what follows them, which is where hijackers append.
    """
    data = _CLOSING.sub(b" ", text.replace("\0", " ").encode("utf-8", "replace"))
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True)
    parser.set_element_class_lookup(_ELEMENT_CLASSES)
    try:
        root = lxml.html.document_fromstring(data, parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError):
        return None, False
    return root, any(entry.level == etree.ErrorLevels.FATAL for entry in parser.error_log)


def extract(text: str, *, url: str | None = None, date_search: bool = False) -> Page:
    """Cut an HTML page into blocks.

    Parameters
    ----------
    text
        The decoded page.
    url
        Its address, for telling inward from outward links; else the page's own canonical link.
    date_search
        Search the whole page for a date when its metadata has none.
    """
    root, truncated = parse(text)
    if root is None:
        return Page("", (), html=True)
    metadata = page_metadata(root, url, date_search=date_search)
    walk = Walk(host_of(url or metadata.url or ""))
    walk.run(root)
    page_text = "\n".join(walk.texts)
    damage = [Damage(0, len(page_text), "parse-truncated")] if truncated else []
    kept, sentence_words = [0.0] * len(walk.texts), 0
    if walk.deepest <= MAX_DEPTH and walk.elements <= MAX_ELEMENTS:
        output = trafilatura_text(root)
        kept, sentence_words = kept_shares(walk.texts, output), len(_WORD.findall(output))
    else:
        damage.append(Damage(0, len(page_text), "extraction-skipped"))
    blocks, start = [], 0
    for words, facts, share in zip(walk.texts, walk.facts, kept, strict=True):
        frame, hints, linked, outward, tags, inline = facts
        size = len(words)
        placed = tuple(Inline(mark.start + start, mark.end + start, mark.linked, mark.outward, mark.hidden) for mark in inline)
        blocks.append(
            Block(start, start + size, frame.path(), frame.runs, tags, hints, linked / size, outward / size, frame.hidden, share, placed)
        )
        frame.runs += 1
        start += size + 1
    return Page(page_text, tuple(blocks), html=True, metadata=metadata, damage=tuple(damage), sentence_words=sentence_words)


def trafilatura_text(root: lxml.html.HtmlElement) -> str:
    """Return trafilatura's own text of a parsed page, "" where it finds none."""
    from trafilatura import extract as trafilatura_extract  # noqa: PLC0415 - half a second that plain text does not need

    return trafilatura_extract(root, fast=True, include_comments=False, include_tables=True, with_metadata=False) or ""


def kept_shares(texts: list[str], output: str) -> list[float]:
    """Tell for each block which share of its words stands in `output`, by in-order alignment.

    Each line of the output is looked for behind the last one found, then anywhere. A line that stands nowhere in one piece (trafilatura joins
    table cells, drops a link's text) is taken apart into runs of three words. One line in seven is such a line.
    """
    words = [_WORD.findall(text.lower()) for text in texts]
    counts = list(map(len, words))
    flat = list(chain.from_iterable(words))
    joined = " " + " ".join(flat) + " "
    starts = [0, *accumulate(map((1).__add__, map(len, flat)))]  # character position of the blank before each word
    kept = bytearray(len(flat))
    triples: dict[tuple[str, ...], list[int]] | None = None
    cursor = 0
    for line in output.lower().split("\n"):
        wanted = _WORD.findall(line)
        if not wanted:
            continue
        needle = " " + " ".join(wanted) + " "
        place = joined.find(needle, cursor)
        if place < 0 and (len(wanted) > 2 or len(needle) > 12):
            place = joined.find(needle)
        if place >= 0:
            first = bisect_left(starts, place)
            kept[first : first + len(wanted)] = b"\1" * len(wanted)
            cursor = place + len(needle) - 1
            continue
        if triples is None:
            triples = {}
            for number in range(len(flat) - 2):
                triples.setdefault((flat[number], flat[number + 1], flat[number + 2]), []).append(number)
        number = 0
        while number < len(wanted) - 2:
            places = triples.get((wanted[number], wanted[number + 1], wanted[number + 2]))
            if not places:
                number += 1
                continue
            first = next((p for p in places if starts[p] >= cursor), places[0])
            size = 3
            while number + size < len(wanted) and first + size < len(flat) and wanted[number + size] == flat[first + size]:
                size += 1
            kept[first : first + size] = b"\1" * size
            cursor = starts[first + size]
            number += size
    shares, position = [], 0
    for count in counts:
        shares.append(sum(kept[position : position + count]) / count if count else 0.0)
        position += count
    return shares
