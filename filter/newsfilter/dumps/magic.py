"""What is no document, told by its first bytes; the name only helps."""

import re

HEAD_BYTES = 4096  # enough for a tar's mark (257) and for the first names inside an office file's zip

SKIPPED = {
    "image": "JPEG, PNG, GIF, WebP, AVIF, TIFF, BMP, icons, SVG",
    "pdf": "PDF and PostScript",
    "office": "word processor files, spreadsheets, presentations",
    "archive": "zip, tar, 7z, rar, bzip2, xz, zstd, and gzip inside gzip",
    "audio": "MP3, Ogg, FLAC, WAV",
    "video": "MP4, Matroska, AVI, MPEG, Flash video",
    "font": "TrueType, OpenType, WOFF",
    "executable": "programs and byte code",
    "database": "SQLite",
    "web-asset": "style sheets and scripts, by extension, unless they hold a page",
    "housekeeping": "what operating systems, archives and version control leave: .DS_Store, Thumbs.db, __MACOSX, .git",
    "directory": "a folder in an archive",
    "symlink": "a link that leads to a folder, out of its SRC, or nowhere",
    "special": "a pipe, socket or device",
    "repeated": "a path that an earlier SRC led to already",
}
"""Every kind of thing that is no document, as ``run.json`` counts them; the last three are told by the listing."""

_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "image"),
    (b"\x89PNG\r\n\x1a\n", "image"),
    (b"GIF87a", "image"),
    (b"GIF89a", "image"),
    (b"II*\x00", "image"),
    (b"MM\x00*", "image"),
    (b"8BPS", "image"),
    (b"\x00\x00\x00\x0cjP  ", "image"),
    (b"\x00\x00\x00\x0cJXL ", "image"),
    (b"%!PS-Adobe", "pdf"),
    (b"{\\rtf", "office"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "office"),
    (b"\x1f\x8b\x08", "archive"),  # inside a gzip that was already opened
    (b"\xfd7zXZ\x00", "archive"),
    (b"(\xb5/\xfd", "archive"),
    (b"\x04\x22\x4d\x18", "archive"),
    (b"7z\xbc\xaf'\x1c", "archive"),
    (b"Rar!\x1a\x07", "archive"),
    (b"PK\x05\x06", "archive"),
    (b"!<arch>\n", "archive"),
    (b"OggS\x00", "audio"),
    (b"fLaC\x00", "audio"),
    (b"\x1aE\xdf\xa3", "video"),
    (b"\x00\x00\x01\xba", "video"),
    (b"FLV\x01", "video"),
    (b"wOFF", "font"),
    (b"wOF2", "font"),
    (b"OTTO\x00", "font"),
    (b"\x00\x01\x00\x00\x00", "font"),
    (b"\x7fELF", "executable"),
    (b"\x00asm", "executable"),
    (b"\xca\xfe\xba\xbe", "executable"),
    (b"\xcf\xfa\xed\xfe", "executable"),
    (b"\xce\xfa\xed\xfe", "executable"),
    (b"SQLite format 3\x00", "database"),
    (b"\x00\x05\x16\x07", "housekeeping"),  # AppleDouble, as macOS leaves beside each file
    (b"\x00\x00\x00\x01Bud1", "housekeeping"),  # .DS_Store
)
_SVG = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*(?:<!DOCTYPE\s+svg[^>]*>\s*)?<svg[\s>]", re.IGNORECASE | re.DOTALL)
_MARKUP = re.compile(rb"\s*<(?:!doctype|html|head|body|\?xml)", re.IGNORECASE)
_ASSETS = frozenset({"css", "js", "mjs", "map"})  # what a mirroring scraper fetches beside its pages; no magic bytes of their own
_HOUSEKEEPING = frozenset({".ds_store", "thumbs.db", "desktop.ini", ".directory"})


def kind_of(head: bytes, name: str) -> str | None:
    """Say what a file is when it is no document, from its first `HEAD_BYTES` bytes.

    A letter or two are not believed alone: Turkish articles begin with "BM" (the United Nations), and so do bitmaps; South African ones with "MZ".

    >>> kind_of(b"GIF89a", "haber.html")
    'image'
    >>> kind_of("BM Genel Sekreteri".encode(), "haber.bmp") is None
    True

    Returns
    -------
    str or None
        ``image``, ``pdf``, ``office``, ``archive``, ``audio``, ``video``, ``font``, ``executable``, ``database``, ``web-asset`` (style sheets
        and scripts), ``housekeeping``; None for everything that may be a document.
    """
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if head.startswith(b"PK\x03\x04"):
        return (
            "office"
            if any(mark in head for mark in (b"[Content_Types].xml", b"application/vnd.", b"word/", b"xl/", b"ppt/"))
            else "archive"
        )
    if re.match(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)", head) or head[257:262] == b"ustar":
        return "archive"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n\x00").startswith(b"%PDF-"):
        return "pdf"
    if (head.startswith(b"BM") and head[6:10] == b"\0\0\0\0") or re.match(rb"\0\0[\1\2]\0[^\0]\0", head) or _SVG.match(head):
        return "image"
    return _media_kind(head) or (_named_kind(head, name.lower()))


def _media_kind(head: bytes) -> str | None:
    if head.startswith(b"RIFF"):
        return {b"WEBP": "image", b"WAVE": "audio", b"AVI ": "video"}.get(head[8:12])
    if head[4:8] == b"ftyp" and head.startswith(b"\0\0"):
        return {b"avif": "image", b"heic": "image", b"mif1": "image", b"M4A ": "audio"}.get(head[8:12], "video")
    if head.startswith(b"MZ") and b"\0" in head[:64]:
        return "executable"
    if head.startswith(b"ID3") and len(head) > 3 and head[3] < 0x10:
        return "audio"
    # MPEG audio without a tag: the frame sync, and not the byte order mark of UTF-16
    if len(head) > 3 and head[0] == 0xFF and head[1] in (0xFB, 0xFA, 0xF3, 0xF2) and head[2] >> 4 not in (0, 15):
        return "audio"
    return None


def _named_kind(head: bytes, name: str) -> str | None:
    base = name.rsplit("/", 1)[-1]
    if base in _HOUSEKEEPING:
        return "housekeeping"
    # A page that was saved under a script's name is a page: content goes before the extension.
    return "web-asset" if base.rpartition(".")[2] in _ASSETS and not _MARKUP.match(head) else None
