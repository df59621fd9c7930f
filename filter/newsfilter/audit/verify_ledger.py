"""A run's accounts: ledger, markers and run.json held against each other."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from newsfilter.audit.spill import paired
from newsfilter.audit.verify_document import Finding
from newsfilter.dumps.duplicates import NAME as DUPLICATES
from newsfilter.dumps.ledger import NAME as LEDGER
from newsfilter.dumps.ledger import Line
from newsfilter.dumps.ledger_lines import read_line
from newsfilter.dumps.outputs_marker import MARKER, ledger_name, marker_name
from newsfilter.dumps.outputs_store import LocalStore, Store
from newsfilter.dumps.readers.opening import open_binary
from newsfilter.dumps.results import Run
from newsfilter.dumps.summary import STATUSES, Totals
from newsfilter.errors import InputError, OutputError

Tell = Callable[[Finding], None]
PIECE_BYTES = 1 << 20  # of a file, read at once


def known_lines(store: Store, number: int, tell: Tell) -> Iterator[Line]:
    """Yield the lines that a shard left beside its marker; tells of those that are none."""
    name = ledger_name(number)
    yield from _lines(store.name(name), (store.read(name) or b"").splitlines(), tell)


def _lines(name: str, raw_lines: "Iterator[bytes] | list[bytes]", tell: Tell) -> Iterator[Line]:
    for number, raw in enumerate(raw_lines, start=1):
        try:
            yield read_line(name, number, raw)
        except OutputError:
            tell(Finding(f"{name}:{number}", "ledger-changed", "no ledger line"))


def check_ledger(store: Store, numbers: list[int], tell: Tell) -> Iterator[Line]:
    """Hold ``ledger.jsonl`` against what the shards left, and yield the lines that it alone has. Remote storage has no such file."""
    if not isinstance(store, LocalStore):
        return
    path, name = store.root / LEDGER, store.name(LEDGER)
    if not path.is_file():
        tell(Finding(name, "ledger-missing", "the ledger is gone; newsfilter clean --resume writes it anew"))
        return
    parts, ledger = hashlib.sha256(), hashlib.sha256()
    with path.open("rb") as stream:
        found = _placed(_lines(name, _fed(stream, ledger), tell))
        known = (line for number in numbers for line in _fed_lines(store, number, parts))
        odd = False
        for one, other in paired(_placed(known), found, lambda item: str(item["line"]["id"])):
            if one is None and other is not None:
                odd = True
                tell(
                    Finding(
                        f"{name}:{other['at']}",
                        "ledger-added",
                        f"no shard has such a line of {other['line']['id']}; it was added, or stands there twice",
                    )
                )
                yield other["line"]
            elif one is not None and other is None:
                odd = True
                tell(Finding(name, "ledger-missing", f"the line of {one['line']['id']} ({one['line']['uri']}) is gone"))
            elif one is not None and other is not None and one["line"] != other["line"]:
                odd = True
                keys = [key for key in one["line"].keys() | other["line"].keys() if one["line"].get(key) != other["line"].get(key)]
                tell(
                    Finding(
                        f"{name}:{other['at']}",
                        "ledger-changed",
                        f"{', '.join(sorted(keys))} of {one['line']['id']}: not what the shard's own ledger says",
                    )
                )
    if not odd and parts.digest() != ledger.digest():
        tell(Finding(name, "ledger-changed", "its lines stand in another order, or are written otherwise"))


def _placed(lines: Iterator[Line]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, start=1):
        yield {"at": number, "line": line}


def _fed(stream: Iterator[bytes], digest: Any) -> Iterator[bytes]:
    for raw in stream:
        digest.update(raw)
        yield raw


def _fed_lines(store: Store, number: int, digest: Any) -> Iterator[Line]:
    """The lines of one shard; what is no line is told of where the shard is checked."""
    data = store.read(ledger_name(number)) or b""
    digest.update(data)
    yield from _lines(store.name(ledger_name(number)), data.splitlines(), lambda _finding: None)


def check_markers(run: Run, numbers: list[int], tell: Tell, *, told: bool) -> Counter[str]:
    """Check that every shard has its marker; return what the markers count as skipped, by kind. `told`: run.json says what they can be held against."""
    part, parts = run.content["settings"].get("shard") or (1, 1)
    known = set(run.numbers())
    last = max([*known, *numbers], default=part - 1 - parts)
    for number in sorted({*range(part - 1, last + 1, parts), *numbers} - known):
        tell(
            Finding(
                run.store.name(marker_name(number)), "marker-missing", "the marker is gone, so that nobody knows whether its shard is whole"
            )
        )
    skipped: Counter[str] = Counter()
    for number in sorted(known):
        marker = _marker(run, number, tell, told=told)
        if marker is not None:
            skipped.update({str(kind): int(count) for kind, count in marker["skipped"].items()})
    return skipped


def _marker(run: Run, number: int, tell: Tell, *, told: bool) -> dict[str, Any] | None:
    """Check one marker, and the files that it speaks of."""
    name = run.store.name(marker_name(number))
    try:
        marker = json.loads(run.store.read(marker_name(number)) or b"")
        if marker["schema"] != MARKER:
            tell(Finding(name, "record-newer", f"its schema is {marker['schema']!r}, this newsfilter reads {MARKER!r}"))
            return None
        counts = Counter(line["status"] for line in known_lines(run.store, number, tell))
        wrong = list(_marker_faults(marker, number, counts))
        wrong += _differences(run, marker) if told else []
        for file, output in marker["outputs"].items():
            _check_file(run.store.name(file), output, tell)
        marker["skipped"].items()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        tell(Finding(name, "marker-changed", f"no marker: {error!r}"))
        return None
    if wrong:
        tell(Finding(name, "marker-changed", "; ".join(wrong)))
    return dict(marker)


def _marker_faults(marker: Mapping[str, Any], number: int, counts: Counter[str]) -> Iterator[str]:
    if marker["number"] != number:
        yield f"it says that it is of shard {marker['number']}"
    for status in STATUSES:
        if marker["counts"][status] != counts[status]:
            yield f"it counts {marker['counts'][status]} {status}, the shard's ledger {counts[status]}"
    if marker["counts"]["documents"] != counts.total():
        yield f"it counts {marker['counts']['documents']} documents, the shard's ledger {counts.total()}"


def _differences(run: Run, marker: Mapping[str, Any]) -> Iterator[str]:
    """What a marker says otherwise than run.json."""
    said = {key: value for key, value in marker["settings"].items() if key != "columns"}
    other = [key for key, value in said.items() if run.content["settings"].get(key) != value]
    if other:
        yield f"{', '.join(other)}: another value than in run.json"
    if marker["model"]["sha256"] != (run.content.get("model") or {}).get("sha256"):
        yield "another model than in run.json"


def check_duplicates(run: Run, tell: Tell) -> None:
    """Hold the list of repeated bodies against what run.json counts."""
    counted = run.content.get("duplicates")
    if not isinstance(counted, dict):
        return
    name = run.store.name(DUPLICATES)
    data = run.store.read(DUPLICATES)
    lines = None if data is None else data.count(b"\n")
    if lines is None:
        tell(Finding(name, "ledger-missing", "the list of repeated bodies is gone"))
    elif lines != counted.get("repeats"):
        tell(Finding(name, "ledger-changed", f"it has {lines} lines, run.json counts {counted.get('repeats')} repeats"))


def _check_file(path: str, output: Mapping[str, Any], tell: Tell) -> None:
    try:
        with open_binary(path) as stream:
            hashed, size = hashlib.sha256(), 0
            while piece := stream.read(PIECE_BYTES):
                hashed.update(piece)
                size += len(piece)
            digest = hashed.hexdigest()
    except (InputError, OSError) as error:
        missing = getattr(error, "reason", "") == "missing"
        tell(Finding(path, "shard-missing" if missing else "unreadable", "the file is gone" if missing else str(error)))
        return
    if (size, digest) != (output["bytes"], output["sha256"]):
        sizes = "" if size == output["bytes"] else f", and it has {size:,} bytes, not {output['bytes']:,}"
        tell(Finding(path, "shard-changed", f"its sha256 is not that of its marker{sizes}"))


def check_counts(run: Run, totals: Totals, files: Mapping[str | None, Counter[str]], skipped: Counter[str], tell: Tell) -> None:
    """Hold run.json's figures against what the ledger's lines add up to."""
    content, wanted = run.content, totals.content()
    wrong = []
    try:
        for key, value in wanted["counts"].items():
            if key != "skipped" and content["counts"][key] != value:
                wrong.append(f"{key} is {content['counts'][key]}, the ledger has {value}")
        wrong += [f"{key} differ from the ledger's" for key in ("reasons", "characters") if content[key] != wanted[key]]
        if content["counts"]["skipped"] != sum(content["skipped"].values()):
            wrong.append("skipped is not the sum of its kinds")
        wrong += [
            f"skipped {kind}: {content['skipped'].get(kind, 0)}, the markers have {n}"
            for kind, n in skipped.items()
            if content["skipped"].get(kind, 0) < n
        ]
        for file in content["files"]:
            counts = files.get(file["uri"], Counter())
            if any(file[key] != counts[key] for key in ("documents", *STATUSES)):
                wrong.append(f"the counts of {file['uri'] or 'files of their own'} are not the ledger's")
    except (KeyError, TypeError, AttributeError) as error:
        wrong.append(f"it lacks what run.json has: {error!r}")
    if wrong:
        tell(Finding(run.store.name("run.json"), "run-changed", "; ".join(wrong)))
