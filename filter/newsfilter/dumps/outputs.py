"""Outputs in shards: articles as JSONL or Parquet, and beside them their records, whole or not at all.

While a shard is worked on, its documents stand in a spool below ``OUT/_work``; when it is complete, its two files appear, and last a marker below
``OUT/_done``. `docs/outputs.md` describes what is in them.
"""

import hashlib
import json
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import newsfilter
from newsfilter.dumps.failures import AWAY, ReadError
from newsfilter.dumps.outputs_formats import packer, writer
from newsfilter.dumps.outputs_marker import ARTICLES, MARKER, RECORDS, ledger_name, marker_name
from newsfilter.dumps.outputs_rows import Facts, Target, exact_values, stem
from newsfilter.dumps.outputs_spool import Item, Spool, items
from newsfilter.dumps.outputs_store import open_store
from newsfilter.dumps.writing import STATUSES, StoppedError, stopped_by

FAILED, SKIPPED = "failed", "skipped:"  # kinds of items that stand in no output
_CLEANED = tuple(STATUSES.values())
_HEADER = "spool"

Line = dict[str, Any]


class ShardOutput:
    """The output of one shard. It is given what became of each item of the input, in source order, and `finish` writes the files.

    Parameters
    ----------
    target
        Where to, and what the run's shards have in common.
    number
        The shard's, from 0.
    source
        What the shard was made of, such as a URI and a range, in words: a marker or a spool that names another does not count.
    uri
        Of the file that its documents are from; None: each is a file of its own.

    Raises
    ------
    OutputError
        When a library is missing.
    """

    def __init__(self, target: Target, number: int, source: str = "", uri: str | None = None) -> None:
        self.target, self.number = target, number
        self._store = open_store(target.out)
        self._packer = packer(target)
        self._identity = {
            "schema": MARKER,
            "number": number,
            "source": source,
            "uri": uri,
            "newsfilter": newsfilter.__version__,
            **target.content(),
        }
        self._spool: Spool | None = None
        self._given = 0  # items, those of earlier processes too

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def resume_from(self) -> int:
        """Take over what an earlier process left of this shard, and return the number of items that need not be done again.

        To be called before the first item is given. What was not written to its end is left out, and so is all from the first item on that failed
        because storage did. Remote storage holds no spools: 0.

        Raises
        ------
        StoppedError
            When the spool cannot be read or copied.
        """
        best, number, end = None, 0, 0
        for path in self._spools():
            count, size = self._whole_items(path)
            if count > number:
                best, number, end = path, count, size
        if best is not None:
            # A copy, for its writer may be alive: clusters start a task again when they lose sight of a worker.
            self._spool = self._new_spool(header=False)
            try:
                self._spool.take(best, end)
            except StoppedError:
                if best.exists():
                    raise
                self._spool.remove()  # its writer has just finished the shard; what is done again will be the same
                self._spool = None
                return 0
            self._given = number
        return number

    def done(self) -> Iterator[tuple[str, Line | None]]:
        """Yield, for each item so far, its kind (a status, "failed", or "skipped:" and the kind of thing) and the ledger line given with it."""
        for item in self._items():
            yield item.kind, json.loads(item.line) if item.line else None

    def add(self, facts: Facts, record: bytes, columns: Mapping[str, Any] | None = None, line: Line | None = None) -> None:
        """Take a document that was cleaned.

        Parameters
        ----------
        facts
            What its row says.
        record
            As `provenance.encode_record` gives it.
        columns
            The columns of its row in the input, as the reader gives them: Python values, or of Parquet an `ArrowRow`, which loses nothing.
        line
            Its ledger line, kept until `finish` and beside the marker.

        Raises
        ------
        ReadError
            When a value of `columns` cannot be written. Nothing was taken; the document has failed.
        StoppedError
            When the spool cannot be written.
        """
        try:
            article, beside = self._packer.pack(facts, exact_values(columns))
        except (TypeError, ValueError, RecursionError) as error:
            raise ReadError(facts["uri"], "error", f"its columns cannot be written: {error}") from error
        self._append(Item(facts["status"], article, beside, self._packer.record(facts["id"], record), _as_bytes(line)))

    def failed(self, line: Line | None = None) -> None:
        """Take an item that has failed. Raises as `add` does."""
        self._append(Item(FAILED, line=_as_bytes(line)))

    def skipped(self, kind: str) -> None:
        """Take an item that is no document. Raises as `add` does."""
        self._append(Item(SKIPPED + kind))

    def finish(self) -> dict[str, Any]:
        """Write the shard's files, then its marker, remove the spool, and return what the marker holds.

        Raises
        ------
        StoppedError
            When a file cannot be written. No file is half-written under its name, and the spool is still there.
        """
        outputs = [] if self.target.format == "files" else [self.target.path(folder, self.number) for folder in (ARTICLES, RECORDS)]
        paths = {name: self._store.scratch(name) for name in (*outputs, ledger_name(self.number), marker_name(self.number))}
        *files, ledger, marker = paths.values()
        try:
            content = self._content(dict(zip(outputs, files, strict=True)), ledger)
            marker.write_bytes(json.dumps(content, ensure_ascii=False, indent=2).encode("utf-8", "replace") + b"\n")
            for name, path in paths.items():  # the marker last
                if path != ledger or path.stat().st_size:
                    self._store.put(path, name)
        except OSError as error:
            raise stopped_by(error, Path(self.target.out) / next(iter(paths))) from error
        finally:
            for path in paths.values():
                with suppress(OSError):
                    path.unlink()
        if self._spool is not None:
            self._spool.remove()
        self.close()
        return content

    def close(self) -> None:
        """Let go of the spool, which stays for `resume_from` where OUT is a local folder."""
        if self._spool is not None:
            self._spool.close()
        self._store.close()

    def _append(self, item: Item) -> None:
        if self._spool is None:
            self._spool = self._new_spool(header=True)
        self._spool.append(item)
        self._given += 1

    def _new_spool(self, *, header: bool) -> Spool:
        folder, name = self._store.spools, f"{stem(self.number)}.{secrets.token_hex(8)}.spool"
        spool = Spool(folder / name if folder else self._store.scratch(name))
        if header:
            spool.append(Item(_HEADER, _as_bytes(self._identity)))
        return spool

    def _spools(self) -> list[Path]:
        """The spools of this shard that processes left, this one's too."""
        folder = self._store.spools
        return [] if folder is None else sorted(folder.glob(f"{stem(self.number)}.*.spool"))

    def _whole_items(self, path: Path) -> tuple[int, int]:
        """The number of whole items in a spool, and the byte where they end; 0 in one of another run."""
        number, end = -1, 0
        try:
            for item, behind in items(path):
                if number < 0 and (item.kind, item.article) != (_HEADER, _as_bytes(self._identity)):
                    return 0, 0
                if item.kind == FAILED and item.line and json.loads(item.line).get("reason") in AWAY:
                    break
                number, end = number + 1, behind
        except FileNotFoundError:  # another process has just finished the shard
            return 0, 0
        except OSError as error:
            raise stopped_by(error, path) from error
        return max(number, 0), end

    def _items(self) -> Iterator[Item]:
        if self._spool is not None:
            yield from (item for item, _ in items(self._spool.path) if item.kind != _HEADER)

    def _content(self, files: Mapping[str, Path], ledger: Path) -> dict[str, Any]:
        """Write the files, and return what the marker will hold."""
        kinds: Counter[str] = Counter()
        with ledger.open("wb") as stream, writer(self.target, list(files.values())) as write:
            for item in self._items():
                kinds[item.kind] += 1
                if item.kind in _CLEANED:
                    write(item)
                if item.line:
                    stream.write(item.line + b"\n")
        if kinds.total() != self._given:
            raise StoppedError(
                f"{self._spool and self._spool.path}: was damaged while the shard was worked on; run the same command again with --resume"
            )
        counts = {kind: kinds[kind] for kind in (*_CLEANED, FAILED)}
        rows = sum(counts[kind] for kind in _CLEANED)
        return self._identity | {
            "counts": {"documents": sum(counts.values()), **counts},
            "skipped": {kind.removeprefix(SKIPPED): number for kind, number in sorted(kinds.items()) if kind.startswith(SKIPPED)},
            "outputs": {name: {"rows": rows, **_digest(path)} for name, path in files.items()},
        }


def _as_bytes(value: Mapping[str, Any] | None) -> bytes:
    return b"" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _digest(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}
