"""The command line's grammar: options, those of the settings among them, and errors that name what was probably meant."""

import argparse
import difflib
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, NoReturn

from newsfilter.errors import SettingsError
from newsfilter.options_audit import add_audit
from newsfilter.options_check import add_check
from newsfilter.settings import Settings, find_settings, read_settings, with_values

SEED = 1
MANY = {
    "clean": "sources",
    "merge": "outs",
    "train": "labels",
    "evaluate": "labels",
    "check": "files",
}  # commands that take any number of arguments, and what these are called
EXIT_HELP = "exit status: 0 all documents accounted for and no more than --max-failed failed; 1 more failed, or the run stopped; 2 wrong usage; 130 interrupted"


class UsageError(SettingsError):
    """A command line that cannot be understood."""


class Parser(argparse.ArgumentParser):
    """An argument parser that raises instead of exiting, and knows no abbreviations: a new option must not change what an old script means."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        """Raise the message, with where to look."""
        raise UsageError(f"{message}; see {self.prog} --help")


def version_text() -> str:
    """Return the name and version of this program."""
    import newsfilter  # noqa: PLC0415 - the package imports nothing of ours that we need

    return f"newsfilter {newsfilter.__version__}"


def parser() -> tuple[Parser, dict[str, Parser]]:
    """Build the parser, and the parsers of the commands by name."""
    top = Parser(
        prog="newsfilter",
        description="Clean scraped news: article text on disk, and beside it a record of everything that was removed.",
        epilog=EXIT_HELP,
    )
    top.add_argument("--version", action="store_true", help="print the version and stop")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    clean = commands.add_parser(
        "clean", help="clean a dump into OUT", description="Clean a dump into OUT: files, folders, archives, tables.", epilog=EXIT_HELP
    )
    clean.add_argument(
        "sources",
        nargs="+",
        metavar="SRC",
        help="file, folder (read recursively), URL, or - for standard input: HTML, plain text, WARC, JSONL, CSV, Parquet, zip, tar, also packed",
    )
    clean.add_argument(
        "-o",
        "--out",
        required=True,
        metavar="OUT",
        help="folder for bodies, records, ledger.jsonl and run.json, or a URL such as s3://bucket/clean",
    )
    _add_run_options(clean)
    explain = commands.add_parser(
        "explain",
        help="show one document block by block",
        description="Show one document block by block: what was kept and removed, and why.",
    )
    explain.add_argument("file", metavar="FILE", help="document to explain, or - for standard input")
    explain.add_argument("--json", action="store_true", help="print the record and the body as JSON")
    for command in (clean, explain):
        _add_settings(command)
    return top, {
        "clean": clean,
        "explain": explain,
        **_add_accounting(commands),
        **_add_training(commands),
        "check": add_check(commands, _whole),
        **add_audit(commands, _add_setting, _whole),
    }


def _add_training(commands: "argparse._SubParsersAction[Parser]") -> dict[str, Parser]:
    train = commands.add_parser(
        "train", help="make a model from labels", description="Make a model from labelled documents, or from rows of text and label."
    )
    _add_labels(train)
    train.add_argument("-o", "--out", type=Path, required=True, metavar="MODEL_DIR", help="folder for the model; made if missing")
    train.add_argument("--base", metavar="shipped|PATH", help="a model to build on (default: none, the labels are all there is)")
    train.add_argument("--name", metavar="NAME", help="what the model is called in records (default: the folder's name)")
    train.add_argument("--overwrite", action="store_true", help="put the model in the place of the one in MODEL_DIR")
    train.add_argument("--quiet", action="store_true", help="no progress and no card")
    evaluate = commands.add_parser(
        "evaluate",
        help="score a model on labels, or hold it against another",
        description="Score a model on labels, class by class; with --against, tell what it lost.",
        epilog="exit status: 0 nothing lost; 1 with --against: a class is worse by more than its interval; 2 wrong usage; 130 interrupted",
    )
    _add_labels(evaluate)
    evaluate.add_argument("--model", metavar="shipped|PATH", help="the model to score (default: shipped)")
    evaluate.add_argument("--against", metavar="shipped|PATH", help="the model that it must not be worse than")
    evaluate.add_argument("--json", action="store_true", help="print the figures as JSON")
    sample = commands.add_parser(
        "sample",
        help="draw from a run what is worth labelling",
        description="Draw from a run's OUT the blocks that are most worth labelling.",
    )
    sample.add_argument("folder", metavar="OUT", help="what newsfilter clean wrote to")
    sample.add_argument("--uncertain", type=_whole(1), default=200, metavar="N", help="blocks to draw at most (default: 200)")
    sample.add_argument(
        "-o", "--out", type=Path, default=Path("to_label.jsonl"), metavar="FILE", help="where to write them (default: to_label.jsonl)"
    )
    sample.add_argument("--overwrite", action="store_true", help="replace FILE if it exists")
    for command, drawn in ((train, "the fit"), (evaluate, "the intervals"), (sample, "the draw")):
        command.add_argument("--seed", type=_whole(0), default=SEED, metavar="N", help=f"seed of {drawn} (default: {SEED})")
    return {"train": train, "evaluate": evaluate, "sample": sample}


def _add_accounting(commands: "argparse._SubParsersAction[Parser]") -> dict[str, Parser]:
    merge = commands.add_parser(
        "merge",
        help="join the slices of --shard K/N",
        description="Join the OUTs of all slices of a dump into one, and check the sums.",
        epilog="exit status: 0 joined; 1 the sums are wrong, or the merge stopped; 2 slices are missing or differ; 130 interrupted",
    )
    merge.add_argument("outs", nargs="+", metavar="OUT", help="what newsfilter clean --shard K/N wrote to; all slices, in any order")
    merge.add_argument("-o", "--out", required=True, metavar="MERGED", help="folder or URL for the whole; the slices stay as they are")
    _add_dedup(merge)
    again = merge.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on with an interrupted merge in MERGED")
    again.add_argument("--overwrite", action="store_true", help="remove what newsfilter wrote to MERGED, and start afresh")
    merge.add_argument("--quiet", action="store_true", help="no progress and no summary")
    merge.add_argument("--json", action="store_true", help="print run.json instead of the summary")
    merge.set_defaults(max_failed=(None, 1.0))  # the slices' own runs have complained
    stats = commands.add_parser(
        "stats",
        help="tell what a run came to",
        description="Tell what a run came to: documents by file, reasons, labels, languages, sites.",
        epilog="exit status: 0 printed; 1 ledger and run.json do not agree; 2 no run",
    )
    stats.add_argument("folder", metavar="OUT", help="what newsfilter clean or merge wrote to: a folder or a URL")
    stats.add_argument("--top", type=_whole(0), default=20, metavar="N", help="lines of a table at most; 0: all (default: 20)")
    stats.add_argument("--json", action="store_true", help="print the figures as JSON")
    return {"merge": merge, "stats": stats}


def _add_labels(command: Parser) -> None:
    command.add_argument(
        "labels",
        nargs="+",
        type=Path,
        metavar="LABELS",
        help="JSONL of labelled documents or of rows with text and label, CSV of such rows, or a folder of them",
    )
    command.add_argument(
        "--map",
        dest="mapping",
        action=_Mapping,
        type=_renaming,
        default={},
        metavar="OLD=NEW",
        help="take the label OLD of the files for NEW; may be given more than once",
    )


class _Mapping(argparse.Action):
    """Gathers renamings."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        (old, new), known = values, getattr(namespace, self.dest)
        if known.get(old, new) != new:
            parser.error(f"argument {option_string}: {old!r} is to be {known[old]!r} and {new!r}; give it once")
        setattr(namespace, self.dest, {**known, old: new})


def _renaming(text: str) -> tuple[str, str]:
    old, _, new = (part.strip() for part in text.rpartition("="))
    if not old or not new:
        raise argparse.ArgumentTypeError(f"{text!r} is no renaming; give OLD=NEW, such as spam=spam-other")
    return old, new


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds; give one above 0, such as 30")
    return seconds


def _slice(text: str) -> tuple[int, int]:
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"{text!r} is no slice; give K/N with K from 1 to N, such as 3/40")
    return int(part), int(parts)


def _add_dedup(command: Parser) -> None:
    command.add_argument("--dedup", action="store_true", help="list exact repeats of a body in duplicates.jsonl when all is done")


def _add_run_options(clean: Parser) -> None:
    clean.add_argument(
        "--jobs", type=_whole(0), default=0, metavar="N", help="processes to spread the work over; 0: one for each processor (default: 0)"
    )
    clean.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="work on the Dask cluster at ADDRESS, such as tcp://host:8786, or its scheduler file; --jobs is then how many shards are out at a time (default: none)",
    )
    clean.add_argument(
        "--to",
        choices=("files", "jsonl", "jsonl.zst", "parquet"),
        default="files",
        metavar="FORMAT",
        help="files: a body and a record each; jsonl, jsonl.zst, parquet: shards of articles and of records (default: files)",
    )
    clean.add_argument("--out-field", metavar="NAME", help="column of the cleaned text in jsonl and parquet (default: text)")
    for role, what in (("text", "the text"), ("html", "the page"), ("url", "the address"), ("id", "the id")):
        clean.add_argument(
            f"--{role}-field", metavar="NAME", help=f"column of a table that holds {what} (default: guessed by the usual names)"
        )
    clean.add_argument(
        "--timeout", type=_seconds, default=30.0, metavar="S", help="seconds that a document may take before it fails (default: 30)"
    )
    clean.add_argument(
        "--max-memory", type=_whole(300), default=1000, metavar="MB", help="memory that a document may take before it fails (default: 1000)"
    )
    clean.add_argument("--shard", type=_slice, default=(1, 1), metavar="K/N", help="do the K-th of N slices of the dump")
    _add_dedup(clean)
    clean.add_argument(
        "--max-failed",
        type=max_failed,
        default=(0, None),
        metavar="N|SHARE",
        help="failed documents to put up with: a count, or a share such as 0.01 or 1%% (default: 0)",
    )
    again = clean.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on with an interrupted run in OUT")
    again.add_argument("--overwrite", action="store_true", help="remove what an earlier run wrote to OUT, and start afresh")
    clean.add_argument("--quiet", action="store_true", help="no progress, no word on guessed columns, no summary")
    clean.add_argument("--json", action="store_true", help="print run.json instead of the summary")


def _add_settings(command: Parser) -> None:
    group = command.add_argument_group(
        "settings", "each also in newsfilter.toml or [tool.newsfilter], with underscores; what is given here wins"
    )
    group.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="read settings from FILE (default: the nearest newsfilter.toml or [tool.newsfilter], here or above)",
    )
    group.add_argument("--model", type=Path, metavar="PATH", help="use another model than the shipped one")
    for setting in fields(Settings):
        _add_setting(group, setting)


def _add_setting(group: argparse._ArgumentGroup, setting: Field[Any]) -> None:
    """One option for one setting. Its value stays a text or number; `with_values` checks it, so that a file and an option say the same."""
    flag, default = "--" + setting.name.replace("_", "-"), setting.default
    if default is MISSING:
        raise TypeError(f"setting {setting.name} needs a default")
    shown = (
        ",".join(default) or "none"
        if isinstance(default, tuple)
        else ("on" if default else "off")
        if isinstance(default, bool)
        else str(default)
    )
    text = f"{setting.metadata['help']} (default: {shown})".replace("%", "%%")
    if isinstance(default, bool):
        group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
    elif isinstance(default, tuple):
        group.add_argument(flag, metavar="A,B", default=None, help=text)
    else:
        group.add_argument(
            flag, type=_number_type(type(default)), metavar="N" if isinstance(default, int) else "SHARE", default=None, help=text
        )


def _number_type(kind: type) -> Callable[[str], int | float]:
    def number(text: str) -> int | float:
        try:
            return int(text) if kind is int else float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no {'whole number' if kind is int else 'number'}") from None

    return number


def _whole(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} up")
        return int(text)

    return number


def max_failed(text: str) -> tuple[int | None, float | None]:
    """Read ``--max-failed``: a whole number is a count, a number with a point or a % sign a share.

    >>> max_failed("3"), max_failed("1%"), max_failed("0.01")
    ((3, None), (None, 0.01), (None, 0.01))
    """
    try:
        if text.isascii() and text.isdigit():
            return int(text), None
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a count nor a share; give 5, 0.01 or 1%")
    return None, share


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read a command line.

    Raises
    ------
    UsageError
        When it cannot be understood; the message names the nearest known command or option.
    """
    top, commands = parser()
    wanted = next((argument for argument in arguments if not argument.startswith("-")), None)
    if wanted is not None and wanted not in commands:
        raise UsageError(f"no command {wanted!r}; {_nearest(wanted, list(commands))}")
    known, rest = top.parse_known_args(list(arguments))
    if known.version:
        return known
    if known.command is None:
        raise UsageError(f"no command given; known are {', '.join(commands)}; see newsfilter --help")
    options = [option for option in rest if option.startswith("-") and option != "-"]
    if options:
        name = options[0].split("=")[0]
        raise UsageError(f"{known.command} knows no option {name}; {_nearest(name, list(commands[known.command]._option_string_actions))}")  # noqa: SLF001 - argparse offers no list
    if rest and known.command not in MANY:
        one = {"explain": "one file", "restore": "one RECORD", "diff": "two OUTs"}.get(known.command, "one folder")
        raise UsageError(f"{known.command} takes {one}, not also {rest[0]}; see newsfilter {known.command} --help")
    if rest:  # SRCs or LABELS behind an option
        before = getattr(known, MANY[known.command])
        before += [type(before[0])(argument) for argument in rest]
    return known


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else "see --help" if len(known) > 4 else f"known are {', '.join(known)}"


def settings_of(known: argparse.Namespace) -> Settings:
    """Return the settings that hold: of --config or the nearest settings file, and over them what the command line gives.

    Raises
    ------
    SettingsError
        When a file or an option holds what no setting takes.
    """
    path = known.config or find_settings(Path.cwd())
    settings = read_settings(path) if path else Settings()
    given = {setting.name: value for setting in fields(Settings) if (value := getattr(known, setting.name)) is not None}
    return with_values(settings, {name.replace("_", "-"): value for name, value in given.items()}, "command line")
