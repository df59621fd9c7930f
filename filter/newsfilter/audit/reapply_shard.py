"""One shard under another policy: its documents one by one, its files, its ledger lines, and last its marker."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import newsfilter
from newsfilter.audit.reapply import Policy, reapply
from newsfilter.audit.rewriting import Rewriter, rewriter_of
from newsfilter.dumps.documents import Failed
from newsfilter.dumps.ledger import Line, failed_line
from newsfilter.dumps.outputs_marker import ledger_name, marker_name
from newsfilter.dumps.outputs_store import LocalStore, Store, open_store, write
from newsfilter.dumps.results import Run, Stored, open_run, part_lines, stem_of, stored_files, stored_rows
from newsfilter.dumps.summary import STATUSES
from newsfilter.dumps.writing import write_result
from newsfilter.errors import RecordError


@dataclass(frozen=True, slots=True)
class Job:
    """What all shards have in common; small, because it goes to another process with each."""

    source: str
    out: str
    before: Policy
    after: Policy


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a shard came to."""

    lines: bytes  # of the ledger
    changed: int
    troubles: tuple[str, ...]  # documents that could not be judged again, and why
    cpu: float  # seconds


def reapply_shards(job: Job, numbers: Sequence[int]) -> list[Outcome]:
    """Apply a policy to some shards, one after another."""
    run, store = open_run(job.source), open_store(job.out)
    try:
        return [reapply_shard(job, run, store, number) for number in numbers]
    finally:
        run.store.close()
        store.close()


def reapply_shard(job: Job, run: Run, store: Store, number: int) -> Outcome:
    """Apply a policy to one shard and write it, its marker last."""
    began = time.process_time()
    marker = json.loads(run.store.read(marker_name(number)) or b"{}")
    lines: list[bytes] = []
    counts: Counter[str] = Counter()
    troubles: list[str] = []
    changed = 0
    with rewriter_of(run, store, number, job.after.sha256) as rewriter:
        for document in _documents(run, number):
            try:
                line = _written(document, job, run, store, rewriter)
            except RecordError as error:
                troubles.append(f"{document.name}: {error}")
                old = document.line
                line = failed_line(Failed(old["id"], old["uri"], "unusable-record", str(error), old["member"], old["offset"]))
            changed += any(line[key] != document.line[key] for key in ("status", "body_sha256"))
            counts[line["status"]] += 1
            lines.append(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n")
        outputs = rewriter.finish()
    if lines:
        write(store, ledger_name(number), b"".join(lines))
    marker |= {
        "newsfilter": newsfilter.__version__,
        "settings": marker["settings"] | job.after.as_json(),
        "counts": {"documents": counts.total(), **{status: counts[status] for status in STATUSES}},
        "outputs": outputs,
    }
    write(store, marker_name(number), json.dumps(marker, ensure_ascii=False, indent=2).encode("utf-8", "replace") + b"\n")
    return Outcome(b"".join(lines), changed, tuple(troubles), time.process_time() - began)


def _documents(run: Run, number: int) -> Iterator[Stored]:
    lines = part_lines(run.store, number)
    if run.format == "files":
        return (stored_files(run.store, line) for line in lines)
    return stored_rows(run, number, lines)


def _written(document: Stored, job: Job, run: Run, store: Store, rewriter: Rewriter) -> Line:
    """Write what becomes of one document, and return its ledger line."""
    line = document.line
    if line["status"] == "failed":
        return line
    stem = stem_of(line) if run.format == "files" else ""
    new = reapply(document, job.before, job.after)
    if run.format == "files":
        assert isinstance(store, LocalStore)
        return {**new.line, "output": write_result(store.root, stem, new.line["status"], new.body, new.record)}
    rewriter.take(new, document.row)
    return {**new.line, "output": line["output"]}
