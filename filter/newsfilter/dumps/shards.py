"""The unit of work: a part of the input that one worker reads, cleans and writes. Made from the inputs alone, never from the number of workers."""

from dataclasses import dataclass

from newsfilter.dumps.documents import Item
from newsfilter.dumps.sources import Entry


@dataclass(frozen=True, slots=True)
class Shard:
    """A range of an input file, some loose files, or records that the one reader of a stream has read already."""

    number: int  # from 0, in source order over the whole run
    uri: str  # of the input file; of loose files, the first one's
    path: str  # a local path, or a URL that fsspec opens
    format: str  # a key of readers.FORMATS, or "files", or "given"
    start: int = 0  # bytes (WARC, JSONL) or row groups (Parquet)
    stop: int | None = None  # exclusive; None: to the end
    entries: tuple[Entry, ...] = ()  # of "files": loose documents, as listed
    given: tuple[Item, ...] = ()  # of "given": what was read of a stream that cannot be split
    size: int | None = None  # bytes of the whole input file, or of all loose files, where known: by them a change is noticed
    first: int = 0  # of "given": the number of its first record in the stream, from 0


def source_of(shard: Shard) -> str:
    """Say in words what a shard is made of, so that a change of the inputs is noticed."""
    size = "" if shard.size is None else f", {shard.size} bytes in all"
    if shard.format == "files":
        return f"{len(shard.entries)} files from {shard.entries[0].uri} to {shard.entries[-1].uri}{size}"
    if shard.format == "given":
        return f"{shard.uri} records {shard.first} to {shard.first + len(shard.given)}{size}"
    return f"{shard.uri} {shard.start} to {'its end' if shard.stop is None else shard.stop}{size}"
