"""Makes fixtures/dumps out of documents of fixtures/dump: ``python tests/make_dumps.py``. The same bytes each time, with the same libraries."""

import csv
import datetime as dt
import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from containers import gz, jsonl, parquet, response, warc_record

FIXTURES = Path(__file__).parents[1] / "fixtures"
PAGES = {
    "https://korudag-haber.example/lavanta-kooperatifi": "yerel/lavanta-kooperatifi.html",
    "https://korudag-haber.example/su-tarifesi-73192": "yerel/haber-73192-su-tarifesi.html",
    "https://heideblatt.example/moor": "world/de-moor.html",
    "https://valle.example/trashumancia": "world/es-trashumancia.html",
}
TEXTS = ("en-harbour-cranes", "en-pill-trial", "fr-ecole-bateau", "de-bahn-nebenstrecke")  # of the JSONL
NEWS = ("001_tahil-koridoru", "002_findik-fiyati", "003_feribot-hediyesi")  # of the Parquet
CELLS = ("014_kose-yazisi", "015_orman-yangini", "016_muze-hirsizligi")  # of the CSV


def warc() -> bytes:
    """A crawl as crawlers write it: a gzip member for each record, and not only pages."""
    return b"".join(map(gz, _records()))


def _records() -> Iterator[bytes]:
    yield warc_record(b"software: newsfilter fixtures\r\n", kind="warcinfo", url="urn:fixtures")
    for url, name in PAGES.items():
        yield warc_record(b"GET / HTTP/1.1\r\n\r\n", kind="request", url=url)
        yield response((FIXTURES / "dump" / name).read_bytes(), b"Content-Type: text/html\r\n", url=url)
    yield response(b"not here", b"Content-Type: text/html\r\n", b"404 Not Found", url="https://heideblatt.example/alt")
    yield response(b"\x89PNG\r\n\x1a\n\0", b"Content-Type: image/png\r\n", url="https://heideblatt.example/logo.png")


def text(folder: str, name: str) -> str:
    return (FIXTURES / "dump" / folder / f"{name}.txt").read_text(encoding="utf-8")


def rows() -> bytes:
    """Texts that somebody extracted, with an id, an address, and numbers that mean nothing to newsfilter."""
    return jsonl(
        [
            {
                "id": name,
                "url": f"https://{name[:2]}.example/{name[3:]}",
                "text": text("text", name),
                "score": number + 0.5,
                "tags": ["news"],
            }
            for number, name in enumerate(TEXTS)
        ]
    )


def news() -> bytes:
    """A table with a date and a null."""
    days = [dt.date(2024, 3, 1), None, dt.date(2024, 3, 3)]
    return parquet(
        pa.table({"content": [text("metin", name) for name in NEWS], "day": pa.array(days, pa.date32()), "desk": ["kent", "tarım", None]})
    )


def cells() -> bytes:
    """A spreadsheet's export: semicolons, a byte order mark, carriage returns."""
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=";").writerows([("no", "metin"), *((name[:3], text("metin", name)) for name in CELLS)])
    return b"\xef\xbb\xbf" + stream.getvalue().encode()


DUMPS = {"crawl.warc.gz": warc, "articles.jsonl": rows, "news.parquet": news, "haber.csv": cells}
"""The files of fixtures/dumps, and what makes each."""

if __name__ == "__main__":
    for name, make in DUMPS.items():
        (FIXTURES / "dumps").mkdir(exist_ok=True)
        (FIXTURES / "dumps" / name).write_bytes(make())
