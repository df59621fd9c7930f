"""What the gate and the audit tools take: `check` from cold and over much, `verify`, `restore`, `reapply` and `diff`, each as a command of its own.

    python benchmarks/gate.py [--rounds 5] [--texts 1000] [--pages 100] [--articles DATA]

Documents are those of fixtures/dump, again and again: texts of 3,000 to 4,000 characters, which are some 4 KB, and pages as they are. One process,
one thread. With --articles, `reapply` is also timed from its start to its end over 11,000 articles of a DATA folder, as many processes as it takes.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.dump_input import read_articles, write_texts

from newsfilter.decode import decode

PROJECT = Path(__file__).resolve().parents[1]
TEXT_CHARACTERS = 4_000
SMALL_CHARACTERS = 1_200  # of a small file, as a commit has them
ARTICLES = 11_000
POLICIES = (
    ("--threshold", "spam=0.9"),
    ("--threshold", "spam=0.9", "--jobs", "1"),
    ("--keep", "caption"),
    ("--min-words", "40"),
    ("--keep", "headline"),
    ("--threshold", "spam=0.95", "--threshold", "teaser=0.9"),
)
FEW = 20  # documents of the small run that is subtracted: what starting takes


class Cost(NamedTuple):
    """What a command took, the processes it waited for included."""

    cpu: float  # seconds
    wall: float  # seconds


def cost(arguments: Sequence[str | Path], folder: Path, status: int) -> Cost:
    """Run a command in a folder, and see that it ends as it should."""
    began = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([str(argument) for argument in arguments], cwd=folder, stdout=subprocess.DEVNULL, stderr=said)
        _, ended, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(ended)
        if process.returncode != status:
            said.seek(0)
            raise SystemExit(f"{arguments}: status {process.returncode}\n{said.read()[-2000:].decode('utf-8', 'replace')}")
    return Cost(usage.ru_utime + usage.ru_stime, time.perf_counter() - began)


def newsfilter(*arguments: str | Path) -> list[str | Path]:
    return [sys.executable, "-P", "-m", "newsfilter", *arguments]


def texts(size: int, number: int) -> list[str]:
    """Return texts of three quarters of so many characters to so many, each with a paragraph of its own."""
    found = [decode(path.read_bytes()).text for path in sorted((PROJECT / "fixtures/dump").rglob("*.txt"))]
    long = [text for text in found if len(text) >= 0.75 * size and "\ufffd" not in text]
    return [f"{text[:size]}\n\nNumber {place} of {number}.\n" for place, text in enumerate(islice(cycle(long), number))]


def pages(number: int) -> list[str]:
    found = [decode(path.read_bytes()).text for path in sorted((PROJECT / "fixtures/dump").rglob("*.html"))]
    return [
        page.replace("</body>", f"<p>Number {place} of {number}.</p></body>") for place, page in enumerate(islice(cycle(found), number))
    ]


def rows(path: Path, field: str, documents: Sequence[str]) -> Path:
    path.write_text("".join(json.dumps({field: text}, ensure_ascii=False) + "\n" for text in documents), encoding="utf-8")
    return path


def shown(name: str, rates: Sequence[float], unit: str) -> None:
    print(f"| {name} | {median(rates):,.4g} ({min(rates):,.4g} to {max(rates):,.4g}) {unit} |", flush=True)


def cold(folder: Path, rounds: int) -> None:
    """Twenty small files: as a command, and as the hook of a commit."""
    repository = folder / "repository"
    repository.mkdir()
    names = [f"{number}.txt" for number in range(20)]
    for name, text in zip(names, texts(SMALL_CHARACTERS, 20), strict=True):
        (repository / name).write_text(text, encoding="utf-8")
    (repository / "newsfilter.toml").touch()
    checked = [cost(newsfilter("check", *names), repository, 1) for _ in range(rounds)]
    shown("`check`, 20 files of 1.2 KB from cold", [one.wall for one in checked], "s")
    shown("· of that, processors", [one.cpu for one in checked], "s")
    if find_spec("pre_commit") is None:
        print("pre-commit is left out: pip install 'newsfilter[dev]'", file=sys.stderr)
        return
    hook = {
        "id": "check",
        "name": "check",
        "entry": shlex.join(map(str, newsfilter("check"))),
        "language": "system",
        "require_serial": True,
    }
    config = {"repos": [{"repo": "local", "hooks": [{**hook, "files": r"\.txt$"}]}]}
    (repository / ".pre-commit-config.yaml").write_text(json.dumps(config), encoding="utf-8")
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b.example")
    for command in (("init", "--quiet"), ("add", ".")):
        cost([*git, *command], repository, 0)
    ran = [cost([sys.executable, "-m", "pre_commit", "run"], repository, 1) for _ in range(rounds)]
    shown("the same as pre-commit's hook", [one.wall for one in ran], "s")
    shown("· of that, processors", [one.cpu for one in ran], "s")


def rates(rounds: int, number: int, run: Callable[[str], Cost]) -> list[float]:
    """Return documents a CPU second, round by round: of those that ``run("many")`` has more than ``run("few")``."""
    return [(number - FEW) / max(run("many").cpu - run("few").cpu, 1e-3) for _ in range(rounds)]


def checked(folder: Path, rounds: int, number: int) -> None:
    """Megabytes that `check` judges in a CPU second."""
    kinds = {"files of 4 KB": "", "JSONL of 4 KB texts": "text", "JSONL of pages": "html"}
    for name, field in kinds.items():
        documents = pages(number) if field == "html" else texts(TEXT_CHARACTERS, number)
        ending = ".jsonl" if field else ""
        for size, some in (("many", documents), ("few", documents[:FEW])):
            if field:
                rows(folder / f"{size}.jsonl", field, some)
                continue
            (folder / size).mkdir()
            for place, text in enumerate(some):
                (folder / size / f"{place}.txt").write_text(text, encoding="utf-8")

        def run(size: str, ending: str = ending) -> Cost:
            return cost(newsfilter("check", "--select", "spam", size + ending), folder, 1)

        megabytes = sum(len(text.encode()) for text in documents) / number / 1e6
        shown(f"`check`, {name}", [rate * megabytes for rate in rates(rounds, number, run)], "MB/s")


RESTORE_ALL = """
import sys
from newsfilter.audit.restoring import restore_document
from newsfilter.dumps.results import open_run, stored
for document in stored(open_run(sys.argv[1])):
    restore_document(document)
"""  # the command gives one document back; what it does for each is this


def audited(folder: Path, rounds: int, name: str, field: str, documents: Sequence[str], form: str) -> None:
    """Documents a CPU second of the tools that read what a run wrote."""
    number = len(documents)
    for size, some in (("many", documents), ("few", documents[:FEW])):
        rows(folder / f"{size}.jsonl", field, some)
        cost(newsfilter("clean", f"{size}.jsonl", "-o", size, "--to", form, "--jobs", "1", "--quiet"), folder, 0)
        cost(newsfilter("reapply", size, "-o", f"{size}-2", "--min-words", "400", "--jobs", "1", "--quiet"), folder, 0)
    again = ("--jobs", "1", "--quiet", "--overwrite")
    commands: dict[str, Callable[[str], list[str | Path]]] = {
        "`reapply`": lambda size: newsfilter("reapply", size, "-o", "OUT", "--min-words", "60", *again),
        "`reapply`, other bodies": lambda size: newsfilter("reapply", size, "-o", "OUT", "--keep", "headline", *again),
        "`verify`": lambda size: newsfilter("verify", size, "--quiet"),
        "`verify --no-sources`": lambda size: newsfilter("verify", size, "--quiet", "--no-sources"),
        "restoring every page": lambda size: [sys.executable, "-P", "-c", RESTORE_ALL, size],
        "`diff`": lambda size: newsfilter("diff", size, f"{size}-2", "--quiet"),
    }
    for said, command in commands.items():

        def run(size: str, command: Callable[[str], list[str | Path]] = command, status: int = int(said == "`diff`")) -> Cost:
            return cost(command(size), folder, status)

        shown(f"{said}, {name}, {form}", rates(rounds, number, run), "documents/s")
        shutil.rmtree(folder / "OUT", ignore_errors=True)


def reapplied(folder: Path, rounds: int, data: Path) -> None:
    """Documents that `reapply` does a second, by the clock, from its start to its end."""
    write_texts(read_articles(data), ARTICLES, folder / "articles.jsonl")
    cost(newsfilter("clean", "articles.jsonl", "-o", "IN", "--to", "jsonl", "--quiet"), folder, 0)
    for policy in POLICIES:
        command = newsfilter("reapply", "IN", "-o", "OUT", "--quiet", "--overwrite", *policy)
        ran = [ARTICLES / cost(command, folder, 0).wall for _ in range(rounds)]
        shown(f"`reapply {shlex.join(policy)}`, {ARTICLES:,} articles", ran, "documents/s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--pages", type=int, default=100)
    parser.add_argument("--articles", type=Path, metavar="DATA", help="a DATA folder, as docs/benchmarks.md describes")
    options = parser.parse_args()
    print(f"{options.rounds} rounds: the median, the least and the most; a rate is by CPU seconds\n\n| | |\n|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        for part in ("cold", "checked", "texts", "files", "pages", "articles"):
            (Path(temporary) / part).mkdir()
        cold(Path(temporary) / "cold", options.rounds)
        checked(Path(temporary) / "checked", options.rounds, options.pages)
        audited(Path(temporary) / "texts", options.rounds, "4 KB texts", "text", texts(TEXT_CHARACTERS, options.texts), "jsonl")
        audited(Path(temporary) / "files", options.rounds, "4 KB texts", "text", texts(TEXT_CHARACTERS, options.texts), "files")
        audited(Path(temporary) / "pages", options.rounds, "pages", "html", pages(options.pages), "jsonl")
        if options.articles is not None:
            reapplied(Path(temporary) / "articles", options.rounds, options.articles)
    return 0


if __name__ == "__main__":
    sys.exit(main())
