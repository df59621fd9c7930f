"""The records of a shard, as its worker reads them, each with the name that its output is to have."""

from collections.abc import Iterator

from newsfilter.dumps.documents import Document, Failed, Item, Oversized, Passed
from newsfilter.dumps.failures import MissingLibraryError, ReadError
from newsfilter.dumps.ledger import entry_id
from newsfilter.dumps.plan import Planned, container_failed
from newsfilter.dumps.readers import ReadOptions, reader_of
from newsfilter.dumps.reading import Skipped, read
from newsfilter.dumps.shards import Shard
from newsfilter.dumps.sources import Entry
from newsfilter.dumps.writing import StoppedError
from newsfilter.errors import InputError
from newsfilter.records import Source, document_id

Found = tuple[Item, str]  # a record, and its output name without suffix


def records_of(planned: Planned, options: ReadOptions) -> Iterator[Found]:
    """Read the records of a shard, in order."""
    shard = planned.shard
    if shard.format == "files":
        for entry, stem in zip(shard.entries, planned.stems, strict=True):
            yield _loose(entry, options.max_bytes), stem
        return
    for number, item in enumerate(shard.given if shard.format == "given" else _records(shard, options)):
        yield item, planned.stems[number] if planned.stems else f"{planned.below}/{_place(item, shard.first + number)}"


def _records(shard: Shard, options: ReadOptions) -> Iterator[Item]:
    """The records of a range. Of a file that could be read when the run was planned and cannot be now, the range is one failure."""
    try:
        yield from reader_of(shard.format).read(shard.path, shard.uri, shard.start, shard.stop, options)
    except MissingLibraryError as error:
        raise StoppedError(f"{error}, and run the same command again with --resume") from None
    except (InputError, OSError) as error:
        failed = container_failed(shard.uri, error)
        yield lost(shard, failed.reason, failed.detail)


def lost(shard: Shard, reason: str, detail: str) -> Failed:
    """The rest of a range, or all of it, that cannot be read, as the one document that fails for it."""
    place = Source(b"", uri=shard.uri, member="unread", offset=shard.start)
    return Failed(document_id(place), shard.uri, reason, f"from {shard.start} on: {detail}", offset=shard.start)


def _place(item: Item, number: int) -> str:
    """The output name of a record inside its container: by its first byte, else by its number."""
    source = item.source if isinstance(item, Document | Oversized) else None
    if source is None or source.offset is None:
        return f"{number:012d}"
    return f"{source.offset:012d}" + (f"-{source.member.removeprefix('#')}" if source.member else "")


def _loose(entry: Entry, max_bytes: int) -> Item:
    try:
        found = read(entry, max_bytes)
    except ReadError as error:
        return Failed(entry_id(entry), entry.uri, error.reason, error.detail)
    if isinstance(found, Skipped):
        return Passed(entry.uri, found.kind)
    return found if isinstance(found, Oversized) else Document(found)
