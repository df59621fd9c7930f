"""What does not fit in memory for a dump of any size: keys and values in a temporary file, and a join of two streams that rests on it."""

import json
import sqlite3
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

HELD = 1_000  # items of a stream that wait in memory for their like; more wait in a file


class DiskMap:
    """Keys, each with one or more values, in a temporary file that goes with this object. Values of a key come out in the order they went in."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="newsfilter-")
        # Nothing here outlives the process, so that nothing need be safe from a crash.
        self._rows = sqlite3.connect(Path(self._folder.name) / "map.sqlite", isolation_level=None)
        for command in ("journal_mode = off", "synchronous = off", "locking_mode = exclusive"):
            self._rows.execute(f"pragma {command}")
        self._rows.execute("create table rows (place integer primary key, key text, value text)")
        self._rows.execute("create index keys on rows (key)")
        self._rows.execute("begin")
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return self._number

    def put(self, key: str, value: str = "") -> None:
        """Put in a value."""
        self._rows.execute("insert into rows (key, value) values (?, ?)", (_plain(key), _plain(value)))
        self._number += 1

    def has(self, key: str) -> bool:
        """Say whether there is a value of that key."""
        return self._rows.execute("select 1 from rows where key = ? limit 1", (_plain(key),)).fetchone() is not None

    def pop(self, key: str) -> str | None:
        """Take out the oldest value of a key; None where there is none."""
        if not self._number:
            return None
        row = self._rows.execute("select place, value from rows where key = ? order by place limit 1", (_plain(key),)).fetchone()
        if row is None:
            return None
        self._rows.execute("delete from rows where place = ?", (row[0],))
        self._number -= 1
        return str(row[1])

    def __iter__(self) -> Iterator[str]:
        """Yield the keys, those of the oldest values first."""
        yield from (key for (key,) in self._rows.execute("select key from rows order by place"))

    def values(self) -> Iterator[str]:
        """Yield the values, the oldest first."""
        yield from (value for (value,) in self._rows.execute("select value from rows order by place"))

    def close(self) -> None:
        """Remove the file."""
        self._rows.close()
        self._folder.cleanup()


def _plain(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()  # sqlite takes no lone surrogates


Item = dict[str, Any]  # of JSON values
Key = Callable[[Item], str]


def paired(one: Iterator[Item], other: Iterator[Item], key: Key, held: int = HELD) -> Iterator[tuple[Item | None, Item | None]]:
    """Join two streams by a key, whatever their order, in bounded memory: best where both have the same order and few items lack.

    Yields
    ------
    tuple
        An item of each, with one key; at the end those that stand in one stream only, each with None. Of several items of one key, the n-th goes
        with the n-th.
    """
    sides = _Waiting(key, held), _Waiting(key, held)
    streams = [one, other]
    ended = [False, False]
    try:
        while not all(ended):
            for number in (0, 1):
                item = None if ended[number] else next(streams[number], None)
                if item is None:
                    ended[number] = True
                    continue
                like = sides[1 - number].take(key(item))
                if like is None:
                    sides[number].put(item)
                else:
                    yield (item, like) if number == 0 else (like, item)
        yield from ((item, None) for item in sides[0].left())
        yield from ((None, item) for item in sides[1].left())
    finally:
        for side in sides:
            side.close()


class _Waiting:
    """Items of one stream whose like has not come yet."""

    def __init__(self, key: Key, most: int) -> None:
        self._key, self._most = key, most
        self._memory: dict[str, deque[Item]] = {}
        self._count = 0
        self._disk: DiskMap | None = None  # what came before all that is in memory

    def put(self, item: Item) -> None:
        self._memory.setdefault(self._key(item), deque()).append(item)
        self._count += 1
        if self._count > self._most:
            self._disk = self._disk or DiskMap()
            for key, items in self._memory.items():
                for one in items:
                    self._disk.put(key, json.dumps(one))
            self._memory, self._count = {}, 0

    def take(self, key: str) -> Item | None:
        if self._disk is not None and (found := self._disk.pop(key)) is not None:
            item: Item = json.loads(found)
            return item
        waiting = self._memory.get(key)
        if waiting is None:
            return None
        self._count -= 1
        first = waiting.popleft()
        if not waiting:
            del self._memory[key]
        return first

    def left(self) -> Iterator[Item]:
        if self._disk is not None:
            yield from (json.loads(value) for value in self._disk.values())
        for items in self._memory.values():
            yield from items

    def close(self) -> None:
        if self._disk is not None:
            self._disk.close()
