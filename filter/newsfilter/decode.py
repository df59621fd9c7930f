"""Bytes to text: one charset a document, and the branch that chose it.

Decoding comes before trafilatura sees a page, because the detector that trafilatura prefers reads windows-1254 as ISO-8859-9 and one stray byte as IBM865.
"""

import codecs
import re

import webencodings

from newsfilter.records import Decoding, MediaType

META_BYTES = 8192  # where a charset declaration is looked for; the standard says 1,024, real pages put scripts before it
SNIFF_CHARACTERS = 4096
NEARLY = 0.1  # malformed sequences for each well-formed one that still make a page UTF-8; the worst of the 3,065 development pages has .04
DETECT_BYTES = 20_000  # what the detector reads of the text: a page's first screens

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_META = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_:.\-]+)""", re.IGNORECASE)
_XML = re.compile(rb"""^\s*<\?xml[^>]{0,100}encoding\s*=\s*["']([A-Za-z0-9_:.\-]+)""")
_TAG = re.compile(
    r"<(?:!doctype|html|head|body|div|p|a|span|br|table|tr|td|ul|li|article|section|meta|title|script|h[1-6])\b[^>]*>", re.IGNORECASE
)
_TURKISH_ALONE, _TURKISH_ALL = (
    "ğışĞİŞ",
    "ğışĞİŞçöüÇÖÜâîûÂÎÛ",
)  # letters that windows-1254 has and windows-1252 has not; all of Turkish beyond ASCII
_TURKISH_SHARE = 0.9  # of the foreign letters; Icelandic, Czech and Lithuanian bytes read as windows-1254 have half and less
_LATIN = frozenset("cp1250 cp1252 cp1254 cp1257 cp1258 iso8859_2".split())
_TURKISH = re.compile(r"\b(?:ve|bir|bu|ile|için|olan|olarak|da|de)\b")

# What the standard means by these labels is wider than Python's codecs of the same names.
_WIDER = {"gbk": "gb18030", "big5": "big5hkscs", "shift_jis": "cp932", "euc-kr": "cp949", "iso-8859-8-i": "iso8859_8"}

# Encodings the detector may answer, most common among news sites first; all are in the WHATWG standard.
_DETECTABLE = "cp1254 cp1251 cp1252 cp1250 cp1253 cp1256 cp1255 cp1257 cp1258 koi8_r gb18030 big5 shift_jis euc_jp euc_kr iso8859_2".split()


def sniff_media_type(text: str) -> MediaType:
    """Tell HTML from plain text by what the document begins with.

    Plain text that quotes a tag or two stays plain text: it takes a document's opening, or three tags in the first 4,096 characters.
    """
    head = text[:SNIFF_CHARACTERS]
    opening = head.lstrip("\ufeff \t\r\n")[:200].lower()
    if opening.startswith(("<!doctype html", "<html", "<head", "<body", "<?xml")):
        return "text/html"
    tags = len(_TAG.findall(head))
    return "text/html" if tags >= 3 or (tags and opening.startswith("<")) else "text/plain"


def clean_surrogates(text: str) -> str:
    r"""Replace lone surrogates, which no UTF-8 file can hold, by U+FFFD.

    >>> clean_surrogates("a\ud800b") == "a\ufffdb"
    True
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def decode(raw: bytes | str, *, charset: str | None = None) -> Decoding:
    """Decode one document.

    Parameters
    ----------
    raw
        The document. A str passes through, its lone surrogates replaced.
    charset
        What an HTTP header or another outside source declared.

    Returns
    -------
    Decoding
        ``how`` is one of ``str``, ``bom``, ``utf-16-pattern``, ``utf-8``, ``nearly-utf-8``, ``header``, ``meta``, ``declared-1252``
        (declared windows-1252, written in windows-1254, as old Turkish sites do), ``detector``, ``fallback``.
    """
    if isinstance(raw, str):
        text = clean_surrogates(raw)
        return Decoding(text, charset, "utf-8", "str", text.count("\ufffd") - raw.count("\ufffd"))
    for bom, name in _BOMS:
        if raw.startswith(bom):
            return _finish(raw[len(bom) :], charset, name, "bom")
    if pattern := _utf16_pattern(raw[:2048]):
        return _finish(raw, charset, pattern, "utf-16-pattern")
    meta = _meta_charset(raw)
    declared = charset or meta
    if not (declared and b"\x1b" in raw and declared.lower().startswith("iso-2022")):
        try:
            return Decoding(raw.decode("utf-8"), declared, "utf-8", "utf-8")
        except UnicodeDecodeError:
            pass
        text = raw.decode("utf-8", "replace")
        bad = text.count("\ufffd")
        good = sum(1 for byte in raw if byte >= 0xC2) - bad
        if good > 0 and bad <= NEARLY * good:
            return Decoding(text, declared, "utf-8", "nearly-utf-8", bad)
    for label, how in ((charset, "header"), (meta, "meta")):
        if label and (decoded := _declared(raw, label, declared, how)):
            return decoded
    return _detected(raw, declared)


def codec_of(text: str, raw: bytes, used: str) -> str | None:
    """Return the Python codec that gives a decoded document's bytes back, each of them; None where there is none, as for a document with damage.

    Parameters
    ----------
    text
        The decoded document.
    raw
        What it was decoded from, without its byte order mark.
    used
        The charset that `decode` used, as `Decoding` has it.
    """
    encoding = webencodings.lookup(used)
    names = (used,) if encoding is None else (encoding.codec_info.name, _WIDER.get(encoding.name, encoding.codec_info.name))
    for codec in dict.fromkeys(names):
        try:
            if text.encode(codec) == raw:
                return codec
        except UnicodeEncodeError:
            continue
    return None


def bom_of(raw: bytes) -> bytes:
    """Return the byte order mark that a document begins with; b"" for none."""
    return next((bom for bom, _ in _BOMS if raw.startswith(bom)), b"")


def _finish(raw: bytes, declared: str | None, name: str, how: str) -> Decoding:
    text = clean_surrogates(raw.decode(name, "replace"))
    return Decoding(text, declared, name, how, text.count("\ufffd"))


def _utf16_pattern(head: bytes) -> str | None:
    """UTF-16 without a mark shows as NULs on one side of each pair; text in Latin letters only, which is what markup is."""
    half = len(head) // 2
    if half < 8:
        return None
    even, odd = head[: 2 * half : 2].count(0), head[1 : 2 * half : 2].count(0)
    if odd > 0.4 * half and even < 0.05 * half:
        return "utf-16-le"
    return "utf-16-be" if even > 0.4 * half and odd < 0.05 * half else None


def _meta_charset(raw: bytes) -> str | None:
    found = _META.search(raw[:META_BYTES]) or _XML.match(raw[:META_BYTES])
    return found.group(1).decode("ascii") if found else None


def _declared(raw: bytes, label: str, declared: str | None, how: str) -> Decoding | None:
    """Believe a declaration unless the bytes speak against it."""
    encoding = webencodings.lookup(label)
    if encoding is None or encoding.name in ("utf-16le", "utf-16be", "x-user-defined", "replacement"):
        return None
    codec = _WIDER.get(encoding.name, encoding.codec_info.name)
    text = raw.decode(codec, "replace")
    replaced = text.count("\ufffd")
    foreign = sum(1 for byte in raw if byte >= 0x80)
    if encoding.name == "utf-8":
        # Declared UTF-8 with hardly a foreign byte: one stray byte is damage. With many, none of them UTF-8, the declaration is wrong.
        return Decoding(text, declared, "utf-8", how, replaced) if replaced <= 3 else None
    if replaced > 0.02 * foreign + 1:
        return None
    if encoding.name == "windows-1252" and (sum(map(text.count, "ýþðÝÞÐ")) >= 3) and len(_TURKISH.findall(text[:20_000])) >= 3:
        return Decoding(raw.decode("cp1254", "replace"), declared, "windows-1254", "declared-1252", replaced)
    return Decoding(text, declared, encoding.name, how, replaced)


def _detected(raw: bytes, declared: str | None) -> Decoding:
    from charset_normalizer import from_bytes  # noqa: PLC0415 - rare, and slow to import

    sample = re.sub(rb"<script.*?</script>|<style.*?</style>|<[^>]*>|\s+", b" ", raw[: 20 * DETECT_BYTES], flags=re.IGNORECASE | re.DOTALL)[
        :DETECT_BYTES
    ]
    best = from_bytes(sample, cp_isolation=_DETECTABLE, preemptive_behaviour=False).best()
    name, how = (best.encoding, "detector") if best is not None else ("cp1252", "fallback")
    text = raw.decode(name, "replace")
    if name in ("cp1251", "koi8_r"):
        # The two hold each other's letters in the other case; text is mostly small letters.
        name = max(("cp1251", "koi8_r"), key=lambda codec: sum(map(str.islower, sample.decode(codec, "replace"))))
        text = raw.decode(name, "replace")
    if name in _LATIN and _is_turkish(sample.decode("cp1254", "replace")):
        name, text = "cp1254", raw.decode("cp1254", "replace")  # the detector takes one short Turkish text in four for Baltic or Czech
    elif name in ("cp1250", "cp1254", "iso8859_2") and raw.decode("cp1252", "replace") == text:
        name = "cp1252"  # nothing tells them apart here; say the commoner one
    known = webencodings.lookup(codecs.lookup(name).name.replace("cp125", "windows-125").replace("_", "-"))
    return Decoding(text, declared, known.name if known else name, how, text.count("\ufffd"))


def _is_turkish(text: str) -> bool:
    """Whether the foreign letters of a text are those of Turkish, and some of them of no other language that is written in windows-125x."""
    foreign = [character for character in text if character > "\x7f" and character.isalpha()]
    return sum(map(_TURKISH_ALONE.count, foreign)) >= 3 and sum(map(_TURKISH_ALL.count, foreign)) >= _TURKISH_SHARE * len(foreign)
