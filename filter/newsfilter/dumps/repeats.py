"""Which keys come up more than once, among any number of them, in bounded memory.

Keys are written to files by their first bytes, so that all that are equal meet in one file, and a file's keys fit in memory. What is found there is
merged back into the order in which the keys came.
"""

import heapq
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Self

from newsfilter.dumps.writing import stopped_by

HELD = 250_000  # keys that are in memory at a time; with their texts 100 MB, see docs/decisions/0010-exact-repeats.md
FILES = 128  # open at a time: systems allow 1,024
KEY_BYTES = 32  # a key is a sha256
_BUFFER = 1 << 16
_FRAME = struct.Struct("<QII")  # the key's place in the order, lengths of the two parts that follow

Frame = tuple[int, bytes, bytes]


class Repeats:
    """Takes keys, each with a text, and tells which came before.

    Parameters
    ----------
    scratch
        Gives the path of a new temporary file.
    keys
        How many will come, roughly. More cost further readings of the files, not more memory.
    """

    def __init__(self, scratch: Callable[[], Path], keys: int) -> None:
        self._scratch = scratch
        self._paths: list[Path] = []
        self._streams: list[BinaryIO] = []
        self._wanted = min(max(-(-keys // HELD), 1), FILES)
        self._counts = [0] * self._wanted
        self._added = 0

    def __enter__(self) -> Self:
        self._streams = [self._opened(self._new()) for _ in range(self._wanted)]
        return self

    def __exit__(self, *_: object) -> None:
        for stream in self._streams:
            with suppress(OSError):  # no room for what is left to write; nobody will read it
                stream.close()
        for path in self._paths:
            with suppress(OSError):
                path.unlink()

    def add(self, key: bytes, text: bytes) -> None:
        """Take a key of `KEY_BYTES`, of which every bit is as good as random.

        Raises
        ------
        StoppedError
            When it cannot be written.
        """
        which = int.from_bytes(key[:4]) * self._wanted >> 32
        with _writing(self._paths[which]):
            _put(self._streams[which], (self._added, key, text))
        self._counts[which] += 1
        self._added += 1

    def found(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield, for each key that had come before, its text and that of the first of its kind, in the order in which they came. To be called once.

        Raises
        ------
        StoppedError
            When a temporary file cannot be written.
        """
        parts = self._paths[: self._wanted]
        for path, stream in zip(parts, self._streams, strict=True):
            with _writing(path):
                stream.close()
        runs: list[Path] = []
        for path, count in zip(parts, self._counts, strict=True):
            passes = max(-(-count // HELD), 1)
            runs += [
                self._written(_repeated(frame for frame in _frames(path) if frame[1][-1] % passes == one))
                for one in range(min(passes, 256))
            ]
            path.unlink()
        while len(runs) > FILES:
            runs, merged = runs[FILES:], runs[:FILES]
            runs.append(self._written(heapq.merge(*map(_frames, merged))))
            for path in merged:
                path.unlink()
        yield from ((text, first) for _, text, first in heapq.merge(*map(_frames, runs)))

    def _written(self, frames: Iterable[Frame]) -> Path:
        path = self._new()
        with _writing(path), self._opened(path) as stream:
            for frame in frames:
                _put(stream, frame)
        return path

    def _new(self) -> Path:
        path = self._scratch()
        self._paths.append(path)
        return path

    def _opened(self, path: Path) -> BinaryIO:
        with _writing(path):
            return path.open("xb", buffering=_BUFFER)


def _repeated(frames: Iterable[Frame]) -> Iterator[Frame]:
    """From a number, key and text each, those whose key came before, as number, text, and text of the first."""
    seen: dict[bytes, bytes] = {}
    for number, key, text in frames:
        first = seen.setdefault(key, text)
        if first is not text:
            yield number, text, first


def _put(stream: BinaryIO, frame: Frame) -> None:
    number, one, other = frame
    stream.write(_FRAME.pack(number, len(one), len(other)) + one + other)


def _frames(path: Path) -> Iterator[Frame]:
    with path.open("rb", buffering=_BUFFER) as stream:
        while head := stream.read(_FRAME.size):
            number, one, other = _FRAME.unpack(head)
            yield number, stream.read(one), stream.read(other)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise stopped_by(error, path) from error
