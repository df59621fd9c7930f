"""The ledger: one line a document, in source order, from which a run can be accounted for."""

import fcntl
import hashlib
import os
import re
from pathlib import Path
from typing import Any

from newsfilter.dumps.documents import Failed
from newsfilter.dumps.sources import Entry
from newsfilter.dumps.writing import STATUSES, stopped_by
from newsfilter.errors import OutputError
from newsfilter.provenance import encode_record
from newsfilter.records import LABELS, Article, Source, document_id

NAME = "ledger.jsonl"
DETAIL_CHARACTERS = 200  # of an error's message
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{4,}")  # of an object in memory: another in each run

Line = dict[str, Any]


def entry_id(entry: Entry) -> str:
    """Return the id that the entry's record has, for documents that never get one."""
    return document_id(Source(raw=b"", uri=entry.uri, id=entry.id))


def article_line(article: Article, source: Source, record: bytes | None = None) -> Line:
    """Return the ledger line of a cleaned document, its ``output`` still None. `record` is the article's, if it is encoded already.

    Of a rejected document nothing is kept: all its characters count as removed, its body's too.
    """
    rejected = article.verdict.decision == "reject"
    removed: dict[str, int] = {}
    for decision in article.decisions:
        if rejected or not decision.kept:
            removed[decision.label] = removed.get(decision.label, 0) + decision.end - decision.start
    order = (*(label for label in LABELS if label in removed), *sorted(removed.keys() - set(LABELS)))
    reasons = article.verdict.reasons
    return {
        "id": article.record["id"],
        "uri": source.uri,
        "member": source.member,
        "offset": source.offset,
        "status": STATUSES[article.verdict.decision],
        "reason": reasons[0].code if reasons else None,
        "reasons": [{"code": reason.code, "value": reason.value, "limit": reason.limit} for reason in reasons],
        "output": None,
        "body_sha256": None if rejected else article.record["body"]["sha256"],
        "record_sha256": hashlib.sha256(encode_record(article.record) if record is None else record).hexdigest(),
        "characters": 0 if rejected else article.record["body"]["characters"],
        "labels": {label: removed[label] for label in order},
        "words": 0 if rejected else article.record["body"]["words"],
        "language": article.language.code,
        "site": _site(article),
        "title": article.title,
    }


def _site(article: Article) -> str | None:
    """The host of the article's address, else the name that the page gives its site: what counts by site are counted under."""
    from newsfilter.metadata import host_of  # noqa: PLC0415 - lxml; who only watches does without

    url = article.record["source"]["url"]
    return (host_of(url) if url else None) or article.site


def failed_line(failed: Failed) -> Line:
    """Return the ledger line of a document that could not be cleaned; its detail is shortened, and without memory addresses."""
    value = _ADDRESS.sub("0x…", " ".join(failed.detail.split()))[:DETAIL_CHARACTERS] or None
    return {
        "id": failed.id,
        "uri": failed.uri,
        "member": failed.member,
        "offset": failed.offset,
        "status": "failed",
        "reason": failed.reason,
        "reasons": [{"code": failed.reason, "value": value, "limit": None}],
        "output": None,
        "body_sha256": None,
        "record_sha256": None,
        "characters": 0,
        "labels": {},
        "words": 0,
        "language": "unknown",
        "site": None,
        "title": None,
    }


class Ledger:
    """The ledger of one OUT, open for appending and locked against a second run.

    Raises
    ------
    OutputError
        When another run holds it.
    """

    def __init__(self, out: Path) -> None:
        self.path = out / NAME
        try:
            self._stream = self.path.open("ab", buffering=0)
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be opened ({error.strerror}); make OUT writable") from None
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._stream.close()
            raise OutputError(f"{out}: another run is writing here; wait for it, or give -o another folder") from None
        except OSError:
            pass  # a file system without locks: the user's own care must do

    def close(self) -> None:
        """Close the file and let go of the lock."""
        self._stream.close()

    def clear(self) -> None:
        """Drop all lines."""
        os.ftruncate(self._stream.fileno(), 0)

    def count(self) -> int:
        """Count the lines that are in the file."""
        with self.path.open("rb") as stream:
            return sum(1 for _ in stream)

    def append(self, data: bytes) -> None:
        """Write whole lines at the end, all or, when the write fails, none.

        Raises
        ------
        StoppedError
            When they cannot be written.
        """
        before = os.fstat(self._stream.fileno()).st_size
        try:
            while data:
                data = data[self._stream.write(data) :]
        except OSError as error:
            os.ftruncate(self._stream.fileno(), before)
            raise stopped_by(error, self.path) from error
