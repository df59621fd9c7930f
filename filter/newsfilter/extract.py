"""HTML to a Page: every text run with the facts of its place, and what trafilatura kept of it.

The page is parsed once. Trafilatura gets the same tree, which it does not change, and its output is aligned to the page's words in order,
because attributes put on elements survive on less than half of what it returns.
"""

import logging
import re
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate

import lxml.html
from lxml import etree

from newsfilter.metadata import host_of, page_metadata
from newsfilter.records import Block, Damage, Inline, Page

# Elements that begin and end a line in a browser's own style sheet. Everything else is inline.
_LINE = frozenset(
    "address article aside blockquote body button caption center dd details dialog dir div dl dt fieldset figcaption figure footer form frameset "
    "h1 h2 h3 h4 h5 h6 header hgroup hr html legend li listing main menu nav noscript ol optgroup option p plaintext pre section select summary table "
    "tbody td template textarea tfoot th thead tr ul video audio".split()
)
_SKIPPED = frozenset("script style head svg iframe object noembed noframes".split())  # no text that a reader could read
_HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0(?:\.0+)?\s*(?:;|$|!)|font-size\s*:\s*0(?:px|em|%|pt)?\s*(?:;|$|!)"
    r"|(?:left|top|right|text-indent|margin-left)\s*:\s*-\d{3,}|clip\s*:\s*rect\(\s*[01]|(?:^|;|\s)(?:height|width)\s*:\s*[01](?:px)?\s*(?:;|$|!)",
    re.IGNORECASE,
)
_HINT = re.compile(r"[a-z]+")
_WORD = re.compile(r"\w+")
_XML_NAME = re.compile(r"[A-Za-z_][\w.-]*")
_CLOSING = re.compile(rb"</(?:body|html)\s*>", re.IGNORECASE)
_ENDS_SENTENCE = re.compile(r"[.!?…:;\"”’»)。！？]\s*$")

HINT_ELEMENTS = 5  # how many elements, from the text upwards, give class and id words; further up they say what kind of page it is
HINT_WORDS = 24
MAX_INLINE = 40  # links of a block whose places are kept; a block with more is a list of links
MAX_DEPTH = 400  # trafilatura and the deep copies it makes recurse; the deepest of the 3,065 development pages has 54
MAX_ELEMENTS = 60_000  # trafilatura takes 8 s on 200,000 links; the largest of the 3,065 development pages has 15,795

_ELEMENT_CLASSES = etree.ElementDefaultClassLookup(
    element=lxml.html.HtmlElement, comment=lxml.html.HtmlComment, pi=lxml.html.HtmlProcessingInstruction, entity=lxml.html.HtmlEntity
)

logging.getLogger("trafilatura").setLevel(logging.CRITICAL)


@dataclass(slots=True)
class _Frame:
    """An element during the walk, and after it as the place of its text runs."""

    tag: str
    parent: "_Frame | None"
    number: int  # among its parent's children of this name, from 1
    line: bool  # begins and ends a line
    link: int  # 0 no link, 1 inward, 2 outward
    hidden: bool
    own_hints: tuple[str, ...]
    children: dict[str, int] = field(default_factory=dict)  # element name -> how many so far
    runs: int = 0
    known_path: str = ""

    def path(self) -> str:
        """The element's XPath, complete once the walk is: a name that a parent holds once goes without its number."""
        steps: list[str] = []
        frame: _Frame | None = self
        while frame is not None and not frame.known_path:
            steps.append(frame.step())
            frame = frame.parent
        self.known_path = (frame.known_path if frame is not None else "") + "".join(reversed(steps))
        return self.known_path

    def step(self) -> str:
        """The path's last step."""
        index = "" if self.parent is None or self.parent.children[self.tag] == 1 else f"[{self.number}]"
        # Office and social-network markup has names with colons and commas, which an XPath cannot say outright.
        return f"/{self.tag}{index}" if _XML_NAME.fullmatch(self.tag) else f"/*[name()='{self.tag}']{index}"


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
    walk = _Walk(host_of(url or metadata.url or ""))
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
        placed = tuple(link._replace(start=link.start + start, end=link.end + start) for link in inline)
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


class _Walk:
    """One pass over the tree, which collects text runs and their facts. A class because a walk is all state."""

    def __init__(self, host: str | None) -> None:
        self.host = host
        self.texts: list[str] = []
        self.facts: list[tuple[_Frame, tuple[str, ...], int, int, tuple[str, ...], tuple[Inline, ...]]] = []
        self.deepest = self.elements = 0
        self._pieces: list[str] = []  # of the run that is being read
        self._marked: list[tuple[int, _Frame]] = []  # which pieces are links or hidden
        self._linked = self._outward = 0
        self._inner: tuple[str, ...] = ()  # hints of inline elements in the run
        self._stack: list[_Frame] = []

    def run(self, root: lxml.html.HtmlElement) -> None:
        walker = etree.iterwalk(root, events=("start", "end", "comment", "pi"))
        stack = self._stack
        for event, element in walker:
            if event == "start":
                tag = element.tag
                if tag in _SKIPPED:
                    walker.skip_subtree()
                    stack.append(_Frame(tag, None, 0, False, 0, True, ()))
                    continue
                self._open(element, tag)
                if element.text:
                    self._add(element.text)
                continue
            if event == "end":
                frame = stack.pop()
                if frame.line:
                    self._close_run(frame)
            if element.tail and stack:
                self._add(element.tail)
        if self._pieces and stack:
            self._close_run(stack[0])

    def _open(self, element: lxml.html.HtmlElement, tag: str) -> None:
        stack = self._stack
        self.elements += 1
        if len(stack) > self.deepest:
            self.deepest = len(stack)
        parent, number, link, hidden = None, 1, 0, False
        if stack:
            parent = stack[-1]
            number = parent.children[tag] = parent.children.get(tag, 0) + 1
            link, hidden = parent.link, parent.hidden
        line = tag in _LINE
        if line:
            self._close_run()
        elif tag == "br":
            self._break(element)
        hints: tuple[str, ...] = ()
        for name, value in element.items():
            if name in ("class", "id", "itemprop", "role", "rel"):
                hints += hint_words(value)
            elif (name == "style" and not hidden and _HIDING.search(value)) or name == "hidden":
                hidden = True
            elif name == "href" and tag == "a":
                link = self._direction(value)
        stack.append(_Frame(tag, parent, number, line, link, hidden, hints))

    def _direction(self, href: str) -> int:
        href = href.strip().lower()
        if not href.startswith(("http:", "https:", "//")):
            return 1
        host = host_of(href)
        if self.host is None or host is None:
            return 1 if self.host is None else 2
        return 1 if host == self.host or host.endswith(f".{self.host}") or self.host.endswith(f".{host}") else 2

    def _add(self, text: str) -> None:
        frame = self._stack[-1]
        self._pieces.append(text)
        if (frame.link or frame.hidden) and not frame.line:
            self._marked.append((len(self._pieces) - 1, frame))
        if frame.link:
            size = len(text.strip())
            self._linked += size
            if frame.link == 2:
                self._outward += size
        if not frame.line and frame.own_hints and len(self._inner) < HINT_WORDS:
            self._inner += frame.own_hints

    def _break(self, element: lxml.html.HtmlElement) -> None:
        """A <br> ends a run when it is doubled or stands behind the end of a sentence; else it is a space."""
        following = element.getnext()
        doubled = following is not None and following.tag == "br" and not (element.tail or "").strip()
        if doubled or (self._pieces and _ENDS_SENTENCE.search(self._pieces[-1])):
            self._close_run()
        else:
            self._pieces.append(" ")

    def _close_run(self, frame: _Frame | None = None) -> None:
        """End the run at the border of a line element; `frame` is that element when it is already off the stack."""
        if not self._pieces:
            return
        text = " ".join("".join(self._pieces).split())
        if text:
            stack = [*self._stack, frame] if frame else self._stack
            holder = next((open_frame for open_frame in reversed(stack) if open_frame.line), stack[0])
            hints = self._inner
            for open_frame in reversed(stack[-HINT_ELEMENTS:]):
                if open_frame.own_hints and (open_frame.line or not hints):
                    hints += open_frame.own_hints
            size = len(text)
            self.texts.append(text)
            tags = tuple(open_frame.tag for open_frame in stack)
            inline = self._inlines(size, holder) if self._marked else ()
            self.facts.append((holder, hints[:HINT_WORDS], min(self._linked, size), min(self._outward, size), tags, inline))
        self._pieces.clear()
        self._marked.clear()
        self._linked = self._outward = 0
        self._inner = ()

    def _inlines(self, size: int, holder: _Frame) -> tuple[Inline, ...]:
        """Return where the run's links and hidden stretches stand in its collapsed text; () when one of them is all of it."""
        found: list[Inline] = []
        for number, frame in self._marked[:MAX_INLINE]:
            before, piece = "".join(self._pieces[:number]), self._pieces[number]
            core = " ".join(piece.split())
            left = " ".join(before.split())
            gap = bool(left) and (before[-1].isspace() or piece[:1].isspace())
            hidden = frame.hidden and not holder.hidden
            if core and len(core) < size and (frame.link or hidden):
                start = len(left) + gap
                found.append(Inline(start, start + len(core), frame.link > 0, frame.link > 1, hidden))
        return tuple(found)


@lru_cache(maxsize=100_000)
def hint_words(value: str) -> tuple[str, ...]:
    """Return the words of a class or id, lower-cased; a page says the same few hundreds over and over."""
    return tuple(_HINT.findall(value[:200].lower()))


def kept_shares(texts: list[str], output: str) -> list[float]:
    """Tell for each block which share of its words stands in `output`, by in-order alignment.

    Each line of the output is looked for behind the last one found, then anywhere. A line that stands nowhere in one piece (trafilatura joins
    table cells, drops a link's text) is taken apart into runs of three words. One line in seven is such a line.
    """
    words = [_WORD.findall(text.lower()) for text in texts]
    counts = [len(block) for block in words]
    flat = [word for block in words for word in block]
    joined = " " + " ".join(flat) + " "
    starts = list(accumulate((len(word) + 1 for word in flat), initial=0))  # character position of the blank before each word
    at_word = {position: number for number, position in enumerate(starts)}
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
            first = at_word[place]
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
