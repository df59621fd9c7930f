"""How a dump is cut into shards: loose files by count, containers by ranges of bytes or row groups, streams by what their one reader has read."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby, islice

from newsfilter.dumps.documents import Document, Failed, Item, Oversized
from newsfilter.dumps.failures import ReadError
from newsfilter.dumps.names import Namer
from newsfilter.dumps.outputs_rows import SAMPLE_FILES, SAMPLE_ROWS, InputColumns, columns_of_rows
from newsfilter.dumps.readers import ReadOptions, reader_of
from newsfilter.dumps.shards import Shard
from newsfilter.dumps.sources import Entry
from newsfilter.errors import InputError
from newsfilter.records import Source, document_id

SUFFIXES = {
    "warc": (".warc", ".warc.gz", ".warc.zst"),
    "jsonl": (".jsonl", ".jsonl.gz", ".jsonl.zst", ".ndjson", ".ndjson.gz", ".ndjson.zst", ".jsonlines", ".jsonlines.gz"),
    "parquet": (".parquet", ".pq"),
    "csv": (".csv", ".csv.gz", ".csv.zst", ".tsv", ".tsv.gz"),
    "zip": (".zip",),
    "tar": (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2"),
}
"""Names by which files that hold many documents are known."""

SMALLEST, PARTS = 16, 64  # loose files of a shard at least; shards that a small dump is cut into, so that many workers have some
SMALLEST_BYTES = 4_000_000  # of a container's range at least, for the same reason
GIVEN_BYTES = 16_000_000  # raw bytes that a shard of a stream carries to its worker at most
_TABLES = frozenset({"jsonl", "csv", "parquet"})
_STREAMED = frozenset({"csv", "zip", "tar"})
_PACKED = (".gz", ".zst")


def format_of(uri: str) -> str | None:
    """Tell the format of a file that holds many documents, by its name; None for a document.

    >>> [format_of(name) for name in ("a/crawl.warc.gz", "news.JSONL", "page.html.gz")]
    ['warc', 'jsonl', None]
    """
    name = uri.lower()
    return next((kind for kind, suffixes in SUFFIXES.items() if name.endswith(suffixes)), None)


def is_streamed(uri: str, kind: str) -> bool:
    """Whether a file has one reader, which feeds the workers, because it can only be read from its beginning on."""
    return kind in _STREAMED or (kind == "jsonl" and uri.lower().endswith(_PACKED))


def columns_of(entries: Sequence[Entry], options: ReadOptions) -> list[InputColumns]:
    """Look into the first tables among the inputs for the columns that they have; faults are left to the reading."""
    found = []
    for entry in [entry for entry in entries if format_of(entry.uri) in _TABLES][:SAMPLE_FILES]:
        kind = format_of(entry.uri) or ""
        with suppress(InputError, OSError):
            if kind == "parquet":
                from newsfilter.dumps.outputs_parquet import columns_of_file  # noqa: PLC0415 - pyarrow: an extra, and 100 ms

                found.append(columns_of_file(entry.path))
            else:
                records = islice(reader_of(kind).read(entry.path, entry.uri, 0, None, options), SAMPLE_ROWS)
                found.append(columns_of_rows(item.columns for item in records if isinstance(item, Document) and item.columns is not None))
    return found


@dataclass(frozen=True, slots=True)
class Planned:
    """A shard, and what its records are to be called."""

    shard: Shard
    stems: tuple[str, ...]  # output names without suffix: of loose files and of an archive's members one each
    below: str = ""  # where there are no `stems`: the folder of a container's records, which are named by their places


def plan(entries: Sequence[Entry], options: ReadOptions, *, named: bool = True) -> Iterator[Planned]:
    """Yield all shards in source order. The same for the same inputs, whatever the number of workers; containers are looked into as they come up.

    Parameters
    ----------
    named
        Whether an archive's members need output names, which are held in memory.
    """
    namer, number = Namer(), 0
    loose = sum(format_of(entry.uri) is None for entry in entries)
    size = min(max(loose // PARTS, SMALLEST), options.shard_documents)
    packed = sum(entry.size or 0 for entry in entries if format_of(entry.uri) is not None)
    options = replace(options, shard_bytes=min(max(packed // PARTS, SMALLEST_BYTES), options.shard_bytes))
    for kind, group in groupby(entries, key=lambda entry: format_of(entry.uri) or "files"):
        for planned in _loose(group, size, namer) if kind == "files" else _containers(group, kind, options, namer if named else None):
            yield replace(planned, shard=replace(planned.shard, number=number))
            number += 1


def _loose(entries: Iterable[Entry], size: int, namer: Namer) -> Iterator[Planned]:
    left = iter(entries)
    while group := tuple(islice(left, size)):
        shard = Shard(0, group[0].uri, group[0].path, "files", entries=group, size=sum(entry.size or 0 for entry in group))
        yield Planned(shard, tuple(namer.stem(entry.uri) for entry in group))


def _containers(entries: Iterable[Entry], kind: str, options: ReadOptions, namer: Namer | None) -> Iterator[Planned]:
    for entry in entries:
        shard = Shard(0, entry.uri if entry.copy == 1 else f"{entry.uri}#{entry.copy}", entry.path, kind, size=entry.size)
        below = namer.stem(shard.uri) if namer else ""
        try:
            if entry.fault:
                raise ReadError(shard.uri, entry.fault)
            if is_streamed(entry.uri, kind):
                yield from _streamed(shard, kind, options, below, namer)
            else:
                for start, stop in reader_of(kind).split(shard.path, shard.uri, options):
                    yield Planned(replace(shard, start=start, stop=stop), (), below)
        except (InputError, OSError) as error:
            reason = error.reason if isinstance(error, ReadError) else "unreadable-container"
            failed = Failed(document_id(Source(b"", uri=shard.uri)), shard.uri, reason, str(error))
            yield Planned(replace(shard, format="given", given=(failed,)), (), below)


def _streamed(shard: Shard, kind: str, options: ReadOptions, below: str, namer: Namer | None) -> Iterator[Planned]:
    first = 0
    for records in _portions(reader_of(kind).read(shard.path, shard.uri, 0, None, options), options.shard_documents):
        stems = tuple(_member_stem(item, below, namer) for item in records) if namer and kind in ("zip", "tar") else ()
        yield Planned(replace(shard, format="given", given=tuple(records), first=first), stems, below)
        first += len(records)


def _member_stem(item: Item, below: str, namer: Namer) -> str:
    return namer.stem(f"{below}/{item.source.member}") if isinstance(item, Document | Oversized) else ""


def _portions(items: Iterable[Item], most: int) -> Iterator[list[Item]]:
    portion: list[Item] = []
    size = 0
    for item in items:
        portion.append(item)
        size += len(item.source.raw) if isinstance(item, Document) else 0
        if len(portion) == most or size >= GIVEN_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion
