"""Joining the slices of ``--shard K/N`` to the run that they are parts of: one ledger, one ``run.json``, one tree."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from newsfilter.dumps.duplicates import NAME as DUPLICATES
from newsfilter.dumps.duplicates import Found, look_back
from newsfilter.dumps.earlier import earlier_run
from newsfilter.dumps.inputs import NAME as INPUTS
from newsfilter.dumps.inputs import input_uris
from newsfilter.dumps.interrupt import Interruption
from newsfilter.dumps.ledger import Ledger
from newsfilter.dumps.merge_check import Slice, check_slices, open_slices
from newsfilter.dumps.merge_files import bring, files_of, stays_inside
from newsfilter.dumps.order import Result
from newsfilter.dumps.outputs_marker import ledger_name, marker_name, remove_shards, remove_work
from newsfilter.dumps.outputs_store import LocalStore, Store, open_store
from newsfilter.dumps.runfile import SCHEMA, differences, write_run
from newsfilter.dumps.summary import STATUSES, Totals, imbalance
from newsfilter.dumps.writing import StoppedError, remove_earlier, remove_temporaries
from newsfilter.errors import OutputError

Watch = Callable[[int, int, float | None], None]


@dataclass(frozen=True, slots=True)
class MergeOrder:
    """What is to be joined."""

    outs: tuple[str, ...]  # the slices' folders or URLs, in any order
    merged: str  # where to
    dedup: bool = False  # list exact repeats of bodies when all is joined
    resume: bool = False  # go on with a merge that was interrupted
    overwrite: bool = False


def merge_runs(order: MergeOrder, watch: Watch | None = None) -> Result:
    """Join finished slices. They stay as they are; on one file system their files are linked, not copied.

    Parameters
    ----------
    order
        What, and where to.
    watch
        Called with the number of documents that are joined, and how many there are.

    Raises
    ------
    OutputError
        Before anything is written: the slices are not all there once, finished and of one kind, or MERGED is not empty. The message names all that
        is missing or differs. Later: a file that a slice's ledger names is gone.
    """
    slices = open_slices(order.outs)
    store = open_store(order.merged)
    local = Path(store.name("")) if isinstance(store, LocalStore) else None
    _check_places(order, local)
    earlier = earlier_run(store, local, resume=order.resume, overwrite=order.overwrite)
    check_slices(slices)
    content = joined(slices)
    if earlier is not None and order.resume:
        _check_same(order, earlier, content)
    try:
        if local is not None:
            local.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{order.merged}: cannot be made ({error.strerror}); give -o a folder that can be written to") from None
    ledger = Ledger(local) if local is not None else None
    try:
        return _Merge(order, slices, store, ledger, content).run(watch or (lambda _done, _total, _share: None))
    finally:
        if ledger is not None:
            ledger.close()
        for opened in (store, *(one.store for one in slices)):
            opened.close()


def _check_places(order: MergeOrder, local: Path | None) -> None:
    """Refuse a MERGED in which a slice stands, or that stands in one: each would write over the other."""
    merged = order.merged.rstrip("/") if local is None else local.resolve()
    for out in order.outs:
        other = open_store(out)
        there = Path(other.name("")).resolve() if isinstance(other, LocalStore) else out.rstrip("/")
        if isinstance(merged, Path) and isinstance(there, Path):
            inside = merged.is_relative_to(there) or there.is_relative_to(merged)
        else:
            inside = f"{merged}/".startswith(f"{there}/") or f"{there}/".startswith(f"{merged}/")
        if inside:
            raise OutputError(f"{order.merged}: MERGED and the slice {out} lie in each other; give -o a folder of its own")


def _check_same(order: MergeOrder, earlier: Mapping[str, Any], content: Mapping[str, Any]) -> None:
    """Refuse to go on with what was no merge, or one of other slices."""
    if "merged" not in earlier:
        raise OutputError(f"{order.merged}: holds no merge to resume; give -o another folder, or use --overwrite")
    found = differences(earlier, content)
    if found:
        raise OutputError(
            f"{order.merged}: cannot be resumed, for this differs: {'; '.join(found)}; merge the same as then, or use --overwrite"
        )


class _Merge:
    """One merge, under way."""

    def __init__(self, order: MergeOrder, slices: Sequence[Slice], store: Store, ledger: Ledger | None, content: dict[str, Any]) -> None:
        self.order, self.slices, self.store, self.ledger, self.content = order, slices, store, ledger, content
        self.found: Counter[str | None] = Counter()  # records, by file, as the shards' markers count them
        self.lines = 0
        self.status: Counter[str] = Counter()  # of documents, as the ledgers have them
        self.notes: list[str] = []

    def run(self, watch: Watch) -> Result:
        stopped, interrupted, wrong = None, False, None
        self._begin()
        try:
            with Interruption() as interruption:
                write_run(self.store, self.content)
                for one, number in self._shards():
                    with interruption.held():
                        self._take(one, number)
                    watch(self.lines, self.content["counts"]["documents"], None)
                bring(self.slices[0].store, self.store, INPUTS)
                self._look_back()
            self.content["status"] = "finished"
        except KeyboardInterrupt:
            interrupted = True
        except StoppedError as error:
            stopped = str(error)
        if self.content["status"] == "finished":
            remove_work(self.order.merged)
            wrong = self._imbalance()
        else:
            self.content["status"] = "interrupted"
        try:
            write_run(self.store, self.content)
        except StoppedError as error:
            stopped = stopped or str(error)
        return Result(self.content, stopped, interrupted, wrong, tuple(self.notes))

    def _begin(self) -> None:
        if self.ledger is not None:
            self.ledger.clear()
            if self.order.overwrite:
                remove_earlier(self.ledger.path.parent)
            else:
                remove_temporaries(self.ledger.path.parent)
        if self.order.overwrite:
            remove_shards(self.order.merged)
        self.store.remove(DUPLICATES)

    def _shards(self) -> Iterator[tuple[Slice, int]]:
        """All shards with the slice that each is from, in source order."""
        yield from sorted(((one, number) for one in self.slices for number in one.numbers), key=lambda pair: pair[1])

    def _take(self, one: Slice, number: int) -> None:
        """Bring one shard over: its files, its ledger lines, and last its marker."""
        marker = one.marker(number)
        data = one.store.read(ledger_name(number)) or b""
        lines = [json.loads(line) for line in data.splitlines()]
        for name in marker["outputs"] or files_of(lines):
            if not stays_inside(name):
                raise OutputError(
                    f"{one.store.name(ledger_name(number))}: {name!r} leads out of the folder; clean that slice again with --overwrite"
                )
            bring(one.store, self.store, name)
        if data:
            bring(one.store, self.store, ledger_name(number))
        if self.ledger is not None:
            self.ledger.append(data)
        bring(one.store, self.store, marker_name(number))
        self.lines += len(lines)
        self.status.update(line["status"] for line in lines)
        self.found[marker["uri"]] += marker["counts"]["documents"] + sum(marker["skipped"].values())

    def _look_back(self) -> None:
        found = look_back(self.order.merged, self.lines, (uri for uri, _ in input_uris(self.store)), dedup=self.order.dedup)
        self.content |= found.content()
        self.notes += found.notes

    def _imbalance(self) -> str | None:
        wrong = imbalance(self.content, self.found, self.ledger.count() if self.ledger else self.lines)
        counts = {status: self.content["counts"][status] for status in STATUSES}
        if wrong is None and counts != {status: self.status[status] for status in STATUSES}:
            return f"the merge does not add up: the slices counted {counts}, and their ledgers have {dict(self.status)}; clean them again with --overwrite"
        return wrong


def joined(slices: Sequence[Slice]) -> dict[str, Any]:
    """Return the slices' ``run.json`` as one, which says that it is still being made."""
    slices = sorted(slices, key=lambda one: one.part)
    contents = [one.content for one in slices]
    totals = Totals()
    by_uri: dict[str | None, list[Mapping[str, Any]]] = {}
    for content in contents:
        totals.add(content)
        totals.add_cpu(content["seconds"]["cpu"])
        for file in content["files"]:
            by_uri.setdefault(file["uri"], []).append(file)
    for uri in _in_source_order(by_uri, input_uris(slices[0].store)):
        for file in by_uri[uri]:
            totals.add_file(uri, {"counts": {name: count for name, count in file.items() if name != "uri"}})
    return {
        "schema": SCHEMA,
        "status": "running",
        **totals.content(),
        **Found().content(),
        "files": totals.files(),
        "sources": contents[0]["sources"],
        "settings": {**contents[0]["settings"], "shard": [1, 1]},
        "model": contents[0]["model"],
        "software": contents[0]["software"],
        "started": min(content["started"] for content in contents),
        "finished": max(content["finished"] for content in contents),
        "seconds": {"wall": round(sum(content["seconds"]["wall"] for content in contents), 3), "cpu": totals.cpu_seconds()},
        "merged": [{"out": one.out, "shard": [one.part, one.parts], "finished": one.content["finished"]} for one in slices],
    }


def _in_source_order(by_uri: Mapping[str | None, Any], inputs: Iterator[tuple[str, str | None]]) -> list[str | None]:
    """The files of many documents, and None for all others, in the order in which the inputs list them."""
    wanted = dict.fromkeys(by_uri)
    order = dict.fromkeys(uri for _, uri in inputs if uri in wanted)
    return [*order, *(uri for uri in wanted if uri not in order)]
