"""Whether the sources of a run are still what was cleaned."""

import hashlib
import json
from collections.abc import Callable, Sequence

from newsfilter.audit.spill import DiskMap
from newsfilter.audit.verify_document import Finding
from newsfilter.dumps.documents import Document, Failed, Oversized
from newsfilter.dumps.plan import plan
from newsfilter.dumps.readers import ReadOptions
from newsfilter.dumps.shard_records import records_of
from newsfilter.dumps.sources import list_sources
from newsfilter.records import Source, document_id

Tell = Callable[[Finding], None]


def key_of(identity: str, uri: str, member: str | None, offset: int | None) -> str:
    """Return what a document of a dump is known by: ids of the input's may repeat."""
    return json.dumps([identity, uri, member, offset])


def check_sources(
    places: Sequence[str], options: ReadOptions, shard: tuple[int, int], expected: DiskMap, tell: Tell, watch: Callable[[int, int], None]
) -> int:
    """Read sources as the run did, and hold them against what its records say of them.

    Documents that came after the run are passed over.

    Parameters
    ----------
    places
        SRCs.
    options, shard
        As the run had them.
    expected
        The sha256 of each source, "" of one that was too large to be read, by `key_of`. It is emptied.

    Returns
    -------
    int
        Sources that were found.
    """
    part, parts = shard
    total = len(expected)
    for planned in plan(list_sources(places).entries, options, named=False):
        if planned.shard.number % parts != part - 1:
            continue
        for item, _ in records_of(planned, options):
            if isinstance(item, Document | Oversized):
                _check(item.source, expected, tell, too_large=isinstance(item, Oversized))
            elif isinstance(item, Failed) and expected.pop(key_of(item.id, item.uri, item.member, item.offset)) is not None:
                place = _place(item.uri, item.member, item.offset)
                tell(Finding(place, "source-changed", f"it cannot be read any more: {item.reason}"))
            found = total - len(expected)
            if found % 100 == 0:
                watch(found, total)
    left = len(expected)
    for key in expected:
        _, uri, member, offset = json.loads(key)
        tell(Finding(_place(uri, member, offset), "source-missing", "the source is gone, or stands elsewhere in its file"))
    return total - left


def _check(source: Source, expected: DiskMap, tell: Tell, *, too_large: bool) -> None:
    wanted = expected.pop(key_of(document_id(source), source.uri, source.member, source.offset))
    if wanted is None:
        return
    raw = source.raw.encode("utf-8", "surrogatepass") if isinstance(source.raw, str) else source.raw
    if wanted != ("" if too_large else hashlib.sha256(raw).hexdigest()):
        tell(Finding(_place(source.uri, source.member, source.offset), "source-changed", "its sha256 is not that of the record"))


def _place(uri: str, member: str | None, offset: int | None) -> str:
    return f"{uri}{'' if member is None else f' {member}'}{'' if offset is None else f' at {offset}'}"
