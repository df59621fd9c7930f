"""How far a run is in its inputs' bytes, where nobody knows how many documents they hold."""

from collections.abc import Iterable

from newsfilter.dumps.shards import Shard
from newsfilter.dumps.sources import Entry

_BY_BYTES = frozenset({"warc", "jsonl"})  # formats whose shards say where in the file they end; of the others only whole files count


class Position:
    """Follows the shards as they are planned, and tells which share of all bytes lies before the end of each.

    Parameters
    ----------
    entries
        All inputs. Where the size of one is not known, no share is.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        sizes = [entry.size for entry in entries]
        self._whole = 0 if None in sizes else sum(size or 0 for size in sizes)
        self._file: str | None = None
        self._before, self._size = 0, 0  # bytes before the file that the last shard is of, and of it
        self._ends: dict[int, int] = {}  # by number, of shards that are under way

    def follow(self, shard: Shard) -> None:
        """Take note of the next shard, in source order."""
        if shard.format == "files" or shard.uri != self._file:
            self._before, self._size = self._before + self._size, shard.size or 0
            self._file = None if shard.format == "files" else shard.uri
        inside = 0
        if shard.format == "files":
            inside = self._size
        elif shard.format in _BY_BYTES:
            inside = self._size if shard.stop is None else shard.stop
        self._ends[shard.number] = self._before + inside

    def forget(self, number: int) -> None:
        """Drop a shard that this run does not do."""
        del self._ends[number]

    def share(self, number: int) -> float | None:
        """Return the share of all bytes, 0 to 1, that lies before the end of a shard, which is done; None where it is not known."""
        end = self._ends.pop(number)
        return end / self._whole if self._whole else None
