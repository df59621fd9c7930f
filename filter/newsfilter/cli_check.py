"""`newsfilter check`: exit status 0 nothing found, 1 findings (or something fixed), 2 wrong usage or a file that could not be judged or fixed."""

import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from newsfilter.errors import ModelError, SettingsError
from newsfilter.options import UsageError
from newsfilter.settings import Settings, find_settings, read_settings, read_table
from newsfilter.terminal import complain, counted, visible

if TYPE_CHECKING:
    from newsfilter.dumps.readers import ReadOptions
    from newsfilter.gate.baseline import Baseline, Key
    from newsfilter.gate.config import CheckTable
    from newsfilter.gate.findings import Finding, Report
    from newsfilter.gate.judging import Clean
    from newsfilter.gate.labels import Selection
    from newsfilter.gate.targets import Problem, Targets

CLEAN, FOUND, UNJUDGED = 0, 1, 2
MOST_PROBLEMS = (
    1_000  # of one file that are named; the others are counted: a log of a million lines that ends in .jsonl is one mistake, not a million
)


_NOTHING: "Counter[Key]" = Counter()  # what the baseline accepts in most rows


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done, as the command line and the settings file say it."""

    targets: "Targets"
    selection: "Selection"
    options: "ReadOptions"
    settings: Settings
    model: Path | None  # None: the shipped one
    digest: str  # of the model
    baseline: "Baseline | None" = None


@dataclass(slots=True)
class Tally:
    """What a check has come to so far."""

    findings: int = 0
    problems: "list[Problem]" = field(default_factory=list)
    troubled: Counter[str] = field(default_factory=Counter)  # file -> problems, those that were not named among them
    found: "dict[str, dict[int | None, Counter[Key]]]" = field(default_factory=dict)  # as `_note` leaves it
    whole: set[str] = field(default_factory=set)  # files with a finding that is about a document as a whole

    def add_problem(self, problem: "Problem") -> None:
        """Note and tell a problem, unless its file has had too many."""
        self.troubled[problem.name] += 1
        if self.troubled[problem.name] <= MOST_PROBLEMS:
            self.name(problem)

    def name_more(self) -> None:
        """Say how many problems were not told, once all files are judged."""
        from newsfilter.gate.targets import Problem  # noqa: PLC0415 - --help does without

        for name, number in self.troubled.items():
            if number > MOST_PROBLEMS:
                more = counted(number - MOST_PROBLEMS, "further line or row", "further lines or rows")
                self.name(Problem(name, f"{more} could not be judged; mend those above, then check again"))

    def name(self, problem: "Problem") -> None:
        """Name a problem, however many its file has had."""
        from newsfilter.gate.rendering import problem_line  # noqa: PLC0415 - as above

        self.problems.append(problem)
        complain(problem_line(problem, visible))


def check(known: Namespace) -> int:
    """Run the command."""
    _refuse_contradictions(known)
    order = _order(known)
    from newsfilter.dumps.writing import StoppedError  # noqa: PLC0415 - as above

    tally = Tally()
    try:
        with judge(order) as clean:
            for problem in order.targets.problems:
                tally.add_problem(problem)
            if known.write_baseline is not None:
                return _write_baseline(known.write_baseline, order, clean, tally)
            _print(known.format, _findings(order, clean, tally, fix=known.fix), order, tally)
            if known.fix:
                _fix(known.records, order, clean, tally)
    except StoppedError as error:  # a model that does not load, a baseline that cannot be written: nothing was judged, or nobody can tell
        complain(str(error).removesuffix(" with --resume"))
        return UNJUDGED
    if not known.quiet:
        complain(_summary(order, tally))
    return UNJUDGED if tally.problems else FOUND if tally.findings else CLEAN


@contextmanager
def judge(order: Order) -> "Iterator[Clean]":
    """Start what judges, a process that comes to life with the first document, and end it."""
    from newsfilter.dumps.keeper import Keeper  # noqa: PLC0415 - as above

    with Keeper(order.settings, order.model, order.digest) as keeper:
        yield keeper.clean


def _refuse_contradictions(known: Namespace) -> None:
    if known.fix and known.records is None:
        raise UsageError("--fix needs --records DIR, where it writes down what it removes; see newsfilter check --help")
    if known.records is not None and not known.fix:
        raise UsageError("--records says where --fix writes; give --fix too, or leave it out")
    if known.write_baseline is not None and known.fix:
        raise UsageError("--write-baseline accepts what --fix removes; give one of the two")


def _order(known: Namespace) -> Order:
    from newsfilter.dumps.readers import ReadOptions  # noqa: PLC0415 - as above
    from newsfilter.gate.baseline import read_baseline  # noqa: PLC0415 - as above
    from newsfilter.gate.config import CheckTable, check_table  # noqa: PLC0415 - as above
    from newsfilter.gate.labels import Selection  # noqa: PLC0415 - as above
    from newsfilter.gate.targets import find_targets  # noqa: PLC0415 - as above

    path = known.config or find_settings(Path.cwd())
    table = check_table(read_table(path).get("check", {}), path) if path else CheckTable()
    settings = read_settings(path) if path else Settings()
    # Neither the language nor the date of a text is a finding, and offsets count in the text before any repair.
    settings = replace(settings, lang=(), language=False, repair=False, date_search=False)
    if known.max_bytes is not None:
        settings = replace(settings, max_bytes=known.max_bytes)
    least = table.least if known.min_probability is None else known.min_probability
    selection = Selection(known.select or table.select, table.ignore if known.ignore is None else known.ignore, least)
    baseline = None if known.write_baseline is not None else known.baseline or table.baseline
    model, digest = _model(known, table, path)
    return Order(
        find_targets(known.files),
        selection,
        ReadOptions(max_bytes=settings.max_bytes, text_field=known.text_field, html_field=known.html_field),
        settings,
        model,
        digest,
        None if baseline is None else read_baseline(baseline),
    )


def _model(known: Namespace, table: "CheckTable", path: Path | None) -> tuple[Path | None, str]:
    """The model to judge with, and its digest. One that a settings file names is used only if the command line names its digest."""
    from newsfilter.gate.config import model_digest, shipped_model, trusted_digest  # noqa: PLC0415 - as above

    if known.model is None and table.model is not None and path is not None:
        return table.model, trusted_digest(table.model, known.trust_model, path)
    model = None if known.model in (None, "shipped") else Path(known.model)
    if model is not None and not model.exists():
        raise ModelError(f"{model}: does not exist; give --model the folder that holds the model, or: --model shipped")
    digest = model_digest(model or shipped_model())
    if known.trust_model not in (None, digest):
        raise SettingsError(f"--trust-model: the model in use has another sha256, {digest}")
    return model, digest


def _findings(order: Order, clean: "Clean", tally: Tally, *, fix: bool = False) -> "Iterator[Finding]":
    """Judge all files and yield what is found; problems and totals go to the tally, for `fix` with the rows that have findings."""
    from newsfilter.gate.baseline import without_accepted  # noqa: PLC0415 - as above
    from newsfilter.gate.findings import report_of  # noqa: PLC0415 - as above
    from newsfilter.gate.judging import judged  # noqa: PLC0415 - as above

    for answer in judged(order.targets.files, order.options, clean):
        report = report_of(answer, order.selection)
        accepted: Counter[Key] = Counter()
        if order.baseline is not None:
            report, accepted = without_accepted(report, order.baseline)
        for problem in report.problems:
            tally.add_problem(problem)
        if report.findings:
            _note(report, accepted, tally, rows=fix)
        for finding in report.findings:
            tally.findings += 1
            if finding.mark.whole:
                tally.whole.add(report.name)
            yield finding
    tally.name_more()


def _note(report: "Report", accepted: "Counter[Key]", tally: Tally, *, rows: bool) -> None:
    """Note that a file has findings and, for --fix, what the baseline accepts in which of its rows; a large file has many, and most accept nothing."""
    noted = tally.found.setdefault(report.name, {})
    if rows:
        noted[None if report.unit is None else report.unit.offset] = accepted or _NOTHING


def _print(form: str, found: "Iterator[Finding]", order: Order, tally: Tally) -> None:
    from newsfilter.gate.rendering import as_json, as_sarif, finding_line  # noqa: PLC0415 - as above

    if form == "text":
        for finding in found:
            print(finding_line(finding, visible))
        return
    files = len(order.targets.files)
    parts = as_sarif(found, tally.problems, visible) if form == "sarif" else as_json(found, tally.problems, files, visible)
    for part in parts:
        sys.stdout.write(part)


def _write_baseline(path: Path, order: Order, clean: "Clean", tally: Tally) -> int:
    from newsfilter.gate.baseline import write_baseline  # noqa: PLC0415 - as above

    findings = list(_findings(order, clean, tally))
    if tally.problems:
        complain(f"{path}: not written, since not every file could be judged")
        return UNJUDGED
    complain(f"{write_baseline(path, findings)} findings accepted: {path}")
    return CLEAN


def _fix(records: Path, order: Order, clean: "Clean", tally: Tally) -> None:
    from newsfilter.gate.fixing import fix_file  # noqa: PLC0415 - as above
    from newsfilter.gate.plans import FixOrder  # noqa: PLC0415 - as above
    from newsfilter.gate.rendering import safe_path  # noqa: PLC0415 - as above
    from newsfilter.gate.targets import Problem  # noqa: PLC0415 - as above

    unjudged = set(tally.troubled)
    asked = FixOrder(records, order.selection, order.options, clean)
    for target in order.targets.files:
        rows = tally.found.get(target.name)
        if rows is None:
            continue
        if target.name in unjudged:
            tally.name(Problem(target.name, "not fixed: not all of it could be judged, see above"))
            continue
        outcome = fix_file(target, rows, asked, whole=target.name in tally.whole)
        if isinstance(outcome, Problem):
            tally.add_problem(outcome)
        else:
            removed = counted(outcome.removed, "stretch", "stretches")
            complain(
                f"fixed: {safe_path(target.name, visible)}: {removed} removed, written down in {safe_path(str(outcome.record), visible)}"
            )


def _summary(order: Order, tally: Tally) -> str:
    files = len(order.targets.files)
    text = f"{counted(tally.findings, 'finding')} in {len(tally.found)} of {counted(files, 'file')}"
    if tally.problems:
        text += f"; {counted(len(tally.troubled), 'file')} not judged or not fixed as a whole"
    if order.targets.skipped:
        text += f"; not looked at: {', '.join(f'{count} {kind}' for kind, count in sorted(order.targets.skipped.items()))}"
    return text
