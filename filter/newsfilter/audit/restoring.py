"""The text of a page, or of one of its blocks, from a record and what stands beside it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from newsfilter.audit.reading import read_record, schema_of
from newsfilter.dumps.names import BODY_SUFFIX, RECORD_SUFFIX
from newsfilter.dumps.results import Stored, open_run, stored
from newsfilter.errors import InputError, RecordError
from newsfilter.gate.fix_record import SCHEMA as FIX
from newsfilter.gate.fix_record import restore_fix
from newsfilter.provenance import SCHEMA, restore

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Restorer:
    """How records of one schema are read back."""

    restore: Callable[[Record, Callable[[], bytes], int | None], bytes]  # the record, how to get its other half, a block's number or None
    other_half: Callable[[Path, Record], Path]  # where that is, by the record's path and what it says


def page_text(record: Record, body: Callable[[], bytes], block: int | None = None) -> bytes:
    """Give back a page's text, as UTF-8, from a provenance record and its body.

    With a block's number, only its stretch, the white space behind it included: the stretches of all blocks, one after another, are the page.

    Raises
    ------
    RecordError
        When the two do not fit, or there is no such block.
    """
    try:
        rejected = record["verdict"]["decision"] == "reject"
        text = restore(record, None if rejected else body().decode())
        return (text if block is None else _block_text(record, text, block)).encode()
    except UnicodeDecodeError:
        raise RecordError("the body is no UTF-8; it was changed") from None
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise RecordError(f"no provenance record, or one that was changed: {error!r}; give the record as newsfilter wrote it") from error


def _body_beside(path: Path, _record: Record) -> Path:
    if not path.name.endswith(RECORD_SUFFIX):
        raise InputError(f"{path}: its name does not end in {RECORD_SUFFIX}, so that nobody knows its body; give it with --body")
    return path.with_name(path.name.removesuffix(RECORD_SUFFIX) + BODY_SUFFIX)


def _file_before(record: Record, fixed: Callable[[], bytes], block: int | None) -> bytes:
    if block is not None:
        raise RecordError("the record of a fix has no blocks; leave --block out")
    return restore_fix(record, fixed())


def _fixed_file(path: Path, record: Record) -> Path:
    if not isinstance(record.get("file"), str):
        raise RecordError(f"{path}: it does not say which file was fixed; give that with --body")
    return Path(record["file"])


def _block_text(record: Record, text: str, block: int) -> str:
    own = [entry for entry in record["blocks"] if entry["block"] <= block < entry["block"] + entry.get("merged", 1)]
    if not own:
        last = max((entry["block"] + entry.get("merged", 1) - 1 for entry in record["blocks"]), default=None)
        known = "there are none" if last is None else f"they are numbered from 0 to {last}"
        raise RecordError(f"no block {block}; {known}")
    stretch: str = text[own[0]["start"] : own[-1]["end"]]
    if "merged" not in own[0]:
        return stretch
    lines = re.findall(r"[^\n]+\n?", stretch)  # of a page a block is a line; blocks of plain text never merge
    return str(lines[block - own[0]["block"]])


RESTORERS: Mapping[str, Restorer] = {SCHEMA: Restorer(page_text, _body_beside), FIX: Restorer(_file_before, _fixed_file)}
"""Schema -> how its records are read back."""


def restore_file(path: Path, block: int | None = None, body: Path | None = None) -> bytes:
    """Give back what a record's file speaks of: a page's text as UTF-8, or a file as it was before `check --fix`.

    Parameters
    ----------
    path
        The record.
    block
        The number of one block; None: the whole page.
    body
        Where its body, or the fixed file, is; None: beside it, or where the record says.

    Raises
    ------
    InputError
        When a file cannot be read.
    RecordError
        When the record is none, or of a schema that this version does not know, or does not fit its body.
    """
    if path.is_dir():
        raise InputError(f"{path}: a folder; give a record's file, or with --id the OUT that holds the document")
    try:
        record, restorer = _read(_bytes(path))
        return restorer.restore(record, lambda: _bytes(body or restorer.other_half(path, record)), block)
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from error


def restore_stored(out: str, identity: str, block: int | None = None) -> bytes:
    """Give back the page of a document of a run, of any format, by its id.

    Raises
    ------
    InputError
        When there is no run, or no such document in it.
    RecordError
        When its record or body is missing or changed.
    """
    run = open_run(out)
    try:
        for document in stored(run):
            if document.line["id"] == identity:
                break
        else:
            raise InputError(f"{out}: holds no document {identity}; {run.store.name('ledger.jsonl')} names their ids")
    finally:
        run.store.close()
    if document.line["status"] == "failed":
        raise InputError(
            f"{document.line['uri']}: failed ({document.line['reason']}) when it was cleaned, so that there is no record of it"
        )
    return restore_document(document, block)


def restore_document(document: Stored, block: int | None = None) -> bytes:
    """Give back the page of a document that was not failed.

    Raises
    ------
    RecordError
        When its record or body is missing or changed.
    """
    if document.record is None:
        raise RecordError(f"{document.name}: {document.trouble}; newsfilter verify tells what else was changed")

    def body() -> bytes:
        if document.body is None:
            raise RecordError(document.trouble or "the body is missing")
        return document.body

    try:
        record, restorer = _read(document.record)
        return restorer.restore(record, body, block)
    except RecordError as error:
        raise RecordError(f"{document.name}: {error}") from error


def _read(raw: bytes) -> tuple[Record, Restorer]:
    record = read_record(raw)
    schema = schema_of(record)
    if schema not in RESTORERS:
        raise RecordError(f"its schema is {schema!r}, this newsfilter reads {', '.join(RESTORERS)}; use the newsfilter that wrote it")
    return record, RESTORERS[schema]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a file that can") from None
