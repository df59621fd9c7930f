"""One pass over a parsed page, which collects its text runs and the facts of their places."""

import re
from functools import lru_cache

import lxml.html
from lxml import etree

from newsfilter.metadata import host_of
from newsfilter.records import Inline

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
_XML_NAME = re.compile(r"[A-Za-z_][\w.-]*")
_AUTHORITY = re.compile(r"(?:https?:)?//[^/?#]{0,100}(?=[/?#]|$)")  # one that is longer is not kept
_ENDS_SENTENCE = re.compile(r"[.!?…:;\"”’»)。！？]\s*$")

_HINT_ATTRIBUTES = frozenset(("class", "id", "itemprop", "role", "rel"))
HINT_ELEMENTS = 5  # how many elements, from the text upwards, give class and id words; further up they say what kind of page it is
HINT_WORDS = 24
HINT_CHARACTERS = 200  # of a class or id that are read
HINTS_KEPT = 20_000  # classes and ids whose words are kept, at most 20 MB
HOSTS_KEPT = 8192  # hosts of links that are kept, at most 2 MB
MAX_INLINE = 40  # links of a block whose places are kept; a block with more is a list of links


class _Frame:
    """An element during the walk, and after it as the place of its text runs. What many runs ask of it is worked out once."""

    __slots__ = (
        "children",
        "hidden",
        "known_hints",
        "known_path",
        "known_tags",
        "line",
        "link",
        "number",
        "own_hints",
        "parent",
        "runs",
        "tag",
    )

    def __init__(  # noqa: PLR0913 - one an attribute; a record to pass them in would be a second frame
        self, tag: str, parent: "_Frame | None", number: int, *, line: bool, link: int, hidden: bool, own_hints: tuple[str, ...]
    ) -> None:
        self.tag = tag
        self.parent = parent
        self.number = number  # among its parent's children of this name, from 1
        self.line = line  # begins and ends a line
        self.link = link  # 0 no link, 1 inward, 2 outward
        self.hidden = hidden
        self.own_hints = own_hints
        self.children: dict[str, int] | None = None  # element name -> how many so far
        self.runs = 0
        self.known_path = ""
        self.known_tags: tuple[str, ...] = ()
        self.known_hints: tuple[str, ...] | None = None

    def path(self) -> str:
        """The element's XPath, complete once the walk is: a name that a parent holds once goes without its number."""
        above: list[_Frame] = []
        frame: _Frame | None = self
        while frame is not None and not frame.known_path:
            above.append(frame)
            frame = frame.parent
        path = frame.known_path if frame is not None else ""
        for below in reversed(above):
            path = below.known_path = path + below.step()
        return path

    def step(self) -> str:
        """The path's last step."""
        siblings = self.parent.children if self.parent is not None else None
        index = "" if siblings is None or siblings[self.tag] == 1 else f"[{self.number}]"
        return _step_name(self.tag) + index

    def tags(self) -> tuple[str, ...]:
        """Element names from the root down."""
        above: list[_Frame] = []
        frame: _Frame | None = self
        while frame is not None and not frame.known_tags:
            above.append(frame)
            frame = frame.parent
        tags = frame.known_tags if frame is not None else ()
        for below in reversed(above):
            tags = below.known_tags = (*tags, below.tag)
        return tags

    def hints(self, inner: tuple[str, ...]) -> tuple[str, ...]:
        """Class and id words of the nearest elements; `inner`: those of the run's own inline elements, which come first."""
        if not inner and self.known_hints is not None:
            return self.known_hints
        hints, frame = inner, self
        for _ in range(HINT_ELEMENTS):
            if frame.own_hints and (frame.line or not hints):
                hints += frame.own_hints
            if frame.parent is None:
                break
            frame = frame.parent
        hints = hints[:HINT_WORDS]
        if not inner:
            self.known_hints = hints
        return hints

    def holder(self) -> "_Frame":
        """The nearest element that begins a line, else the root."""
        frame = self
        while not frame.line and frame.parent is not None:
            frame = frame.parent
        return frame


@lru_cache(maxsize=1000)
def _step_name(tag: str) -> str:
    # Office and social-network markup has names with colons and commas, which an XPath cannot say outright.
    return f"/{tag}" if _XML_NAME.fullmatch(tag) else f"/*[name()='{tag}']"


_SKIPPED_FRAME = _Frame(
    "", None, 0, line=False, link=0, hidden=True, own_hints=()
)  # stands for every element that is skipped, until its end


class Walk:
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
                    stack.append(_SKIPPED_FRAME)
                    continue
                self._open(element, tag)
                if text := element.text:
                    self._add(text)
                continue
            if event == "end":
                frame = stack.pop()
                if frame.line and self._pieces:
                    self._close_run(frame)
            if stack and (tail := element.tail):
                self._add(tail)

    def _open(self, element: lxml.html.HtmlElement, tag: str) -> None:
        stack = self._stack
        self.elements += 1
        if len(stack) > self.deepest:
            self.deepest = len(stack)
        parent, number, link, hidden = None, 1, 0, False
        if stack:
            parent = stack[-1]
            if parent.children is None:
                parent.children = {tag: 1}
            else:
                number = parent.children[tag] = parent.children.get(tag, 0) + 1
            link, hidden = parent.link, parent.hidden
        line = tag in _LINE
        if line:
            if self._pieces and parent is not None:
                self._close_run(parent)
        elif tag == "br":
            self._break(element)
        hints: tuple[str, ...] = ()
        for name, value in element.items():
            if name in _HINT_ATTRIBUTES:
                hints += hint_words(value)
            elif (name == "style" and not hidden and _HIDING.search(value)) or name == "hidden":
                hidden = True
            elif name == "href" and tag == "a":
                link = self._direction(value)
        stack.append(_Frame(tag, parent, number, line=line, link=link, hidden=hidden, own_hints=hints))

    def _direction(self, href: str) -> int:
        href = href.strip().lower()
        if not href.startswith(("http:", "https:", "//")):
            return 1
        host = _linked_host(href)
        if self.host is None or host is None:
            return 1 if self.host is None else 2
        return 1 if host == self.host or host.endswith(f".{self.host}") or self.host.endswith(f".{host}") else 2

    def _add(self, text: str) -> None:
        frame = self._stack[-1]
        if not self._pieces and text.isspace() and (frame.line or not (frame.link or frame.hidden or frame.own_hints)):
            return  # between two elements: no run begins with it, and most runs would be nothing else
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
        if not self._pieces:
            if not doubled:
                self._pieces.append(" ")
        elif doubled or _ENDS_SENTENCE.search(self._pieces[-1]):
            self._close_run(self._stack[-1])
        else:
            self._pieces.append(" ")

    def _close_run(self, frame: _Frame) -> None:
        """End the run at the border of a line element; `frame` is the innermost element that the run stands in."""
        text = " ".join("".join(self._pieces).split())
        if text:
            holder = frame.holder()
            size = len(text)
            self.texts.append(text)
            inline = self._inlines(size, holder) if self._marked else ()
            linked, outward = min(self._linked, size), min(self._outward, size)
            self.facts.append((holder, frame.hints(self._inner), linked, outward, frame.tags(), inline))
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


def _linked_host(href: str) -> str | None:
    """`host_of`, read off the part of an address that names the host: a page's links name the same few over and over."""
    found = _AUTHORITY.match(href)
    return host_of(href) if found is None else _known_host(found.group())


_known_host = lru_cache(maxsize=HOSTS_KEPT)(host_of)


def hint_words(value: str) -> tuple[str, ...]:
    """Return the words of a class or id, lower-cased; a page says the same few hundreds over and over."""
    return _known_hints(value[:HINT_CHARACTERS])


@lru_cache(maxsize=HINTS_KEPT)
def _known_hints(value: str) -> tuple[str, ...]:
    return tuple(_HINT.findall(value.lower()))
