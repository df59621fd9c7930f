"""The command line: exit status 0 nothing to say, 1 documents failed or the run stopped, 2 wrong usage, 130 interrupted."""

import io
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO

from newsfilter.cli_check import check
from newsfilter.errors import InputError, ModelError, NewsfilterError
from newsfilter.options import UsageError, parse, parser, settings_of, version_text
from newsfilter.terminal import complain, explanation, shortened, visible, wants_colour
from newsfilter.terminal import print_json as _print_json
from newsfilter.terminal import progress as _progress

if TYPE_CHECKING:
    from newsfilter.classifier import Model
    from newsfilter.dumps.order import Result

NAMED = 50  # failed documents, at a run's end
NAME_COLUMNS = 100  # of a scraped name in a table, which is its last column
OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments
        Without the program's name; None takes those of this process.

    Returns
    -------
    int
        The exit status.
    """
    _never_fail_to_print(sys.stdout, sys.stderr)
    status = OK
    try:
        status = _command(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except SystemExit as leaving:  # argparse has printed its help
        return int(leaving.code or 0)
    except BrokenPipeError:
        _stop_printing()
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except NewsfilterError as error:
        from newsfilter.dumps.writing import StoppedError  # noqa: PLC0415 - only where something went wrong

        complain(str(error))
        return FAILED if isinstance(error, StoppedError) else USAGE
    return status


def _stop_printing() -> None:
    # Whoever read our output has seen enough. Python flushes standard output once more when it ends; let that go nowhere.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _never_fail_to_print(*streams: TextIO) -> None:
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows no UTF-8 gets escapes, not a traceback


def _command(arguments: list[str]) -> int:
    if not arguments:
        parser()[0].print_help()
        return USAGE
    known = parse(arguments)
    if known.version:
        print(version_text())
        return OK
    commands = {
        "clean": _clean,
        "explain": _explain,
        "merge": _merge,
        "stats": _stats,
        "train": _train,
        "evaluate": _evaluate,
        "sample": _sample,
        "check": check,
    }
    if known.command in commands:
        return commands[known.command](known)
    from newsfilter.cli_audit import COMMANDS  # noqa: PLC0415 - what audits is not loaded to clean

    return COMMANDS[known.command](known)


def _clean(known: Namespace) -> int:
    settings = settings_of(known)
    from newsfilter.dumps.keeper import Limits  # noqa: PLC0415 - as above
    from newsfilter.dumps.order import Order  # noqa: PLC0415 - as above
    from newsfilter.dumps.pool import processors  # noqa: PLC0415 - as above
    from newsfilter.dumps.readers import ReadOptions  # noqa: PLC0415 - as above
    from newsfilter.dumps.run import clean_dump  # noqa: PLC0415 - NumPy and lxml; --help does without

    order = Order(
        sources=tuple(known.sources),
        out=known.out,
        settings=settings,
        options=ReadOptions(
            max_bytes=settings.max_bytes,
            text_field=known.text_field,
            html_field=known.html_field,
            url_field=known.url_field,
            id_field=known.id_field,
        ),
        to=known.to,
        out_field=known.out_field,
        model_path=_model_path(known),
        jobs=known.jobs or (0 if known.scheduler else processors()),
        scheduler=known.scheduler,
        limits=Limits(seconds=known.timeout, resident_bytes=known.max_memory * 1_000_000),
        part=known.shard,
        resume=known.resume,
        overwrite=known.overwrite,
        dedup=known.dedup,
    )
    with _progress(quiet=known.quiet) as progress:
        result = clean_dump(order, stdin=_stdin(), watch=progress, say=None if known.quiet else complain)
    return _report(known, result)


def _merge(known: Namespace) -> int:
    from newsfilter.dumps.merge import MergeOrder, merge_runs  # noqa: PLC0415 - as above

    order = MergeOrder(tuple(known.outs), known.out, dedup=known.dedup, resume=known.resume, overwrite=known.overwrite)
    with _progress(quiet=known.quiet) as progress:
        result = merge_runs(order, progress)
    return _report(known, result)


def _stats(known: Namespace) -> int:
    from newsfilter.dumps.stats import gather  # noqa: PLC0415 - as above
    from newsfilter.dumps.stats_text import stats_text  # noqa: PLC0415 - as above

    stats = gather(known.folder)
    if stats.wrong:
        complain(stats.wrong)
    if known.json:
        _print_json(stats.as_json(known.top))
    else:
        print(stats_text(stats, known.top, lambda text: shortened(visible(text), NAME_COLUMNS)))
    return FAILED if stats.wrong else OK


def _model_path(known: Namespace) -> Path | None:
    path: Path | None = known.model
    if path is not None and not path.exists():
        raise ModelError(f"{path}: does not exist; give --model the folder that holds the model")
    return path


def _stdin() -> BinaryIO:
    return sys.stdin.buffer if sys.stdin is not None else io.BytesIO()  # a daemon has none


def _report(known: Namespace, result: "Result") -> int:
    """Say how a run ended; what went wrong first, because a reader of standard output may leave early."""
    from newsfilter.dumps.failures import AWAY  # noqa: PLC0415 - as above
    from newsfilter.dumps.summary import summary_text  # noqa: PLC0415 - as above

    for note in result.notes:
        complain(f"note: {note}")
    status = OK
    if result.stopped:
        complain(result.stopped)
        status = FAILED
    if result.imbalance:
        complain(result.imbalance)
        status = FAILED
    counts = result.content["counts"]
    if counts["failed"] > _allowed(known.max_failed, counts["documents"]):
        status = FAILED
        _name_failed(known.out)
        unread = sum(result.content["reasons"].get(reason, 0) for reason in AWAY)
        again = f"--resume tries only the {unread} again that could not be read" if unread else "--resume does not"
        complain(
            f"{counts['failed']} of {counts['documents']} documents failed; mend them and clean them again ({again}), or allow for them with --max-failed"
        )
    if result.interrupted:
        complain("interrupted; what is written is whole; run the same command again with --resume to go on")
        status = INTERRUPTED
    try:
        if known.json:
            _print_json(result.content)
        elif not known.quiet:
            print(summary_text(result.content, visible))
            print(f"output: {visible(str(known.out))}" if counts["documents"] else "no documents were found")
        sys.stdout.flush()
    except BrokenPipeError:
        _stop_printing()  # and keep the exit status, which speaks of the run
    return status


def _allowed(limit: tuple[int | None, float | None], documents: int) -> float:
    count, share = limit
    return count if count is not None else (share or 0.0) * documents


def _name_failed(out: str) -> None:
    from newsfilter.dumps.ledger_lines import ledger_lines  # noqa: PLC0415 - as above
    from newsfilter.dumps.plan import place_of  # noqa: PLC0415 - as above

    failed = (line for line in ledger_lines(out) if line["status"] == "failed")
    for line in islice(failed, NAMED):
        detail, place = line["reasons"][0]["value"], place_of(line["uri"], line["member"], line["offset"])
        complain(f"failed: {line['uri']}{f' {place}' if place else ''}: {line['reason']}{f' ({detail})' if detail else ''}")
    if next(failed, None):
        complain(f"failed: and more; the ledger in {out} names them all")


def _explain(known: Namespace) -> int:
    settings = settings_of(known)
    from newsfilter.document import Cleaner, too_large  # noqa: PLC0415 - as above
    from newsfilter.dumps.documents import Oversized  # noqa: PLC0415 - as above
    from newsfilter.dumps.reading import Skipped, read  # noqa: PLC0415 - as above
    from newsfilter.dumps.sources import list_sources, with_stdin  # noqa: PLC0415 - as above
    from newsfilter.model_file import load_model  # noqa: PLC0415 - as above
    from newsfilter.records import Page  # noqa: PLC0415 - as above

    if known.file != "-" and Path(known.file).is_dir():
        raise UsageError(f"{known.file}: a folder; explain takes one file, newsfilter clean takes folders")
    listing = with_stdin(list_sources([known.file]), _stdin(), settings.max_bytes)
    if not listing.entries:
        raise InputError(f"{known.file}: no regular file; give a document, or - for standard input")
    document = read(listing.entries[0], settings.max_bytes)
    if isinstance(document, Skipped):
        raise InputError(f"{known.file}: no document ({document.kind}); a run counts it as skipped")
    cleaner = Cleaner(settings, load_model(_model_path(known)))
    if isinstance(document, Oversized):
        page, article = Page("", (), html=False), too_large(document.source, document.size, settings, cleaner.model)
    else:
        page, article = cleaner.explain(document)
    if known.json:
        _print_json({"record": article.record, "body": article.body})
        return OK
    for line in explanation(page, article, colour=wants_colour(sys.stdout)):
        print(line)
    return OK


def _train(known: Namespace) -> int:
    from newsfilter.training.train import TrainOrder, train  # noqa: PLC0415 - as above

    order = TrainOrder(
        labels=tuple(known.labels),
        out=known.out,
        base=known.base,
        mapping=known.mapping,
        name=known.name,
        seed=known.seed,
        overwrite=known.overwrite,
    )
    say: Callable[[str], None] = (lambda _: None) if known.quiet else complain
    text = train(order, say)
    if not known.quiet:
        print("\n".join(visible(line) for line in text.split("\n")))
    return OK


def _evaluate(known: Namespace) -> int:
    from newsfilter.training.evaluation import evaluate  # noqa: PLC0415 - as above
    from newsfilter.training.labels import read_training  # noqa: PLC0415 - as above
    from newsfilter.training.scorecard import evaluation_text  # noqa: PLC0415 - as above

    model = _named_model(known.model, "--model")
    against = None if known.against is None else _named_model(known.against, "--against")
    documents = read_training(known.labels, known.mapping)
    with _progress() as progress:
        evaluation = evaluate(documents, model, against, seed=known.seed, watch=progress)
    if known.json:
        models = {"model": _model_facts(model), "against": None if against is None else _model_facts(against)}
        _print_json({"models": models, **evaluation.as_json()})
    else:
        print(evaluation_text(evaluation, _model_title(model), None if against is None else _model_title(against), visible))
    return FAILED if evaluation.lost else OK


def _named_model(name: str | None, option: str) -> "Model":
    from newsfilter.model_file import load_model  # noqa: PLC0415 - as above

    if name in (None, "shipped"):
        return load_model()
    path = Path(name or "")
    if not path.exists():
        raise ModelError(f"{path}: does not exist; give {option} the folder that holds the model, or: {option} shipped")
    return load_model(path)


def _model_facts(model: "Model") -> dict[str, str]:
    return {"name": model.name, "sha256": model.sha256}


def _model_title(model: "Model") -> str:
    return f"{model.name} ({model.sha256[:12]})"  # a name may stay the same when the weights change


def _sample(known: Namespace) -> int:
    from newsfilter.training.sampling import check_target, sample, write_sample  # noqa: PLC0415 - as above

    check_target(known.out, overwrite=known.overwrite)
    with _progress() as progress:
        rows = sample(known.folder, known.uncertain, seed=known.seed, watch=progress)
    write_sample(known.out, rows)
    print(f"{len(rows):,} blocks to label: {visible(str(known.out))}")
    return OK
