"""Which column of a table holds the document, its URL and its id; and what becomes of a row.

A column is taken by the name that an option gives, else guessed. For guessing, case and everything but letters and digits do not count:
``articleBody``, ``article_body`` and ``Article Body`` are one name. `PREFERENCE` is the order; the first of its names that the table has, in a
column of the right type, is taken. Descriptions, summaries and titles are never guessed: cleaning a teaser for want of its article would be worse
than asking.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from newsfilter.decode import clean_surrogates
from newsfilter.dumps.documents import Document, Failed, Item, Passed
from newsfilter.dumps.failures import ReadError
from newsfilter.dumps.readers import ReadOptions
from newsfilter.errors import InputError
from newsfilter.records import MediaType, Source, document_id

Kind = Literal["text", "number", "other"]
"""What a column's values are. A column that was only ever seen null is "text", since it may hold anything."""

NULL_TEXT = "null-text"
"""The kind of a row whose document is null: it was never fetched, and is counted beside the documents."""

# Names in their normal form. Text that an extractor made: plain by its name.
_TEXT = (
    "text plaintext cleantext cleanedtext maintext fulltext articletext bodytext pagetext documenttext storytext newstext textcontent contenttext "
    "articlebody rawtext"
).split()
# Text as often as markup: news APIs and extracted sets put plain text there, feeds, WordPress and readability HTML.
_EITHER = (
    "content body article contents articlecontent pagecontent maincontent postcontent extractedcontent fullcontent story document rawcontent "
    "metin icerik habermetni"
).split()
_HTML = (
    "html rawhtml htmlcontent contenthtml htmlbody bodyhtml pagehtml articlehtml htmlsource sourcehtml fullhtml responsehtml cleanedhtml"
).split()
# What a spider saved under the name of where it came from; HTML, unless it is not.
_RAW = "raw rawpage rawdata pagesource webpage responsebody responsetext".split()
_MARKDOWN = ["markdown"]
_URL = (
    "url articleurl pageurl weburl documenturl newsurl canonicalurl finalurl respondedurl responseurl requestedurl originalurl "
    "targeturi warctargeturi permalink link articlelink href sourceurl uri source u"
).split()
_ID = "id docid documentid articleid newsid postid recordid warcrecordid uuid guid".split()

_ONLY_BESIDE = {"source": "sourcehostname", "u": "ts"}
"""Names that mean a URL in one family of sets alone, told by a second name: trafilatura's JSON, where ``source`` elsewhere is a publisher, and HPLT's."""

_MEDIA_TYPES: dict[str, MediaType | None] = {
    **dict.fromkeys(_TEXT, "text/plain"),
    **dict.fromkeys(_EITHER),
    **dict.fromkeys(_HTML, "text/html"),
    **dict.fromkeys(_RAW),
    **dict.fromkeys(_MARKDOWN, "text/plain"),
}

PREFERENCE: Mapping[str, tuple[str, ...]] = {"document": tuple(_MEDIA_TYPES), "url": tuple(_URL), "id": tuple(_ID)}
"""The names that are guessed, first choice first, as `normal_name` writes them. Text stands before HTML, because a table with both has been extracted
already and `--html-field` asks for the other; raw pages and Markdown come last."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns hold what."""

    documents: tuple[tuple[str, MediaType | None], ...]  # tried in order until one is not null; two only where two options name them
    url: str | None = None
    id: str | None = None
    guessed: tuple[tuple[str, str], ...] = ()  # (role, column) of what no option named; the roles are text, HTML, URL, id

    @property
    def said(self) -> str:
        """What was guessed, for the user to read; "" for nothing.

        >>> Columns((("content", None),), guessed=(("text", "content"), ("id", "_id"))).said
        'text from column `content`, id from column `_id`'
        """
        return ", ".join(f"{role} from column `{name}`" for role, name in self.guessed)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands."""

    uri: str
    offset: int  # as Source.offset has it
    where: str  # for people: "line 3", "byte 1024", "row 12"


def normal_name(name: str) -> str:
    """Write a column's name as guessing compares it.

    >>> normal_name("WARC-Target-URI"), normal_name("_id"), normal_name("İçerik")
    ('warctargeturi', 'id', 'icerik')
    """
    return "".join(letter for letter in unicodedata.normalize("NFKD", name).casefold() if letter.isalnum())


def choose(kinds: Mapping[str, Kind], options: ReadOptions, uri: str) -> Columns:
    """Choose the columns of a table.

    Parameters
    ----------
    kinds
        Each column's name and kind, in the table's order.
    options
        What the user named. Where both a text and an HTML field are named, the HTML is taken and the text where that is null or missing.
    uri
        Of the table, for messages.

    Raises
    ------
    InputError
        When a column that was named is not there or holds no text, or none has a usual name.
    """
    url, identity = _named(kinds, options.url_field, "--url-field", uri), _named(kinds, options.id_field, "--id-field", uri)
    documents: tuple[tuple[str, MediaType | None], ...] = tuple(_asked_for(kinds, options, uri))
    guessed: list[tuple[str, str]] = []
    if not documents:
        name = _guess(kinds, "document", {"text"})
        if name is None:
            raise InputError(
                f"{uri}: none of its columns has a usual name for a text; name one with --text-field or --html-field{_list(kinds)}"
            )
        documents = ((name, _MEDIA_TYPES[normal_name(name)]),)
        guessed.append(("HTML" if normal_name(name) in _HTML else "text", name))
    if url is None and (url := _guess(kinds, "url", {"text"})):
        guessed.append(("URL", url))
    if identity is None and (identity := _guess(kinds, "id", {"text", "number"})):
        guessed.append(("id", identity))
    return Columns(documents, url, identity, tuple(guessed))


def _asked_for(kinds: Mapping[str, Kind], options: ReadOptions, uri: str) -> Iterable[tuple[str, MediaType | None]]:
    """The columns that options name: with two, one of them may be missing, as in a folder of files of both kinds."""
    named: list[tuple[str, str, MediaType | None]] = []
    if options.html_field is not None:
        named.append((options.html_field, "--html-field", "text/html"))
    if options.text_field is not None:
        # A column called `content` may hold either, whichever option names it.
        named.append((options.text_field, "--text-field", _MEDIA_TYPES.get(normal_name(options.text_field), "text/plain")))
    there = [one for one in named if _find(kinds, one[0]) is not None]
    for field, option, media_type in there or named:
        name = _named(kinds, field, option, uri)
        if name is not None:
            yield name, media_type


def _find(kinds: Mapping[str, Kind], field: str) -> str | None:
    """The column of that very name, else the first whose name differs in case alone."""
    if field in kinds:
        return field
    return next((name for name in kinds if name.casefold() == field.casefold()), None)


def _named(kinds: Mapping[str, Kind], field: str | None, option: str, uri: str) -> str | None:
    if field is None:
        return None
    name = _find(kinds, field)
    if name is None:
        raise InputError(f"{uri}: has no column {field!r}; give {option} another{_list(kinds)}")
    if kinds[name] != "text" and not (option == "--id-field" and kinds[name] == "number"):
        raise InputError(f"{uri}: its column {name!r} does not hold text; give {option} another{_list(kinds)}")
    return name


def _guess(kinds: Mapping[str, Kind], role: str, allowed: set[Kind]) -> str | None:
    known: dict[str, str] = {}
    for name, kind in kinds.items():
        if kind in allowed:
            known.setdefault(normal_name(name), name)
    every = {normal_name(name) for name in kinds}
    return next((known[one] for one in PREFERENCE[role] if one in known and _ONLY_BESIDE.get(one, one) in every), None)


def _list(kinds: Mapping[str, Kind]) -> str:
    """The end of a message: which columns there are."""
    what = {"text": "", "number": " (a number)", "other": " (no text)"}
    return f". Its columns: {', '.join(f'{name}{what[kind]}' for name, kind in kinds.items()) or 'none'}"


def failed(place: Place, reason: str, detail: str = "", identity: str | None = None) -> Failed:
    """Return a row that cannot be read, with the id that its document would have had and the place before the detail."""
    source = Source(raw=b"", uri=place.uri, offset=place.offset, id=identity)
    return Failed(document_id(source), place.uri, reason, f"{place.where}: {detail}" if detail else place.where, offset=place.offset)


def fault_of(error: ReadError | OSError, place: Place) -> Failed:
    """Return what ends a file early as the record that would have come next: a packed stream's damage, storage that fails."""
    if isinstance(error, ReadError):
        return failed(place, error.reason, error.detail)
    return failed(place, "unreadable", error.strerror or type(error).__name__)


def read_row(row: Mapping[str, Any], columns: Columns, place: Place) -> Item:
    """Return a row's document, or what it is instead of one.

    Returns
    -------
    Document
        Also for an empty text, which is a document that the verdict rejects.
    Failed
        ``no-text-field`` where the row has none of the columns, ``not-text`` where the first that is not null holds another type.
    Passed
        ``null-text`` where all that the row has are null.
    """
    identity = _identity(row.get(columns.id)) if columns.id is not None else None
    there = [(name, media_type) for name, media_type in columns.documents if name in row]
    if not there:
        return failed(place, "no-text-field", " and ".join(f"no `{name}`" for name, _ in columns.documents), identity)
    for name, media_type in there:
        raw = row[name]
        if raw is None:
            continue
        if not isinstance(raw, str | bytes):
            return failed(place, "not-text", f"`{name}` holds {_TYPES.get(type(raw), type(raw).__name__)}", identity)
        url = row.get(columns.url) if columns.url is not None else None
        source = Source(
            raw=raw,
            uri=place.uri,
            media_type=media_type,
            url=clean_surrogates(url) if isinstance(url, str) and url.strip() else None,
            offset=place.offset,
            id=identity,
        )
        return Document(source, row, name, place.where)
    return Passed(place.uri, NULL_TEXT)


_TYPES = {bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}


def _identity(value: object) -> str | None:
    """An id as str; None, for the usual one, where the row has no usable id."""
    if isinstance(value, str):
        return clean_surrogates(value) or None
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
