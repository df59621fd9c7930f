"""Files that could not be read when shards were planned, and what must be done anew when they can be.

Shards are numbered as they are planned. Where a file of many documents could not be opened, or one that is read as a stream broke off, what stands
behind it has other numbers once the storage is back.
"""

from typing import Any

from newsfilter.dumps.outputs_marker import remove_shards_from
from newsfilter.dumps.outputs_rows import Target
from newsfilter.dumps.outputs_store import open_store
from newsfilter.dumps.plan import Planned
from newsfilter.dumps.results import part_numbers
from newsfilter.dumps.shards import source_of
from newsfilter.dumps.writing import StoppedError

Entry = dict[str, Any]  # `shard`, its number; `source`, what it was made of; `columns`, a digest of the run's


class Unread:
    """The shards of a run that storage kept from being planned as they should be, as ``run.json`` has them under ``unread``.

    Parameters
    ----------
    target
        The run's.
    earlier
        What `content` returned in an earlier part of the run.

    Raises
    ------
    StoppedError
        When a file cannot be removed. Tables that could not be read lend no columns to the outputs: all shards are removed if there are others now.
    """

    def __init__(self, target: Target, earlier: list[Entry]) -> None:
        self._out, self._columns = target.out, target.content()["settings"]["columns"]
        self._entries = {entry["shard"]: entry for entry in earlier}
        if any(entry["columns"] != self._columns for entry in earlier):
            self._forget(0)

    def meet(self, planned: Planned) -> None:
        """Take a shard before it is handed out.

        Raises
        ------
        StoppedError
            When a file cannot be removed; or when an earlier part of the run could read what cannot be read now.
        """
        number = planned.shard.number
        entry = {"shard": number, "source": source_of(planned.shard), "columns": self._columns}
        if self._entries.get(number) == entry:
            return
        if number in self._entries:  # the storage is back, or further than it was
            self._forget(number)
        if planned.unread:
            if any(done >= number for done in part_numbers(open_store(self._out))):
                raise StoppedError(
                    f"{planned.shard.uri}: cannot be read, as it could be in an earlier part of this run; see that the storage can be reached, and "
                    "run the same command again with --resume"
                )
            self._entries[number] = entry

    def _forget(self, number: int) -> None:
        remove_shards_from(self._out, number)
        self._entries = {before: entry for before, entry in self._entries.items() if before < number}

    def content(self) -> list[Entry]:
        """Return what ``run.json`` says."""
        return list(self._entries.values())
