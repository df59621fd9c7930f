"""Files that could not be read when shards were planned, and what must be done anew when they can be.

Shards are numbered as they are planned. Where a file of many documents could not be opened, or one that is read as a stream broke off, what stands
behind it has other numbers once the storage is back.
"""

import json
from typing import Any

from newsfilter.dumps.outputs_marker import remove_shards_from
from newsfilter.dumps.outputs_rows import Target
from newsfilter.dumps.outputs_store import Store, write
from newsfilter.dumps.plan import Planned
from newsfilter.dumps.results import part_numbers
from newsfilter.dumps.shards import source_of
from newsfilter.dumps.writing import StoppedError

NAME = "_done/unread.json"
"""Not in ``run.json``, by which a cluster's workers know the run while it is under way."""

Entry = dict[str, Any]  # `shard`, its number; `source`, what it was made of; `columns`, a digest of the run's


class Unread:
    """The shards of a run that storage kept from being planned as they should be; those of its earlier parts too.

    Parameters
    ----------
    store, target
        The run's.

    Raises
    ------
    StoppedError
        When a file cannot be read or removed. Tables that could not be read lend no columns to the outputs: all shards are removed if there are others now.
    """

    def __init__(self, store: Store, target: Target) -> None:
        self._store, self._out, self._columns = store, target.out, target.content()["settings"]["columns"]
        earlier: list[Entry] = json.loads(store.read(NAME) or b"[]")
        self._entries = {entry["shard"]: entry for entry in earlier}
        if any(entry["columns"] != self._columns for entry in earlier):
            self._forget(0)

    def meet(self, planned: Planned) -> None:
        """Take a shard before it is handed out.

        Raises
        ------
        StoppedError
            When a file cannot be written or removed; or when an earlier part of the run could read what cannot be read now.
        """
        number = planned.shard.number
        entry = {"shard": number, "source": source_of(planned.shard), "columns": self._columns}
        if self._entries.get(number) == entry:
            return
        if number in self._entries:  # the storage is back, or further than it was
            self._forget(number)
        if planned.unread:
            if any(done >= number for done in part_numbers(self._store)):
                raise StoppedError(
                    f"{planned.shard.uri}: cannot be read, as it could be in an earlier part of this run; see that the storage can be reached, and "
                    "run the same command again with --resume"
                )
            self._entries[number] = entry
            self._keep()

    def _forget(self, number: int) -> None:
        remove_shards_from(self._out, number)
        self._entries = {before: entry for before, entry in self._entries.items() if before < number}
        self._keep()

    def _keep(self) -> None:
        if self._entries:
            write(self._store, NAME, json.dumps(list(self._entries.values()), ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        else:
            self._store.remove(NAME)
