"""Dumps to measure with: WARC files made of pages, and JSONL files made of 4 KB of their text."""

import gzip
import json
import random
import uuid
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path

from newsfilter.decode import decode
from newsfilter.training.corpus import PAGE_SETS, page_rows
from newsfilter.training.scoring import visible_text

TEXT_BYTES = 4_000
FURNITURE_LINES = 10  # kept above a text's first long line
LONG_LINE = 20  # words
COMPRESSION = 6  # zlib's default, with which most WARC files are packed
DATE = "2024-05-03T10:00:00Z"

Page = tuple[str, bytes]  # address, and the page as it was sent


def read_pages(folder: Path) -> list[Page]:
    """The pages of a DATA folder as docs/benchmarks.md describes, or of any folder of HTML files, in an order that mixes sites and sizes.

    Raises
    ------
    SystemExit
        When there are none.
    """
    if (folder / "pages").is_dir():
        found = [
            (row.get("url") or f"https://{name}.example/{row['id']}", raw) for name in PAGE_SETS for raw, row in page_rows(folder, name)
        ]
    else:
        paths = sorted(folder.rglob("*.html"))
        found = [(f"https://pages.example/{path.relative_to(folder).as_posix()}", path.read_bytes()) for path in paths]
    if not found:
        raise SystemExit(f"{folder}: no pages; give a folder of .html files, or a DATA folder")
    random.Random(0).shuffle(found)
    return found


def repeated(pages: Sequence[Page]) -> Iterator[Page]:
    """The pages over and over, each time under another address, without end."""
    for turn in count():
        for url, raw in pages:
            yield (f"{url}{'&' if '?' in url else '?'}copy={turn}" if turn else url), raw


def warc_record(url: str, raw: bytes) -> bytes:
    """A response record, packed as a gzip member of its own."""
    http = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(raw)}\r\n\r\n".encode() + raw
    head = [
        "WARC/1.0",
        "WARC-Type: response",
        f"WARC-Record-ID: <urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, url)}>",
        f"WARC-Date: {DATE}",
        f"WARC-Target-URI: {url}",
        "WARC-Identified-Payload-Type: text/html",  # as Common Crawl says; without it DataTrove guesses
        "Content-Type: application/http; msgtype=response",
        f"Content-Length: {len(http)}",
    ]
    return gzip.compress("\r\n".join(head).encode() + b"\r\n\r\n" + http + b"\r\n\r\n", COMPRESSION, mtime=0)


def write_warcs(pages: Sequence[Page], records: int, each: int, folder: Path) -> list[Path]:
    """Write `records` records into files of `each`, and return the files."""
    folder.mkdir(parents=True)
    left = repeated(pages)
    paths = [folder / f"crawl-{number:05d}.warc.gz" for number in range(-(-records // each))]
    for number, path in enumerate(paths):
        part = islice(left, min(each, records - number * each))
        path.write_bytes(b"".join(warc_record(url, raw) for url, raw in part))
    return paths


def text_of(raw: bytes) -> str | None:
    """4 KB of a page's visible text, from some lines above its first long one: as a scrape leaves an article, with furniture around it.

    None for a page with less.
    """
    lines = [line for line in visible_text(decode(raw).text).splitlines() if line.strip()]
    first = next((number for number, line in enumerate(lines) if len(line.split()) >= LONG_LINE), len(lines))
    text = "\n\n".join(lines[max(0, first - FURNITURE_LINES) :]).encode("utf-8", "replace")
    return text[:TEXT_BYTES].decode("utf-8", "ignore") if len(text) >= TEXT_BYTES else None


def read_texts(pages: Sequence[Page]) -> list[Page]:
    """The texts of those pages that have enough of it.

    Raises
    ------
    SystemExit
        When none has.
    """
    found = [(url, text.encode()) for url, raw in pages if (text := text_of(raw)) is not None]
    if not found:
        raise SystemExit(f"no page has {TEXT_BYTES:,} bytes of text")
    return found


def read_articles(folder: Path) -> list[Page]:
    """4 KB of each article of a DATA folder that has so much, title and furniture left out; none of another folder."""
    if not (folder / "pages").is_dir():
        return []
    texts = [
        (row.get("url") or f"https://{name}.example/{row['id']}", (row.get("text") or "").encode("utf-8", "replace"))
        for name in PAGE_SETS
        for _, row in page_rows(folder, name)
    ]
    found = [(url, text[:TEXT_BYTES].decode("utf-8", "ignore").encode()) for url, text in texts if len(text) >= TEXT_BYTES]
    random.Random(0).shuffle(found)
    return found


def write_texts(texts: Sequence[Page], records: int, path: Path) -> None:
    """Write a JSONL file of `records` texts."""
    with path.open("w", encoding="utf-8") as lines:
        for url, text in islice(repeated(texts), records):
            lines.write(json.dumps({"url": url, "text": text.decode()}, ensure_ascii=False) + "\n")
