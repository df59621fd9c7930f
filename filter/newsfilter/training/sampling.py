"""What is most worth labelling of a run: blocks of which the model is unsure, unlike each other, and not all of one site."""

import hashlib
import json
import math
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer

from newsfilter.dumps.names import BODY_SUFFIX, RECORD_SUFFIX
from newsfilter.dumps.outputs_marker import RECORDS
from newsfilter.dumps.outputs_store import LocalStore, open_store
from newsfilter.dumps.results import Stored, open_run, stored
from newsfilter.dumps.writing import StoppedError, write_whole
from newsfilter.errors import InputError, OutputError, RecordError
from newsfilter.metadata import host_of
from newsfilter.provenance import SCHEMA, restore

UNSURE = 0.5  # doubt, 0 to 1, from which on a block is worth asking about: a margin of .5, or p(body) between .25 and .75
SPAM_WEIGHT = 5  # a kept block of spam probability .1 is as doubtful as a margin of .5: what it costs to miss one
POOL = 4000  # unsure blocks from which is drawn
FEW = 3  # blocks of one site that are always welcome
CONTEXT = 120  # characters of the neighbours
LONGEST = 5000  # characters; a longer block is a whole document in one line, which nobody can give one label
_BUCKETS = 1 << 12  # that 4-grams are hashed to

_DIGITS = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class Candidate:
    """An unsure block."""

    row: dict[str, Any]  # as it will be written
    form: str  # the text's normal form
    group: str  # its site or, where none is known, its document
    doubt: float  # 0 to 1


def normal_form(text: str) -> str:
    r"""Fold what makes one line look like two: case, numbers and white space.

    >>> normal_form("Okunma:  1.204\n Kez")
    'okunma: 0.000 kez'
    """
    return " ".join(_DIGITS.sub("0", text.casefold()).split())


def doubt_of(entry: dict[str, Any]) -> float:
    """Return how unsure the model was of a record's entry, 0 to 1: by the margin of the likeliest label, by how near to .5 body is and, for what
    was kept, by its likeliest kind of spam.

    >>> doubt_of({"kept": False, "probabilities": {"teaser": 0.75, "body": 0.125}})
    0.375
    """  # noqa: D205 - one sentence
    probabilities: dict[str, float] = entry["probabilities"]
    first, second = sorted([*probabilities.values(), 0.0, 0.0], reverse=True)[:2]
    spam = max((p for label, p in probabilities.items() if label.startswith("spam-")), default=0.0) if entry["kept"] else 0.0
    return max(1 - (first - second), 1 - abs(2 * probabilities.get("body", 0.0) - 1), min(1.0, SPAM_WEIGHT * spam))


def sample(out: str | Path, wanted: int = 200, *, seed: int = 1, watch: Callable[[int, int], None] | None = None) -> list[dict[str, Any]]:
    """Draw blocks worth labelling from a run, in the order in which they are worth it.

    Parameters
    ----------
    out
        What ``newsfilter clean`` wrote to, in any format: a folder or a URL. Its records are read one by one.
    wanted
        How many at most.
    watch
        Told how many records of how many are read.

    Returns
    -------
    list of dict
        Rows as `read_training` takes them once ``label`` is filled in.

    Raises
    ------
    InputError
        When there are no records, or no unsure blocks in them.
    RecordError
        When a record, or the body beside it, cannot be read, or they do not fit; the message names the file.
    """
    pool: dict[str, Candidate] = {}
    total, documents = _documents(str(out))
    if not total:
        raise InputError(f"{out}: holds no records (*{RECORD_SUFFIX}); give the OUT that newsfilter clean wrote to")
    for number, document in enumerate(documents, 1):
        for candidate in candidates(document):
            pool.setdefault(candidate.form, candidate)
        if len(pool) > 2 * POOL:
            pool = {candidate.form: candidate for candidate in _most_doubtful(pool.values(), POOL, seed)}
        if watch is not None:
            watch(number, total)
    if not pool:
        raise InputError(f"{out}: the model was sure of every block of its {total:,} records; clean more documents, of other sites")
    return [candidate.row for candidate in diverse(_most_doubtful(pool.values(), POOL, seed), wanted, seed)]


class Document(NamedTuple):
    """A record, and how to get what belongs to it."""

    name: str  # where it stands
    record: Callable[[], bytes]
    body: Callable[[], bytes]  # of what was not rejected


def _documents(out: str) -> tuple[int, Iterator[Document]]:
    """How many records there are, and they: of shards in source order, of files in order of name, whether a ledger knows them or not."""
    store = open_store(out)
    if isinstance(store, LocalStore) and not store.root.is_dir():
        raise InputError(f"{out}: no folder; give the OUT that newsfilter clean wrote to")
    if isinstance(store, LocalStore) and not store.names(RECORDS):
        paths = _record_paths(store.root)
        return sum(1 for _ in _record_paths(store.root)), (Document(str(path), path.read_bytes, _beside(path).read_bytes) for path in paths)
    run = open_run(out)
    cleaned = sum(run.content["counts"][status] for status in ("accepted", "review", "rejected"))
    return cleaned, (_row(document) for document in stored(run) if document.line["status"] != "failed")


def _beside(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(RECORD_SUFFIX) + BODY_SUFFIX)


def _row(document: Stored) -> Document:
    def there(data: bytes | None) -> bytes:
        if data is None:
            raise RecordError(document.trouble or "the record is missing")
        return data

    return Document(document.name, lambda: there(document.record), lambda: there(document.body))


def _record_paths(out: Path) -> Iterator[Path]:
    """Records below a folder, in order of name. Links are not followed: what lies behind them is not the run's."""

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror}); make it readable, and sample again")

    for folder, folders, names in os.walk(out, onerror=refuse):
        folders.sort()
        yield from (Path(folder) / name for name in sorted(names) if name.endswith(RECORD_SUFFIX))


def candidates(document: Document) -> Iterator[Candidate]:
    """Yield the unsure blocks of one record.

    Raises
    ------
    RecordError
        When the record or its body cannot be read.
    """
    try:
        yield from _candidates(document, json.loads(document.record()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, RecordError) as error:
        what = str(error) if isinstance(error, RecordError | OSError) else f"cannot be read: {error!r}"
        raise RecordError(f"{document.name}: {what}; clean the document again, or move its record away") from error


def _candidates(document: Document, record: dict[str, Any]) -> Iterator[Candidate]:
    if record["schema"] != SCHEMA:
        raise RecordError(f"its schema is {record['schema']!r}, this newsfilter reads {SCHEMA!r}")
    entries = record["blocks"]
    unsure = [n for n, entry in enumerate(entries) if entry["by"] == "model" and "merged" not in entry and doubt_of(entry) >= UNSURE]
    if not unsure:
        return
    text = restore(record, None if record["verdict"]["decision"] == "reject" else document.body().decode())
    texts = [text[entry["start"] : entry["end"]].strip() for entry in entries]
    url, lang = record["source"]["url"], record["language"]["code"]
    site = (host_of(url) if url else None) or record["site"] or ""
    for number in unsure:
        form = normal_form(texts[number])
        if not form or len(texts[number]) > LONGEST:
            continue
        entry = entries[number]
        row = {
            "text": texts[number],
            "label": "",
            "id": f"{record['id']}:{entry['start']}-{entry['end']}",
            "site": site,
            "lang": "" if lang == "unknown" else lang,
            "predicted": entry["label"],
            "probability": entry["probabilities"].get(entry["label"], 0.0),
            "before": texts[number - 1][-CONTEXT:] if number else "",
            "after": texts[number + 1][:CONTEXT] if number + 1 < len(texts) else "",
        }
        yield Candidate(row, form, site or record["id"], doubt_of(entry))


def _most_doubtful(pool: Iterable[Candidate], size: int, seed: int) -> list[Candidate]:
    """Return the `size` most doubtful, no site with more than its share; a draw by the seed decides between equals."""
    groups: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in sorted(pool, key=lambda candidate: (-candidate.doubt, _lot(candidate.form, seed))):
        groups[candidate.group].append(candidate)
    limit = share_of_a_site([len(group) for group in groups.values()], size)
    kept = [candidate for group in groups.values() for candidate in group[:limit]]
    return sorted(kept, key=lambda candidate: (-candidate.doubt, _lot(candidate.form, seed)))[:size]


def _lot(form: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{form}".encode("utf-8", "surrogatepass")).digest()


def share_of_a_site(sizes: Sequence[int], wanted: int) -> int:
    """Return how many blocks one site may give: the fewest, but no less than `FEW`, with which the sites together have as many as are wanted.

    >>> share_of_a_site([1000, 10, 2], 60)
    48
    """
    limit, given, left = 0, 0, len(sizes)
    for below, size in pairwise([0, *sorted(sizes)]):
        if given + left * (size - below) >= wanted:
            return max(FEW, limit + math.ceil((wanted - given) / left))
        given, limit, left = given + left * (size - below), size, left - 1
    return max(FEW, limit)


def diverse(pool: Sequence[Candidate], wanted: int, seed: int) -> list[Candidate]:
    """Choose greedily what is most unlike all that is chosen, weighed by its doubt, until there are enough, no site with more than its share.

    Likeness is the cosine of hashed 4-grams of characters. The first is drawn by the seed.
    """
    grams = HashingVectorizer(analyzer="char_wb", ngram_range=(4, 4), n_features=_BUCKETS, alternate_sign=False, lowercase=False)
    vectors = grams.transform([candidate.form for candidate in pool])
    doubts = np.array([candidate.doubt for candidate in pool])
    limit = share_of_a_site(list(Counter(candidate.group for candidate in pool).values()), wanted)
    taken: Counter[str] = Counter()
    members: dict[str, list[int]] = defaultdict(list)
    for number, candidate in enumerate(pool):
        members[candidate.group].append(number)
    open_, likeness = np.ones(len(pool), bool), np.zeros(len(pool))
    chosen: list[Candidate] = []
    following = int(np.random.default_rng(seed).choice(len(pool), p=doubts / doubts.sum()))
    while len(chosen) < wanted and open_.any():
        candidate = pool[following]
        chosen.append(candidate)
        taken[candidate.group] += 1
        open_[following] = False
        if taken[candidate.group] >= limit:
            open_[members[candidate.group]] = False
        likeness = np.maximum(likeness, (vectors @ vectors[following].T).toarray()[:, 0])
        worth = np.where(open_, doubts * (1 - likeness), -1.0).round(9)  # rounded, so that no processor's last digit decides
        following = int(worth.argmax())
    return chosen


def check_target(path: Path, *, overwrite: bool) -> None:
    """Make sure that a sample may be written there.

    Raises
    ------
    OutputError
        When something is in the way, or ``newsfilter train`` would not read the file.
    """
    if path.suffix.lower() != ".jsonl":
        raise OutputError(f"{path}: its name does not end in .jsonl, by which newsfilter train knows its format; give -o such a name")
    if path.is_dir():
        raise OutputError(f"{path}: a folder; give -o the name of a file")
    if path.exists() and not overwrite:
        raise OutputError(f"{path}: exists, and somebody's labels may be in it; give -o another name, or --overwrite")


def write_sample(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows as JSONL, the file whole or not at all.

    Raises
    ------
    StoppedError
        When it cannot be written.
    """
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    try:
        write_whole(path, lines.encode())
    except StoppedError as error:
        reason = getattr(error.__cause__, "strerror", None) or error.__cause__
        raise StoppedError(f"{path}: cannot be written ({reason}); make room, or give -o a place that can be written to") from error
