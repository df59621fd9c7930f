"""The ledger: one line a document, in source order, from which a run can be accounted for and resumed."""

import fcntl
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from newsfilter.document import document_id
from newsfilter.dumps.sources import Entry
from newsfilter.dumps.writing import STATUSES, stopped_by
from newsfilter.errors import OutputError
from newsfilter.records import LABELS, Article, Source

NAME = "ledger.jsonl"
DETAIL_CHARACTERS = 200  # of an error's message
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{4,}")  # of an object in memory: another in each run

Line = dict[str, Any]


def entry_id(entry: Entry) -> str:
    """Return the id that the entry's record has, for documents that never get one."""
    return document_id(Source(raw=b"", uri=entry.uri, id=entry.id))


def id_of(source: Source) -> str:
    """Return the id of a document's record."""
    return document_id(source)


def article_line(article: Article, uri: str, output: str) -> Line:
    """Return the ledger line of a cleaned document.

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
        "uri": uri,
        "status": STATUSES[article.verdict.decision],
        "reason": reasons[0].code if reasons else None,
        "reasons": [{"code": reason.code, "value": reason.value, "limit": reason.limit} for reason in reasons],
        "output": output,
        "body_sha256": None if rejected else article.record["body"]["sha256"],
        "characters": 0 if rejected else article.record["body"]["characters"],
        "labels": {label: removed[label] for label in order},
        "words": 0 if rejected else article.record["body"]["words"],
        "language": article.language.code,
        "title": article.title,
    }


def failed_line(document: str, uri: str, reason: str, detail: str) -> Line:
    """Return the ledger line of a document that could not be cleaned; `detail` is shortened, and without memory addresses."""
    value = _ADDRESS.sub("0x…", " ".join(detail.split()))[:DETAIL_CHARACTERS] or None
    return {
        "id": document,
        "uri": uri,
        "status": "failed",
        "reason": reason,
        "reasons": [{"code": reason, "value": value, "limit": None}],
        "output": None,
        "body_sha256": None,
        "characters": 0,
        "labels": {},
        "words": 0,
        "language": "unknown",
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

    def lines(self) -> Iterator[Line]:
        """Read the complete lines. A torn last line is passed over, and cut off when all have been read.

        Raises
        ------
        OutputError
            When a line that is not the last is damaged.
        """
        end = 0
        with self.path.open("rb") as stream:
            for number, raw in enumerate(stream, start=1):
                if not raw.endswith(b"\n"):
                    break
                try:
                    line = json.loads(raw)
                    line["id"], line["uri"], line["status"], line["labels"]  # without them it is no ledger line
                except (ValueError, KeyError, TypeError):
                    raise OutputError(f"{self.path}:{number}: no ledger line; run again with --overwrite") from None
                end += len(raw)
                yield line
        os.ftruncate(self._stream.fileno(), end)

    def append(self, lines: Iterable[Line]) -> None:
        """Write lines at the end, all or, when the write fails, none.

        Raises
        ------
        StoppedError
            When they cannot be written.
        """
        data = b"".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n" for line in lines)
        before = os.fstat(self._stream.fileno()).st_size
        try:
            while data:
                data = data[self._stream.write(data) :]
        except OSError as error:
            os.ftruncate(self._stream.fileno(), before)
            raise stopped_by(error, self.path) from error


def passed_over(lines: Iterable[Line], entries: Sequence[Entry], path: Path) -> tuple[list[int], int]:
    """Lay a ledger's lines beside the listing.

    Returns
    -------
    tuple of list and int
        The numbers of the entries that the earlier run passed without writing a line (what it found to be no document), and the number of the
        entry behind the last line.

    Raises
    ------
    OutputError
        When a line's document is not in the listing where it should be.
    """
    passed: list[int] = []
    number = 0
    for line in lines:
        while number < len(entries) and entry_id(entries[number]) != line["id"]:
            passed.append(number)
            number += 1
        if number == len(entries):
            raise OutputError(
                f"{path}: {line['uri']} is in the ledger and no longer among the sources; give the same SRCs, or --overwrite to start afresh"
            )
        number += 1
    return passed, number
