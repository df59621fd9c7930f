"""What `--fix` wrote down: the record ``newsfilter/fix/1``, and the way back from it and the fixed file."""

import base64
import binascii
import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Self

from newsfilter.dumps.names import safe_component
from newsfilter.errors import RecordError
from newsfilter.gate.findings import Mark
from newsfilter.gate.labels import Selection

SCHEMA = "newsfilter/fix/1"
SUFFIX = ".fix.json"
NAME_DIGITS = 6  # of each digest, in a record's name, which a file system allows 255 bytes


@dataclass(frozen=True, slots=True)
class Cut:
    """A stretch of a file that goes."""

    start: int  # byte of the original file, inclusive
    data: bytes
    mark: Mark
    round: int  # in which it was found, from 1
    row: int | None = None  # of JSONL: the line, from 1
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Digests:
    """What a file is known by."""

    sha256: str
    bytes: int


class Removals:
    """What goes out of one file: the record's rows, in a temporary file, since a large file can lose millions of stretches."""

    def __init__(self) -> None:
        self._rows = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this object
        self._gone = 0  # bytes
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._rows.close()

    def add(self, cuts: Iterable[Cut], used: str) -> None:
        """Take in what goes next, in the order of the file; `used` is the charset that it was read in."""
        for cut in cuts:
            row = _row(cut, cut.start - self._gone, used)
            self._rows.write(_dumped(row) + b"\n")
            self._gone += len(cut.data)
            self.count += 1

    def rows(self) -> Iterator[bytes]:
        """Yield the rows as the record has them, encoded."""
        self._rows.seek(0)
        for line in self._rows:
            yield line[:-1]

    def cuts(self) -> Iterator[tuple[int, bytes]]:
        """Yield each stretch: where it begins in the original file, and its bytes."""
        for line in self.rows():
            row = json.loads(line)
            yield row["at"][0], _data(row)


def fix_record(name: str, kind: str, before: Digests, after: Digests, judged: dict[str, Any], selection: Selection) -> dict[str, Any]:
    """Return the record of one fixed file, but for what was removed; keys in the order of the schema.

    Parameters
    ----------
    name
        The file's, relative to the working folder where it lies in it.
    kind
        ``text`` or ``jsonl``.
    judged
        A provenance record of what was judged in it: charset, model, settings and software are taken from it.
    """
    charset = judged["source"]["charset"]
    return {
        "schema": SCHEMA,
        "file": name,
        "format": kind,
        "before": asdict(before),
        "after": asdict(after),
        "charset": {"used": charset["used"], "how": charset["how"]},
        "removed": [],
        "model": judged["model"],
        "settings": judged["settings"],
        "selection": {"select": list(selection.select), "ignore": list(selection.ignore), "min_probability": selection.least},
        "software": judged["software"],
    }


def _row(cut: Cut, after: int, used: str) -> dict[str, Any]:
    row: dict[str, Any] = {"at": [cut.start, cut.start + len(cut.data)], "after": after}
    try:
        if used != "utf-8":
            raise UnicodeError  # noqa: TRY301 - as if it were none: bytes of another charset that happen to be UTF-8 mean something else
        row["bytes"] = cut.data.decode("utf-8")
    except UnicodeError:
        row["base64"] = base64.b64encode(cut.data).decode("ascii")
    row |= {"text": cut.mark.text, "label": cut.mark.label, "probability": cut.mark.probability, "round": cut.round}
    if cut.row is not None:
        row |= {"row": cut.row, "field": cut.field}
    if cut.mark.evidence:
        row["evidence"] = list(cut.mark.evidence)
    return row


def record_name(record: dict[str, Any]) -> str:
    """Return where a record goes below ``--records``: the file's own path and two digests, so that a later fix of the file has another name."""
    parts = [safe_component(part, record["file"]) for part in record["file"].split("/") if part not in ("", ".")]
    digests = f"{record['before']['sha256'][:NAME_DIGITS]}-{record['after']['sha256'][:NAME_DIGITS]}"
    return f"{'/'.join(parts)}.{digests}{SUFFIX}"


def encode_fix(record: dict[str, Any], removals: Removals) -> Iterator[bytes]:
    """Yield a record and its rows as they are written: UTF-8 JSON on one line, a line break at the end."""
    keys = list(record)
    place = keys.index("removed")
    yield _dumped({key: record[key] for key in keys[:place]})[:-1] + b',"removed":['
    for number, row in enumerate(removals.rows()):
        yield b"," + row if number else row
    yield b"]," + _dumped({key: record[key] for key in keys[place + 1 :]})[1:] + b"\n"


def _dumped(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def _data(row: dict[str, Any]) -> bytes:
    data: bytes = base64.b64decode(row["base64"], validate=True) if "base64" in row else row["bytes"].encode("utf-8")
    return data


def restore_fix(record: dict[str, Any], fixed: bytes) -> bytes:
    """Return a file as it was before it was fixed, from the fix's record and the fixed file.

    Raises
    ------
    RecordError
        When the two do not fit: the file was changed since, the record was changed, is none, or is of a later schema.
    """
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        there = record.get("schema") if isinstance(record, dict) else None
        raise RecordError(f"the record's schema is {there!r}, this newsfilter reads {SCHEMA}; give the record as --fix wrote it")
    try:
        if hashlib.sha256(fixed).hexdigest() != record["after"]["sha256"]:
            raise RecordError(
                "the file has another sha256 than the record says; it was changed since it was fixed, or belongs to another record"
            )
        parts, at = [], 0
        for number, row in enumerate(record["removed"]):
            data = _data(row)
            if not at <= row["after"] <= len(fixed):
                raise RecordError(
                    f"removed stretch {number} stands at {row['after']}, where there is no place for it; the record was changed"
                )
            parts += [fixed[at : row["after"]], data]
            at = row["after"]
    except (KeyError, TypeError, AttributeError, binascii.Error, ValueError) as error:
        raise RecordError(f"no fix record, or one that was changed: {error!r}; give the record as --fix wrote it") from error
    whole = b"".join([*parts, fixed[at:]])
    if hashlib.sha256(whole).hexdigest() != record["before"]["sha256"]:
        raise RecordError("the restored file has another sha256 than the record says; the record was changed")
    return whole
