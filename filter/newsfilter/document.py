"""One document, end to end; and many, with the model asked once for all of them."""

import gc
import hashlib
import platform
import time
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import metadata as installed
from typing import Any

from newsfilter import __version__
from newsfilter.classifier import Model, Scored, decide
from newsfilter.dateline import read_author, read_date, read_dateline
from newsfilter.decode import decode, sniff_media_type
from newsfilter.errors import InputError
from newsfilter.evidence import find_evidence
from newsfilter.extract import extract
from newsfilter.model_file import load_model
from newsfilter.policy import conclude, keep_labels, language_of, verdict_row
from newsfilter.provenance import SCHEMA, digest
from newsfilter.records import Article, Decision, Decoding, Language, MediaType, Metadata, Page, Reason, Source, Verdict, document_id
from newsfilter.repair import apply, find_edits
from newsfilter.rules import dateline_lines, find_headline, repeated_headline
from newsfilter.segment import segment
from newsfilter.settings import Settings
from newsfilter.trim import trim
from newsfilter.verdict import judge, telling

BATCH_SIZE = 32  # documents whose blocks the model scores together; more gains nothing and holds more pages in memory
STAGES = ("decode", "extract", "segment", "score", "decide", "cut", "language", "assemble", "record")


@dataclass(slots=True)
class Draft:
    """A document on its way: what its blocks are held to be so far."""

    page: Page
    scored: Scored
    title: str | None
    decisions: list[Decision]


class Cleaner:
    """Settings and a model, ready to clean.

    Parameters
    ----------
    settings
        Defaults where not given.
    model
        The shipped one where not given.

    Attributes
    ----------
    seconds : dict of str to float
        CPU seconds of each stage since this cleaner was made.
    """

    def __init__(self, settings: Settings | None = None, model: Model | None = None) -> None:
        self.settings = settings or Settings()
        self.model = model or load_model()
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._made_by: dict[str, dict[str, str]] = {}  # the same in every record, worked out for the first

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        started = time.process_time()
        try:
            yield
        finally:
            self.seconds[stage] += time.process_time() - started

    def clean_batch(self, sources: Sequence[Source]) -> list[Article | Exception]:
        """Clean documents, asking the model once.

        Returns
        -------
        list
            One result a source, in order: an `Article` or, where a document failed, the exception that it failed with. No document affects
            another's result.
        """
        with collector_paused():
            return self._clean_batch(sources)

    def _clean_batch(self, sources: Sequence[Source]) -> list[Article | Exception]:
        read = [self._attempt(self._read, source) for source in sources]
        pages = [page for result in read if not isinstance(result, Exception) for page in (result[1],)]
        with self._timed("score"):
            scored = self.model.score(pages)
        drafts = [self._attempt(self._draft, *item) for item in zip(pages, scored, strict=True)]
        self._trim([draft for draft in drafts if not isinstance(draft, Exception)])
        waiting = iter(drafts)
        results: list[Article | Exception] = []
        for source, result in zip(sources, read, strict=True):
            last = result if isinstance(result, Exception) else next(waiting)
            results.append(last if isinstance(last, Exception) else self._attempt(self._finish, source, result[0], last))
        return results

    @staticmethod
    def _attempt(step: Any, *arguments: Any) -> Any:
        """Run one document's step. The one place that catches everything: a document's trouble is its own, and is handed on to be written down."""
        try:
            return step(*arguments)
        except Exception as error:  # noqa: BLE001 - see above
            return error

    def explain(self, source: Source) -> tuple[Page, Article]:
        """Clean one document, with evidence for every decision, and return its page too.

        Raises
        ------
        Exception
            Whatever the document fails with.
        """
        decoding, page = self._read(source)
        draft = self._draft(page, self.model.score([page])[0])
        self._trim([draft])
        return page, self._finish(source, decoding, draft, everything=True)

    def read(self, source: Source) -> Page:
        """Decode one document and cut it into blocks, no more."""
        return self._read(source)[1]

    def _read(self, source: Source) -> tuple[Decoding, Page]:
        if not isinstance(source.raw, bytes | str):
            raise InputError(f"a document is {type(source.raw).__name__}, not bytes or str; give its content, such as path.read_bytes()")
        limit = self.settings.max_bytes
        if limit and len(source.raw) > limit:
            return Decoding("", source.charset, "", "not-read"), Page("", (), html=False)
        with self._timed("decode"):
            decoding = decode(source.raw, charset=source.charset)
        if (source.media_type or sniff_media_type(decoding.text)) == "text/html":
            with self._timed("extract"):
                return decoding, extract(decoding.text, url=source.url, date_search=self.settings.date_search)
        with self._timed("segment"):
            return decoding, segment(decoding.text)

    def _draft(self, page: Page, scored: Scored) -> Draft:
        with self._timed("decide"):
            decisions = self._decide(page, scored)
            title = find_headline(page, decisions)
            return Draft(page, scored, title, repeated_headline(page, dateline_lines(page, decisions), title))

    def _trim(self, drafts: Sequence[Draft]) -> None:
        """Cut spam out of the blocks that stay, of all documents at once."""
        with self._timed("cut"):
            trimmed = trim(self.model, [(draft.scored, draft.decisions) for draft in drafts])
        for draft, decisions in zip(drafts, trimmed, strict=True):
            draft.decisions = decisions

    def _finish(self, source: Source, decoding: Decoding, draft: Draft, *, everything: bool = False) -> Article:
        if decoding.how == "not-read":
            return too_large(source, len(source.raw), self.settings, self.model)
        page, scored = draft.page, draft.scored
        with self._timed("decide"):
            decisions = keep_labels(draft.decisions, self.settings.keep)
            decisions = find_evidence(self.model, page, scored.view, decisions, everything=everything)
            about = _about(page, decisions, draft.title)
            if self.settings.repair:
                about = replace(about, title=mended(about.title), byline=mended(about.byline), site=mended(about.site))
        with self._timed("language"):
            language = language_of(page, decisions, self.settings)
        kinds = self.model.opinion(scored)
        verdict = judge(page, decisions, language, self.settings, kinds)
        with self._timed("assemble"):
            concluded = conclude(page, decisions, verdict, repair=self.settings.repair)
        with self._timed("record"):
            record = _record(source, decoding, about, language, verdict, html=page.html)
            record["kinds"] = [{"kind": kind, "probability": likely, "limit": limit} for kind, likely, limit in telling(kinds)]
            record["page"] = {"sha256": digest(page.text), "characters": len(page.text)}
            record |= concluded.as_record()
            self._made_by = self._made_by or _made_by(self.settings, self.model)
            record |= {key: dict(value) for key, value in self._made_by.items()}
        return Article(about.title, concluded.body, about.byline, about.published, about.site, language, verdict, tuple(decisions), record)

    def _decide(self, page: Page, scored: Scored) -> list[Decision]:
        labels = self.model.labels
        chosen = decide(self.model, page, scored.probabilities)
        return [
            Decision(block.start, block.end, number, label, dict(zip(labels, row, strict=True)), label == "body", "model")
            for number, (block, row, label) in enumerate(zip(page.blocks, scored.probabilities.tolist(), chosen, strict=True))
        ]


def clean(
    raw: bytes | str,
    *,
    media_type: MediaType | None = None,
    url: str | None = None,
    settings: Settings | None = None,
    model: Model | None = None,
) -> Article:
    r"""Clean one document.

    Parameters
    ----------
    raw
        An HTML page or a plain text, as bytes in any charset or as str.
    media_type
        ``"text/html"`` or ``"text/plain"``; told apart by content when not given.
    url
        Where the document came from.
    settings, model
        The defaults and the shipped model when not given.

    Returns
    -------
    Article
        Also for a document that is rejected: its verdict says so, and its body is "".

    Raises
    ------
    InputError
        When `raw` is neither bytes nor str.
    ModelError
        When the model cannot be loaded.

    Examples
    --------
    >>> article = clean(
    ...     "Yeni köprü açıldı\n\nİHA\n\nBelediye Başkanı, üç yılda tamamlanan köprünün bugün törenle trafiğe açıldığını söyledi.\n\nYorum yapın"
    ... )
    >>> article.body
    'Belediye Başkanı, üç yılda tamamlanan köprünün bugün törenle trafiğe açıldığını söyledi.'
    >>> article.byline
    'İHA'
    """
    result = next(iter(clean_many([Source(raw, media_type=media_type, url=url)], settings=settings, model=model)))
    if isinstance(result, Exception):
        raise result
    return result


def clean_many(
    documents: Iterable[bytes | str | Source], *, settings: Settings | None = None, model: Model | None = None, batch_size: int = BATCH_SIZE
) -> Iterator[Article | Exception]:
    """Clean any number of documents, lazily, in order, `batch_size` at a time.

    Yields
    ------
    Article or Exception
        One a document; an exception where the document failed, so that one bad document does not end the run.
    """
    cleaner = Cleaner(settings, model)
    batch: list[Source] = []
    for document in documents:
        batch.append(document if isinstance(document, Source) else Source(document))
        if len(batch) >= batch_size:
            yield from cleaner.clean_batch(batch)
            batch = []
    if batch:
        yield from cleaner.clean_batch(batch)


def too_large(source: Source, size: int, settings: Settings, model: Model) -> Article:
    """Return the article of a document that was not read because it has more than ``max_bytes`` bytes."""
    verdict = Verdict("reject", (Reason("too-large", size, settings.max_bytes),))
    language = Language("unknown", 0.0, "too-short")
    record = _record(source, Decoding("", source.charset, "", "not-read"), Metadata(), language, verdict)
    record["source"] |= {"sha256": None, "bytes": size, "media_type": source.media_type}
    record |= {"kinds": [], "page": {"sha256": digest(""), "characters": 0}, "body": {"sha256": digest(""), "characters": 0, "words": 0}}
    record |= {"blocks": [], "edits": [], "damage": [], **_made_by(settings, model)}
    return Article(None, "", None, None, None, language, verdict, (), record)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause Python's cycle collector, which else takes a tenth of the time: it goes through all blocks of a batch again and again.

    What cleaning makes holds no cycles and is freed at once; what a failed document leaves waits for the end of its batch.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def mended(text: str | None) -> str | None:
    """Repair a title or name as the body is repaired."""
    return None if text is None else apply(text, 0, find_edits(text))


def _about(page: Page, decisions: Sequence[Decision], title: str | None) -> Metadata:
    """What is known of the article: its page's metadata, filled up from its byline blocks."""
    published, byline = page.metadata.published, page.metadata.byline
    for decision in decisions:
        if published and byline:
            break
        if decision.label != "byline":
            continue
        text = " ".join((mended(page.text[decision.start : decision.end]) or "").split())
        line = read_dateline(text)
        found = line.published if line is not None else (date[0] if (date := read_date(text)) else None)
        published = published or found
        byline = byline or (line.byline if line is not None else read_author(text))
    return replace(page.metadata, title=title, published=published, byline=byline)


def _record(
    source: Source, decoding: Decoding, about: Metadata, language: Language, verdict: Verdict, *, html: bool = False
) -> dict[str, Any]:
    raw = source.raw.encode("utf-8", "surrogatepass") if isinstance(source.raw, str) else source.raw
    return {
        "schema": SCHEMA,
        "id": document_id(source),
        "source": {
            "uri": source.uri,
            "member": source.member,
            "offset": source.offset,
            "url": source.url or about.url,
            "sha256": hashlib.sha256(raw).hexdigest(),
            "bytes": len(raw),
            "media_type": source.media_type or ("text/html" if html else "text/plain"),
            "fetched_at": source.fetched_at,
            "charset": {"declared": decoding.declared, "used": decoding.used, "how": decoding.how, "replaced": decoding.replaced},
        },
        "title": about.title,
        "byline": about.byline,
        "published": about.published,
        "site": about.site,
        "language": {"code": language.code, "probability": language.probability, "by": language.by},
        "verdict": verdict_row(verdict),
    }


def _made_by(settings: Settings, model: Model) -> dict[str, dict[str, str]]:
    return {"model": {"name": model.name, "sha256": model.sha256}, "settings": {"sha256": settings.sha256()}, "software": dict(software())}


@lru_cache(maxsize=1)
def software() -> dict[str, str]:
    """Return the versions of all that decides what comes out."""
    from lxml import etree  # noqa: PLC0415 - its version needs the import, which the command line's --help does not wait for

    versions = {"newsfilter": __version__} | {name: installed.version(name) for name in ("trafilatura", "lxml")}
    versions["libxml2"] = ".".join(map(str, etree.LIBXML_VERSION))
    versions |= {name: installed.version(name) for name in ("scikit-learn", "numpy", "langdetect", "ftfy")}
    return {**versions, "unicode": unicodedata.unidata_version, "python": platform.python_version()}
