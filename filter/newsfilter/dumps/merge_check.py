"""Whether slices are those of one run: all there, each once, finished, made of the same by the same."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from newsfilter.dumps.inputs import NAME as INPUTS
from newsfilter.dumps.outputs_marker import DONE, MARKER, marker_name
from newsfilter.dumps.outputs_store import Store, open_store
from newsfilter.dumps.runfile import differences, read_json, read_run
from newsfilter.errors import OutputError

_MARKER = re.compile(r"part-(\d{6,})\.json")
MISSING_NAMED = 10  # of a hundred slices that are missing, one knows what happened after ten


@dataclass(frozen=True, slots=True)
class Slice:
    """One finished slice of a run."""

    out: str  # as given
    store: Store
    content: Mapping[str, Any]  # of its run.json
    numbers: tuple[int, ...]  # of its shards, ascending

    @property
    def part(self) -> int:
        """Which slice it is, from 1."""
        return int(self.content["settings"]["shard"][0])

    @property
    def parts(self) -> int:
        """How many there are."""
        return int(self.content["settings"]["shard"][1])

    def marker(self, number: int) -> dict[str, Any]:
        """Return what the marker of a shard holds.

        Raises
        ------
        OutputError
            When it is damaged.
        """
        name = marker_name(number)
        marker = read_json(self.store, name, MARKER)
        if marker is None:
            raise OutputError(f"{self.store.name(name)}: is damaged; run that slice once more with --resume, which makes the shard anew")
        return marker


def open_slices(outs: Sequence[str]) -> list[Slice]:
    """Open the folders of slices.

    Raises
    ------
    OutputError
        When one holds no run.
    """
    slices = []
    for out in outs:
        store = open_store(out)
        content = read_run(store)
        if content is None:
            raise OutputError(f"{out}: holds no run (no run.json); give the OUTs of newsfilter clean --shard K/N")
        numbers = sorted(int(match[1]) for name in store.names(DONE) if (match := _MARKER.fullmatch(name)))
        slices.append(Slice(out, store, content, tuple(numbers)))
    return slices


def check_slices(slices: Sequence[Slice]) -> None:
    """Refuse what is not the whole of one run.

    Raises
    ------
    OutputError
        Names all that is missing or differs.
    """
    wrong = [f"{one.out} is not finished ({one.content['status']})" for one in slices if one.content["status"] != "finished"]
    wrong += _places(slices)
    wrong += [text for one in slices[1:] for text in _unlike(slices[0], one)]
    wrong += [text for one in slices for text in _shards(one)]
    if not wrong:
        wrong = list(_holes(slices))
    if wrong:
        raise OutputError(
            f"these slices cannot be joined: {'; '.join(wrong)}; clean what is missing or differs, each slice with the same command"
        )


def _places(slices: Sequence[Slice]) -> Iterator[str]:
    """What is missing, what is there twice, what is a slice of another cut."""
    parts = slices[0].parts
    by_part: dict[int, str] = {}
    for one in slices:
        if one.parts != parts:
            yield f"{slices[0].out} is one of {parts} slices, {one.out} one of {one.parts}"
        elif one.part in by_part:
            yield f"slice {one.part}/{parts} is there twice: {by_part[one.part]} and {one.out}"
        else:
            by_part[one.part] = one.out
    missing = [part for part in range(1, parts + 1) if part not in by_part]
    if missing:
        more = f" and {len(missing) - MISSING_NAMED} more" if len(missing) > MISSING_NAMED else ""
        yield f"missing: {', '.join(f'{part}/{parts}' for part in missing[:MISSING_NAMED])}{more}"


def _unlike(first: Slice, one: Slice) -> Iterator[str]:
    """In what a slice differs from the first."""
    found = differences(_alike(first.content), _alike(one.content), (f"in {first.out}", f"in {one.out}"))
    versions = [content.get("software") or {} for content in (first.content, one.content)]
    found += [
        f"software {name} ({versions[0].get(name)} in {first.out}, {versions[1].get(name)} in {one.out})"
        for name in sorted(versions[0].keys() | versions[1].keys())
        if versions[0].get(name) != versions[1].get(name)
    ]
    yield from found
    yield from _other_inputs(first, one)


def _alike(content: Mapping[str, Any]) -> dict[str, Any]:
    """What must be the same in all slices: everything but which slice it is."""
    return {**content, "settings": {name: value for name, value in content["settings"].items() if name != "shard"}}


def _other_inputs(first: Slice, one: Slice) -> Iterator[str]:
    lists = [(each.store.read(INPUTS), each.out) for each in (first, one)]
    gone = [out for data, out in lists if data is None]
    if gone:
        yield f"{gone[0]} lacks {INPUTS}"
        return
    before, after = (data or b"" for data, _ in lists)
    if before != after:
        pairs = zip_longest(before.splitlines(), after.splitlines(), fillvalue=b"nothing")
        line, other = next((pair for pair in pairs if pair[0] != pair[1]), (b"", b""))
        yield f"inputs ({line.decode('utf-8', 'replace')} in {first.out}, {other.decode('utf-8', 'replace')} in {one.out})"


def _shards(one: Slice) -> Iterator[str]:
    """Shards that do not belong to a slice, or whose files are not as their markers say."""
    foreign = [number for number in one.numbers if number % one.parts != one.part - 1]
    if foreign:
        yield f"{one.out} holds shard {foreign[0]}, which is of another slice"
    for number in one.numbers:
        for name, output in one.marker(number)["outputs"].items():
            size = one.store.size(name)
            if size != output["bytes"]:
                yield f"{one.store.name(name)} {_bytes(size)}, and had {output['bytes']:,} when it was written"


def _bytes(size: int | None) -> str:
    return "is missing" if size is None else f"has {size:,} bytes"


def _holes(slices: Sequence[Slice]) -> Iterator[str]:
    there = sorted(number for one in slices for number in one.numbers)
    hole = next((expected for expected, number in enumerate(there) if number != expected), None)
    if hole is not None:
        owner = next(one.out for one in slices if one.part - 1 == hole % one.parts)
        yield f"{owner} lacks shard {hole}"
