"""What the commands that audit a run do: verify, restore, reapply, diff. Each returns an exit status."""

import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from newsfilter.errors import OutputError
from newsfilter.options import UsageError
from newsfilter.settings import POLICY
from newsfilter.terminal import complain, counted, print_json, progress, visible

OK, FINDINGS, TROUBLE = 0, 1, 2


def _reapply(known: Namespace) -> int:
    from newsfilter.audit.reapply_run import Order, reapply_run  # noqa: PLC0415 - as above
    from newsfilter.dumps.summary import summary_text  # noqa: PLC0415 - as above

    order = Order(
        source=known.folder,
        out=known.out,
        settings={name: value for name in POLICY if (value := getattr(known, name)) is not None},
        thresholds=dict(known.thresholds),
        jobs=known.jobs,
        overwrite=known.overwrite,
    )
    with progress(quiet=known.quiet) as watch:
        result = reapply_run(order, complain, watch or (lambda _done, _total: None))
    if result.imbalance:
        complain(result.imbalance)
    if known.json:
        print_json(result.content)
    elif not known.quiet:
        print(summary_text(result.content, visible))
        print(f"changed: {result.changed:,} documents have another body or status than in {visible(known.folder)}")
        print(f"output: {visible(known.out)}")
    sys.stdout.flush()
    return TROUBLE if result.unusable or result.imbalance else OK


def _only_reads(command: Callable[[Namespace], int]) -> Callable[[Namespace], int]:
    """Give a command that writes nothing the status of what cannot be judged, where OUT cannot be read."""

    def run(known: Namespace) -> int:
        from newsfilter.dumps.writing import StoppedError  # noqa: PLC0415 - what only --help needs is loaded at once

        try:
            return command(known)
        except StoppedError as error:
            complain(str(error))
            return TROUBLE

    return run


def _verify(known: Namespace) -> int:
    from newsfilter.audit.verify import verify  # noqa: PLC0415 - NumPy and lxml; --help does without
    from newsfilter.audit.verify_document import Finding  # noqa: PLC0415 - as above

    rows: list[dict[str, str]] = []

    def tell(finding: Finding) -> None:
        if known.json:
            rows.append({"path": finding.path, "code": finding.code, "what": finding.what})
        else:
            print(f"{visible(finding.path)}: {finding.code}: {visible(finding.what)}", flush=True)

    with progress(quiet=known.quiet) as watch:
        sources = [] if known.no_sources else known.sources
        summary = verify(known.out, tell, sources=sources, watch=watch or (lambda _done, _total: None))
    for note in summary.notes:
        complain(f"note: {note}")
    count = summary.findings.total()
    if known.json:
        print_json({"documents": summary.documents, "sources": summary.sources, "findings": rows, "notes": summary.notes})
    else:
        read = "" if summary.sources is None else f", {counted(summary.sources, 'source')} read again"
        print(f"{counted(summary.documents, 'document')} checked{read}: {counted(count, 'finding') if count else 'no findings'}")
    return TROUBLE if summary.unjudged else FINDINGS if count else OK


def _restore(known: Namespace) -> int:
    from newsfilter.audit.restoring import restore_file, restore_stored  # noqa: PLC0415 - as above

    if known.id is not None and known.body is not None:
        raise UsageError("restore: --body goes with a record's file, not with --id; leave one of the two out")
    if known.out is not None and known.out.exists() and not known.overwrite:
        raise OutputError(f"{known.out}: exists; give -o another name, or --overwrite")
    if known.id is None:
        data = restore_file(Path(known.record), known.block, known.body)
    else:
        data = restore_stored(known.record, known.id, known.block)
    if known.out is not None:
        _write_file(known.out, data)
    elif sys.stdout.isatty():
        for line in data.decode("utf-8", "replace").split("\n"):
            print(visible(line))  # scraped text steers no terminal
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
    return OK


def _write_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, and say what to do where that fails."""
    from newsfilter.dumps.writing import StoppedError, write_whole  # noqa: PLC0415 - as above

    try:
        write_whole(path, data)
    except StoppedError as error:
        reason = getattr(error.__cause__, "strerror", None) or error.__cause__
        raise StoppedError(f"{path}: cannot be written ({reason}); make room, or give -o a place that can be written to") from error


def _diff(known: Namespace) -> int:
    from newsfilter.audit.diff import compare_runs  # noqa: PLC0415 - as above
    from newsfilter.audit.diff_text import difference_text  # noqa: PLC0415 - as above

    with progress(quiet=known.quiet) as watch:
        found = compare_runs(known.one, known.other, complain, top=known.top, watch=watch or (lambda _done, _total: None))
    if known.json:
        print_json(found.as_json())
    else:
        for line in difference_text(found, known.one, known.other):
            print(visible(line))
    return TROUBLE if found.unreadable else FINDINGS if found.differs else OK


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "verify": _only_reads(_verify),
    "restore": _restore,
    "reapply": _reapply,
    "diff": _only_reads(_diff),
}
