"""The vocabulary: frozen records that the stages hand on. Imports nothing of newsfilter.

All offsets are code points into ``Page.text``, start inclusive, end exclusive.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

LABELS = (
    "body",
    "headline",
    "caption",
    "byline",
    "teaser",
    "navigation",
    "reaction",
    "comment",
    "notice",
    "spam-adult",
    "spam-gambling",
    "spam-other",
)
"""What a block can be, in the order in which the shipped model scores them. ``docs/labels.md`` describes each."""

KINDS = ("article", "advertorial", "link-farm", "listing", "error-page", "paywall-stub", "login-page", "other")
"""What a document can be as a whole. ``docs/verdicts.md`` says what becomes of each."""

MediaType = Literal["text/plain", "text/html"]
DecisionName = Literal["accept", "review", "reject"]

EDIT_KINDS: Mapping[str, str] = {
    "paragraph-break": "white space between two paragraphs, or none where scraping lost it, becomes one blank line",
    "joined-lines": "a line break inside a paragraph becomes a space",
    "white-space": "a run of white space becomes one space; at a paragraph's edge it goes",
    "invisible-character": "a control, soft hyphen, zero-width space or byte order mark goes",
    "mojibake": "text decoded with the wrong charset is read again with the right one",
    "nfc": "letters in decomposed form are composed",
}
"""Every way in which a kept stretch of the page may differ from the body."""

DAMAGE_CODES: Mapping[str, str] = {
    "lost-link-text": "words are missing where scraping dropped a link with its text",
    "unbalanced-quote": "a quotation opens and never closes, or closes without having been opened",
    "truncated": "the text stops in mid-sentence",
    "parse-truncated": "the HTML parser gave up before the end of the page",
    "extraction-skipped": "the page is too deeply nested or too large for trafilatura, which did not see it",
    "undecodable": "bytes that fit no charset stand as U+FFFD",
}
"""Faults that cannot be mended and are never guessed at."""


@dataclass(frozen=True, slots=True)
class Source:
    """One raw document, as the dump holds it."""

    raw: bytes | str
    uri: str = ""  # relative to the dump; never an absolute path of this machine
    media_type: MediaType | None = None  # None: told apart by content
    charset: str | None = None  # declared from outside, such as by an HTTP header
    url: str | None = None
    fetched_at: str | None = None  # ISO 8601, from the dump, never from a file's clock
    member: str | None = None  # name inside an archive
    offset: int | None = None  # byte position inside a dump file
    id: str | None = None  # the user's own


def document_id(source: Source) -> str:
    """Return the user's own id, else the sha256 of URI, member and offset."""
    if source.id is not None:
        return source.id
    return hashlib.sha256(
        "\0".join([source.uri, source.member or "", "" if source.offset is None else str(source.offset)]).encode("utf-8", "surrogatepass")
    ).hexdigest()


@dataclass(frozen=True, slots=True)
class Decoding:
    """How bytes became text."""

    text: str
    declared: str | None  # what the document or its header said
    used: str  # the WHATWG name of the encoding that was used
    how: str  # the branch that fired: see decode.py
    replaced: int = 0  # characters that became U+FFFD


class Inline(NamedTuple):
    """A link, or a hidden stretch, inside a block that holds other text too."""

    start: int  # code points into Page.text, inclusive
    end: int  # exclusive
    linked: bool
    outward: bool  # linked to another host
    hidden: bool


@dataclass(frozen=True, slots=True)
class Block:
    """One stretch of a page that is judged as a whole."""

    start: int  # code points into Page.text, inclusive
    end: int  # exclusive
    xpath: str | None = None  # of the element that holds it; None in plain text
    run: int = 0  # which text run of that element, from 0
    tags: tuple[str, ...] = ()  # element names from the root down; () in plain text
    hints: tuple[str, ...] = ()  # class and id words of the nearest elements, innermost first
    link_density: float = 0.0  # share of the characters that stand inside <a>, 0 to 1; 0 for plain text
    outward: float = 0.0  # share of the characters inside links to another host, 0 to 1
    hidden: bool = False  # by the hidden attribute or an inline style
    kept_share: float = 0.0  # share of its words that trafilatura kept, 0 to 1; 0 for plain text
    inline: tuple[Inline, ...] = ()  # in order; () for plain text, and where the whole block is one link


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a page says of itself, or what its lines were read as."""

    title: str | None = None
    byline: str | None = None
    published: str | None = None  # ISO 8601, date or date and time
    site: str | None = None
    url: str | None = None
    kind: str | None = None  # schema.org or Open Graph type, lower-cased


@dataclass(frozen=True, slots=True)
class Damage:
    """A fault that was found and left alone."""

    start: int
    end: int
    code: str  # one of DAMAGE_CODES


@dataclass(frozen=True, slots=True)
class Page:
    """A decoded document cut into blocks, in reading order, which do not overlap."""

    text: str
    blocks: tuple[Block, ...]
    html: bool
    metadata: Metadata = field(default_factory=Metadata)
    damage: tuple[Damage, ...] = ()
    sentence_words: int = 0  # words that trafilatura kept or, in plain text, of sentence lines: the measure of mostly-removed

    def text_of(self, block: Block) -> str:
        """Return the block's own text."""
        return self.text[block.start : block.end]


@dataclass(frozen=True, slots=True)
class Edit:
    """One difference between a kept stretch of the page and the body."""

    start: int
    end: int
    old: str  # page.text[start:end]
    new: str
    kind: str  # one of EDIT_KINDS


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about a block, or about a cut span of one."""

    start: int
    end: int
    block: int  # its number in Page.blocks
    label: str
    probabilities: Mapping[str, float]  # label -> probability, four decimals; each label against the rest, so they need not sum to 1
    kept: bool
    by: str  # "model", "policy", or a rule's name and version such as "repeated-headline/1"
    evidence: tuple[str, ...] = ()  # strongest first

    @property
    def probability(self) -> float:
        """The label's own probability; 1.0 for a rule's decision."""
        return self.probabilities.get(self.label, 1.0) if self.by == "model" else 1.0


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason for a verdict, from the closed table in verdict.py."""

    code: str
    value: float | str | None = None
    limit: float | str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Accept, review or reject. A rejection is a value, never an exception."""

    decision: DecisionName
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Language:
    """The language of the kept body."""

    code: str  # ISO 639-1, or "unknown"
    probability: float
    by: str  # "langdetect", "letters", "too-short", or "off" where nobody asked


@dataclass(frozen=True, slots=True)
class Article:
    """One cleaned document."""

    title: str | None
    body: str  # paragraphs, a blank line between two; "" when nothing is left
    byline: str | None
    published: str | None
    site: str | None
    language: Language
    verdict: Verdict
    decisions: tuple[Decision, ...]
    record: dict[str, Any]  # the provenance record, ready for json.dumps
