"""The grammar of `newsfilter check`."""

import argparse
from pathlib import Path
from typing import Any

CHECK_EXIT = "exit status: 0 nothing found; 1 findings, or with --fix something fixed; 2 wrong usage, or a file that could not be judged or fixed; 130 interrupted"


def _probability(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no probability; give a number from 0 to 1")
    return value


def _prefixes(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _digest(text: str) -> str:
    if len(text) != 64 or set(text.lower()) - set("0123456789abcdef"):
        raise argparse.ArgumentTypeError(f"{text!r} is no sha256; give its 64 hexadecimal digits")
    return text.lower()


def add_check(commands: Any, whole: Any) -> Any:
    """Add the command to the parser's `commands` and return its parser; `whole` makes a type for whole numbers from a least one."""
    check = commands.add_parser(
        "check",
        help="find spam and furniture in texts, pages and tables",
        description="Find what should not stand in texts, pages and tables, as a linter does; with --fix, remove it.",
        epilog=CHECK_EXIT,
    )
    check.add_argument(
        "files", nargs="+", metavar="FILE", help="text, Markdown, HTML, JSONL, CSV or Parquet; or a folder, read recursively"
    )
    check.add_argument("--format", choices=("text", "json", "sarif"), default="text", help="how findings are written (default: text)")
    check.add_argument(
        "--select",
        type=_prefixes,
        metavar="A,B",
        help="prefixes of the labels to look for (default: spam,reaction,comment,notice,teaser; in HTML spam)",
    )
    check.add_argument("--ignore", type=_prefixes, metavar="A,B", help="prefixes of the labels not to look for; the longer prefix wins")
    check.add_argument("--min-probability", type=_probability, metavar="P", help="leave out what is less probable than P (default: 0.5)")
    check.add_argument("--baseline", type=Path, metavar="FILE", help="leave out the findings that FILE accepts")
    check.add_argument("--write-baseline", type=Path, metavar="FILE", help="accept all findings: write them to FILE, status 0")
    check.add_argument("--fix", action="store_true", help="rewrite text, Markdown and plain JSONL without what was found; needs --records")
    check.add_argument("--records", type=Path, metavar="DIR", help="folder for the records of what --fix removed; made if missing")
    for role, what in (("text", "the text"), ("html", "the page")):
        check.add_argument(
            f"--{role}-field", metavar="NAME", help=f"column of a table that holds {what} (default: guessed by the usual names)"
        )
    check.add_argument("--max-bytes", type=whole(0), metavar="N", help="a larger document is the finding too-large (default: 20000000)")
    check.add_argument(
        "--config", type=Path, metavar="FILE", help="read settings and [check] from FILE instead of the nearest settings file"
    )
    check.add_argument("--model", metavar="shipped|PATH", help="the model to judge with (default: shipped)")
    check.add_argument("--trust-model", type=_digest, metavar="SHA256", help="use the model that [check] names if this is its digest")
    check.add_argument("--quiet", action="store_true", help="no summary")
    return check
