"""The grammar of the commands that audit a run: verify, restore, reapply, diff."""

import argparse
from collections.abc import Callable
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from newsfilter.settings import POLICY, Settings

TOP = 20  # documents that diff names


def add_audit(
    commands: "argparse._SubParsersAction[Any]",
    add_setting: Callable[[argparse._ArgumentGroup, Field[Any]], None],
    whole: Callable[[int], Callable[[str], int]],
) -> dict[str, Any]:
    """Add the commands and return their parsers by name; `add_setting` adds a setting's option to a group, `whole` makes readers of whole numbers."""
    return {
        "verify": _verify(commands),
        "restore": _restore(commands),
        "reapply": _reapply(commands, add_setting, whole),
        "diff": _diff(commands, whole),
    }


def _verify(commands: "argparse._SubParsersAction[Any]") -> Any:
    verify = commands.add_parser(
        "verify",
        help="check a run's bodies, records and accounts for changes",
        description="Check every body against its record, and ledger, markers, run.json and sources, and name what was changed, lost or added.",
        epilog="exit status: 0 all is as it was written; 1 findings; 2 wrong usage, or something could not be judged; 130 interrupted",
    )
    verify.add_argument("out", metavar="OUT", help="what newsfilter clean wrote to: a folder or a URL")
    sources = verify.add_mutually_exclusive_group()
    sources.add_argument("--sources", nargs="+", metavar="SRC", help="where the sources are now (default: where run.json says they were)")
    sources.add_argument("--no-sources", action="store_true", help="do not read the sources again")
    verify.add_argument("--quiet", action="store_true", help="no progress")
    verify.add_argument("--json", action="store_true", help="print the findings as JSON")
    return verify


def _restore(commands: "argparse._SubParsersAction[Any]") -> Any:
    restore = commands.add_parser(
        "restore",
        help="give a document's page back",
        description="Give back the page's text, all of it or one block, from a record and the body beside it.",
        epilog="exit status: 0 given back; 2 wrong usage, or body and record do not fit; 130 interrupted",
    )
    restore.add_argument("record", metavar="RECORD", help="a record's file (NAME.provenance.json); with --id, the OUT that holds it")
    restore.add_argument("--id", metavar="ID", help="the document's id, as in the ledger; RECORD is then an OUT of any format")
    restore.add_argument("--body", type=Path, metavar="FILE", help="the body (default: NAME.txt beside the record)")
    restore.add_argument("--block", type=int, metavar="N", help="only the block of that number, white space behind it included")
    restore.add_argument("-o", "--out", type=Path, metavar="FILE", help="write to FILE, byte for byte (default: standard output)")
    restore.add_argument("--overwrite", action="store_true", help="replace FILE if it exists")
    return restore


def _reapply(
    commands: "argparse._SubParsersAction[Any]",
    add_setting: Callable[[argparse._ArgumentGroup, Field[Any]], None],
    whole: Callable[[int], Callable[[str], int]],
) -> Any:
    reapply = commands.add_parser(
        "reapply",
        help="apply another policy to a run, without its sources",
        description="Apply another policy to what newsfilter clean wrote, from bodies and records alone, into another OUT of the same format.",
        epilog="exit status: 0 done; 1 OUT2 cannot be written; 2 wrong usage, or documents that could not be judged again; 130 interrupted",
    )
    reapply.add_argument("folder", metavar="OUT", help="what newsfilter clean wrote to: a folder or a URL")
    reapply.add_argument("-o", "--out", required=True, metavar="OUT2", help="where the same documents go under the new policy")
    reapply.add_argument(
        "--threshold",
        dest="thresholds",
        action="append",
        type=_threshold,
        default=[],
        metavar="LABEL=P",
        help="take back what was removed as LABEL with a probability below P; spam stands for every kind of spam; may be given more than once",
    )
    reapply.add_argument(
        "--jobs", type=whole(0), default=0, metavar="N", help="processes; 0: one for each processor, for few documents one (default: 0)"
    )
    reapply.add_argument("--overwrite", action="store_true", help="remove what an earlier run wrote to OUT2")
    reapply.add_argument("--quiet", action="store_true", help="no progress and no summary")
    reapply.add_argument("--json", action="store_true", help="print run.json instead of the summary")
    group = reapply.add_argument_group("settings", "what is not given stays as it was when OUT was cleaned")
    for setting in fields(Settings):
        if setting.name in POLICY:
            add_setting(group, setting)
    return reapply


def _threshold(text: str) -> tuple[str, float]:
    label, _, value = text.partition("=")
    try:
        return label.strip(), float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no threshold; give LABEL=P, such as spam=0.9") from None


def _diff(commands: "argparse._SubParsersAction[Any]", whole: Callable[[int], Callable[[str], int]]) -> Any:
    diff = commands.add_parser(
        "diff",
        help="show what two runs did differently",
        description="Show, per document and in sum, what two runs, models or settings did differently with the same documents.",
        epilog="exit status: 0 no difference; 1 differences; 2 wrong usage, or something could not be read; 130 interrupted",
    )
    diff.add_argument("one", metavar="OUT_A", help="what newsfilter clean or reapply wrote to: a folder or a URL")
    diff.add_argument("other", metavar="OUT_B", help="the other")
    diff.add_argument(
        "--top", type=whole(0), default=TOP, metavar="N", help=f"documents to name, those that differ most first (default: {TOP})"
    )
    diff.add_argument("--quiet", action="store_true", help="no progress")
    diff.add_argument("--json", action="store_true", help="print the differences as JSON")
    return diff
