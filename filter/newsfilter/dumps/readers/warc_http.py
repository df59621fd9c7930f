"""What an HTTP response in a WARC holds: its body as it was before it was sent, its charset, and what kind of thing it is."""

import io
import re
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import BinaryIO, NamedTuple

from fastwarc.stream_io import BrotliReader, ZstdReader

from newsfilter.records import MediaType

READ_BYTES = 1 << 16  # of an unpacked body at once
BOMB_RATIO, BOMB_BYTES = (
    200,
    1_000_000,
)  # as in archives: what unpacks to more than both is no page; those pack some 10 : 1, and none 30 : 1
CODINGS = 5  # one upon the other; servers use two at most
MEMBERS = 100  # gzip members of one body; servers that write a body in parts make some
SNIFF_BYTES = 512  # in which compressed data show control characters, and text does not
LINE_BYTES = 20  # the longest line that may be meant as the size of a chunk

_CHUNK = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\n]{0,1000})?\r?\n")
_CUT_CHUNK = re.compile(rb"[ \t]*[0-9A-Fa-f]*[ \t]*\r?\Z")  # a size of which the end is missing
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")  # not Escape, with which ISO-2022-JP changes its character set
_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([A-Za-z0-9_.:+\-]+)""", re.IGNORECASE)
_UNCODED = frozenset({"identity", "none", "utf-8", "utf8", "8bit", "binary"})  # what servers write that encode nothing

_HTML = frozenset({"text/html", "application/xhtml+xml", "application/vnd.wap.xhtml+xml", "text/x-server-parsed-html"})
_PLAIN = frozenset({"text/plain", "text/markdown", "text/x-markdown"})
_UNUSABLE = frozenset(
    "application/octet-stream binary/octet-stream application/unknown application/x-unknown application/x-unknown-content-type "
    "unknown/unknown content/unknown */* text/*".split()
)
_FAMILIES = {"image": "image", "audio": "audio", "video": "video", "font": "font"}
_KINDS: tuple[tuple[str, str], ...] = (  # a part of the media type -> kind, first hit
    ("svg", "image"),
    ("officedocument", "office"),
    ("opendocument", "office"),
    ("json", "json"),
    ("xml", "xml"),
    ("javascript", "web-asset"),
    ("ecmascript", "web-asset"),
    ("css", "web-asset"),
    ("pdf", "pdf"),
    ("postscript", "pdf"),
    ("msword", "office"),
    ("vnd.ms-", "office"),
    ("rtf", "office"),
    ("font", "font"),
    ("zip", "archive"),
    ("x-tar", "archive"),
    ("x-7z", "archive"),
    ("rar", "archive"),
)


class UnreadableRecordError(Exception):
    """A record of which the headers or the body cannot be made out.

    Attributes
    ----------
    reason : str
        A key of ``reading.FAILURES``.
    detail : str
        What exactly.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


class Content(NamedTuple):
    """What a Content-Type says."""

    media_type: MediaType | None  # None: nothing usable
    charset: str | None
    kind: str | None  # of what is no document, as it is counted


def content_of(header: str | None) -> Content:
    """Read a Content-Type.

    >>> content_of("Text/HTML; charset='windows-1254'")
    Content(media_type='text/html', charset='windows-1254', kind=None)
    >>> content_of("image/webp").kind, content_of("application/octet-stream").kind
    ('image', None)
    """
    media = re.split("[;,]", header or "")[0].strip().lower()
    declared = _CHARSET.search(header or "")
    charset = declared[1] if declared else None
    if media in _HTML or media in _PLAIN:
        return Content("text/html" if media in _HTML else "text/plain", charset, None)
    family, slash, _ = media.partition("/")
    if not slash or media in _UNUSABLE:
        return Content(None, charset, None)
    return Content(None, charset, _FAMILIES.get(family) or next((kind for part, kind in _KINDS if part in media), "other-media-type"))


def codings_of(headers: Mapping[str, str]) -> list[str]:
    """Return the codings that a body went through, in the order in which they were put on it.

    Parameters
    ----------
    headers
        By lower-case name; values of one name joined by commas.
    """
    names = ",".join(headers.get(name, "") for name in ("content-encoding", "transfer-encoding")).lower().split(",")
    return [name for name in map(str.strip, names) if name and name not in _UNCODED]


def restored(body: bytes, codings: list[str], limit: int, *, partial: bool) -> bytes:
    """Undo a body's codings, the last first.

    A crawler may store the body restored and leave the headers as they were. So data that cannot be what a coding makes, and look like text, stand.

    Parameters
    ----------
    limit
        Bytes after which unpacking stops; 0 for none but that of a bomb.
    partial
        Whether the crawler says that it cut the body; then what there is is taken.

    Raises
    ------
    UnreadableRecordError
        ``damaged-body``, ``truncated-body``, ``unsupported-encoding`` or ``zip-bomb``.
    """
    if len(codings) > CODINGS:
        raise UnreadableRecordError("unsupported-encoding", f"{len(codings)} codings, one upon the other")
    for coding in reversed(codings if body else []):
        undo = _UNDO.get(coding)
        if undo is None:
            raise UnreadableRecordError("unsupported-encoding", coding[:40])
        packed, bomb = len(body), max(BOMB_RATIO * len(body), BOMB_BYTES) + 1
        body, whole = undo(body, min(limit or bomb, bomb))
        if len(body) >= bomb:
            raise UnreadableRecordError("zip-bomb", f"{packed} bytes of {coding} data unpack to {bomb} and more")
        if not (whole or partial):
            raise UnreadableRecordError("truncated-body", f"the {coding} data end too early")
    return body


def _unchunked(body: bytes, limit: int) -> tuple[bytes, bool]:  # noqa: ARG001 - never larger than it came
    parts: list[bytes] = []
    place = 0
    while place < len(body):
        line = _CHUNK.match(body, place)
        if line is None:
            first = body[: LINE_BYTES + 1].lstrip()
            if not place and (first.startswith(b"<") or b"\n" not in first):
                return body, True
            if len(body) - place <= LINE_BYTES and _CUT_CHUNK.match(body, place):
                break
            raise UnreadableRecordError("damaged-body", f"no chunk begins at byte {place} of the body")
        size, place = int(line[1], 16), line.end()
        if not size:
            return b"".join(parts), True
        parts.append(body[place : place + size])
        place += size
        end = body[place : place + 2]
        if end[:1] == b"\n":
            place += 1
        elif end in (b"\r\n", b"\r", b""):
            place += 2
        else:
            raise UnreadableRecordError("damaged-body", f"the chunk before byte {place} of the body has another size than it says")
    return b"".join(parts), False


def _gunzipped(body: bytes, limit: int) -> tuple[bytes, bool]:
    """All members: servers that write a body in parts make one for each."""
    if not body.startswith(b"\x1f\x8b"):
        return _as_it_stands(body, "gzip"), True
    parts, room = list[bytes](), limit
    while room and len(parts) < MEMBERS and body.startswith(b"\x1f\x8b"):
        member = zlib.decompressobj(zlib.MAX_WBITS + 16)
        try:
            parts.append(member.decompress(body, room))
        except zlib.error as error:
            raise UnreadableRecordError("damaged-body", f"gzip: {error}") from None
        room -= len(parts[-1])
        if room and not member.eof:
            return b"".join(parts), False
        body = member.unused_data
    return b"".join(parts), len(parts) < MEMBERS


def _inflated(body: bytes, limit: int) -> tuple[bytes, bool]:
    """With zlib's frame, as the standard has it, or bare, as some servers send it."""
    for window in (zlib.MAX_WBITS, -zlib.MAX_WBITS):
        unpacker = zlib.decompressobj(window)
        with suppress(zlib.error):
            data = unpacker.decompress(body, limit)
            if unpacker.eof or len(data) == limit:
                return data, True
            if _CONTROL.search(body, 0, SNIFF_BYTES):
                return data, False
    return _as_it_stands(body, "deflate"), True


def _streamed(body: bytes, limit: int, coding: str, open_reader: Callable[[BinaryIO], BrotliReader | ZstdReader]) -> tuple[bytes, bool]:
    reader, out = open_reader(io.BytesIO(body)), bytearray()
    try:
        while len(out) < limit and (piece := reader.read(READ_BYTES)):
            out += piece
    except OSError:
        return (bytes(out), False) if out else (_as_it_stands(body, coding), True)
    return bytes(out), True


def _as_it_stands(body: bytes, coding: str) -> bytes:
    if _CONTROL.search(body, 0, SNIFF_BYTES):
        raise UnreadableRecordError("damaged-body", f"no sound {coding} data")
    return body


_UNDO: Mapping[str, Callable[[bytes, int], tuple[bytes, bool]]] = {
    "chunked": _unchunked,
    "gzip": _gunzipped,
    "x-gzip": _gunzipped,
    "deflate": _inflated,
    "br": lambda body, limit: _streamed(body, limit, "br", BrotliReader),
    "zstd": lambda body, limit: _streamed(body, limit, "zstd", ZstdReader),
}
