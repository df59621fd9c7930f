"""What a page says of itself: JSON-LD first, then Open Graph and meta, then its own elements."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import lxml.html

from newsfilter.records import Metadata

_ARTICLE = re.compile(r"article|newsarticle|blogposting|report|posting|review", re.IGNORECASE)
_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2}))?(?:\.\d+)?\s*(Z|[+-]\d{2}:?\d{2})?)?")
_BREAKS = re.compile(r"[\x00-\x1f\x7f]+")
SEPARATORS = re.compile(r"\s+[|–—»·•:-]\s+|\s*[|｜：]\s*")
_WORD = re.compile(r"\w+")
# The rules ask for each block's form several times, and for what a site's pages share on every page; at most 32 MB, in fact some 2.
FORMS_KEPT, FORM_CHARACTERS = 8192, 1000
MAX_FIELD = 500  # characters; longer "authors" and "titles" are whole paragraphs in the wrong field


def page_metadata(root: lxml.html.HtmlElement, url: str | None = None, *, date_search: bool = False) -> Metadata:
    """Read title, byline, date, site and canonical address off a parsed page."""
    meta = _meta(root)
    linked = _article_json(root)
    site = _clean(_name(linked.get("publisher"))) or meta.get("og:site_name") or meta.get("application-name")
    title = (
        _clean(linked.get("headline"))
        or meta.get("og:title")
        or meta.get("twitter:title")
        or _first_heading(root)
        or _clean(" ".join(root.xpath("string(//head/title)").split()))
    )
    heading = _first_heading(root)
    published = next(
        (
            date
            for value in (
                linked.get("datePublished"), meta.get("article:published_time"), meta.get("datepublished"), meta.get("date"),
                meta.get("dc.date"), meta.get("publishdate"), meta.get("pubdate"), meta.get("og:published_time"), _time_element(root),
            )
            if (date := iso_date(value))
        ),
        None,
    )  # fmt: skip
    if published is None and date_search:
        from htmldate import find_date  # noqa: PLC0415 - slow, and only on request

        published = find_date(root, original_date=True, url=url)
    canonical = url or next(iter(root.xpath("//link[@rel='canonical']/@href")), None) or meta.get("og:url")
    return Metadata(
        title=bare_title(title, site, heading) if title else None,
        byline=_clean(_names(linked.get("author"))) or _author(meta),
        published=published,
        site=site or (host_of(canonical) if canonical else None),
        url=_clean(canonical),
        kind=str(linked.get("@type") or meta.get("og:type") or "").lower()[:60] or None,
    )


def host_of(url: str) -> str | None:
    """Return a URL's host without its leading ``www.``, so that a site's two names count as one; None where there is none to be read.

    >>> host_of("https://WWW.Kent-Haber.example/a"), host_of("http://[kent]/")
    ('kent-haber.example', None)
    """
    try:
        host = urlsplit(url).hostname
    except ValueError:  # a bracket where an IPv6 address would stand
        return None
    return host.removeprefix("www.") if host else None


def bare_title(title: str, site: str | None, heading: str | None) -> str:
    """Cut the site's name off a title: at a separator, when the rest is the page's heading or the cut part is the site.

    >>> bare_title("Köprü açıldı - Kent Haber", "Kent Haber", None)
    'Köprü açıldı'
    """
    if heading and heading != title and len(heading) >= 6 and normal_form(title).startswith(normal_form(heading)):
        return heading
    parts = SEPARATORS.split(title)
    if site and len(parts) > 1 and normal_form(parts[-1]) == normal_form(site):
        return title[: title.rindex(parts[-1])].rstrip(" |–—»·•-\t")
    return title


def normal_form(text: str) -> str:
    """Return the words alone, lower-cased the Turkish way, so that two spellings of one headline are equal.

    >>> normal_form("İSTANBUL'DA Sel!") == normal_form("istanbul'da sel")
    True
    """
    return _known_form(text) if len(text) <= FORM_CHARACTERS else _form(text)


def _form(text: str) -> str:
    return " ".join(_WORD.findall(text.replace("İ", "i").replace("I", "ı").lower().replace("ı", "i")))


_known_form = lru_cache(maxsize=FORMS_KEPT)(_form)


def iso_date(value: object) -> str | None:
    """Return the date, or date and time, that an ISO-like value begins with; None for anything else or for a day that is none.

    >>> iso_date("2024-06-19T11:29:00+03:00")
    '2024-06-19T11:29:00+03:00'
    >>> iso_date("0000-00-00") is None
    True
    """
    found = _ISO.search(value) if isinstance(value, str) else None
    if not found:
        return None
    try:
        return (
            datetime.fromisoformat(found.group().strip().replace(" ", "T", 1)) if found.group(4) else datetime.fromisoformat(found.group())
        ).isoformat()[: None if found.group(4) else 10]
    except ValueError:
        return None


def _clean(value: object) -> str | None:
    text = " ".join(_BREAKS.sub(" ", value).split()) if isinstance(value, str) else ""
    return text if 0 < len(text) <= MAX_FIELD else None


def _meta(root: lxml.html.HtmlElement) -> dict[str, str]:
    found: dict[str, str] = {}
    for element in root.iter("meta"):
        key = element.get("property") or element.get("name") or element.get("itemprop")
        value = _clean(element.get("content"))
        if key and value:
            found.setdefault(key.lower(), value)
    return found


def _author(meta: dict[str, str]) -> str | None:
    for key in ("author", "article:author", "byl", "dc.creator", "parsely-author", "articleauthor"):
        value = meta.get(key)
        if value and not value.startswith(("http:", "https:", "//")):
            return value
    return None


def _first_heading(root: lxml.html.HtmlElement) -> str | None:
    """The text of the only h1, or of the first one that names itself a title."""
    headings = [text for element in root.iter("h1") if (text := _clean(element.text_content()))]
    return headings[0] if len(headings) == 1 else None


def _time_element(root: lxml.html.HtmlElement) -> str | None:
    return next((element.get("datetime") for element in root.iter("time") if element.get("datetime")), None)


def _article_json(root: lxml.html.HtmlElement) -> dict[str, Any]:
    """The first article-like object of the page's JSON-LD, {} where there is none."""
    for script in root.iter("script"):
        if "ld+json" not in (script.get("type") or ""):
            continue
        try:
            data = json.loads(_BREAKS.sub(" ", script.text or "").strip().rstrip(";"))
        except (ValueError, RecursionError):
            continue  # hand-made JSON-LD is often broken; the page's other metadata stands in
        for item in _objects(data):
            kind = item.get("@type")
            if _ARTICLE.search(" ".join(map(str, kind)) if isinstance(kind, list) else str(kind)):
                return {**item, "@type": kind[0] if isinstance(kind, list) and kind else kind}
    return {}


def _objects(data: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    if depth > 4:
        return
    if isinstance(data, list):
        for item in data[:200]:
            yield from _objects(item, depth + 1)
    elif isinstance(data, dict):
        yield data
        for key in ("@graph", "mainEntity", "mainEntityOfPage"):
            if key in data:
                yield from _objects(data[key], depth + 1)


def _name(value: Any) -> str | None:
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        value = value.get("name")
    return value if isinstance(value, str) else None


def _names(value: Any) -> str | None:
    names = [name for item in (value if isinstance(value, list) else [value]) if (name := _name(item)) and not name.startswith("http")]
    return ", ".join(dict.fromkeys(names)) or None
