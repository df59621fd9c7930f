"""`newsfilter clean` over a dump of WARC files beside trafilatura in a plain loop and DataTrove's own pipeline, in turn, on this machine.

    python benchmarks/dump.py FOLDER [--minutes 10 | --documents N] [--rounds 2] [--datatrove-python PATH] [--memory 2000 20000] [--json FILE]

FOLDER holds HTML pages (the suffix .html), or is a DATA folder as docs/benchmarks.md describes. Its pages, over and over under other addresses,
are packed into WARC files, a gzip member a record; 4 KB of the text of each into JSONL, and of a DATA folder 4 KB of the articles alone. Every command is run with a small dump and with a large one,
and its rate is that of the difference: start-up and the end of the run, where a worker waits for the other, are in both.

DataTrove runs in an environment of its own, since it wants an older trafilatura:

    python -m venv VENV && VENV/bin/pip install 'datatrove[io,processing]>=0.10' spacy

and --datatrove-python VENV/bin/python. Its sentences and words are cut by spaCy's rules for English, which need no data; NLTK is not asked.
python-magic needs the system's libmagic. Without the option DataTrove is left out.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.dump_cost import containment, costs
from benchmarks.dump_input import Page, read_articles, read_pages, read_texts, write_texts, write_warcs
from benchmarks.dump_tables import show
from benchmarks.peers import commit, versions
from benchmarks.watch import Used, watched

HERE = Path(__file__).parent
CLEAN = (sys.executable, "-m", "newsfilter", "clean")
ONE, TWO, LOOP, DATATROVE = "newsfilter, 1 job", "newsfilter, 2 jobs", "trafilatura, plain loop", "DataTrove, 2 workers"
TEXTS_OF = ("text", "articles")  # scraped with furniture around it; the article alone
COST_PAGES = 400  # cleaned one by one, for what a page's time grows with
SMALL = 8  # the large dump is so many times the small one
TEXTS = 2  # texts for each page: all four runs over them take a quarter of the time
ALL_RUNS = 3.4  # what one round takes, in the time that one job takes for the large dump
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}

Subjects = dict[str, Callable[[Path, Path], list[str]]]


@dataclass(frozen=True, slots=True)
class Run:
    """One command over one dump."""

    documents: int
    used: Used
    said: dict[str, Any]  # run.json's counts and seconds, or what the peer printed


@dataclass(frozen=True, slots=True)
class Pair:
    """One command over the small dump and the large one."""

    small: Run
    large: Run

    @property
    def per_second(self) -> float:
        """Documents a second in the steady state."""
        return self._rate(self.large.used.wall - self.small.used.wall)

    @property
    def per_cpu_second(self) -> float:
        """Documents for each second of a processor's time in the steady state."""
        return self._rate(self.large.used.cpu - self.small.used.cpu)

    def _rate(self, seconds: float) -> float:
        """Documents by seconds; 0 where the large dump took no longer than the small one, which are then too small to tell."""
        return (self.large.documents - self.small.documents) / seconds if seconds > 0 else 0.0


def subjects(datatrove: Path | None) -> Subjects:
    """The commands over pages, each from a dump's folder and a folder to write to."""
    found: Subjects = {name: _clean("--jobs", str(jobs)) for name, jobs in ((ONE, 1), (TWO, 2))}
    found[LOOP] = lambda dump, _out: [sys.executable, str(HERE / "dump_loop.py"), *map(str, sorted(dump.iterdir()))]
    if datatrove is not None:
        found[DATATROVE] = lambda dump, out: [str(datatrove), str(HERE / "dump_datatrove.py"), str(dump), str(out), "2"]
    return found


def text_subjects(kind: str) -> Subjects:
    """The commands over texts of a kind."""
    name = f"newsfilter, {kind}, 1 job"
    return {name: _clean("--jobs", "1"), f"{name}, --no-language": _clean("--jobs", "1", "--no-language")}


def _clean(*options: str) -> Callable[[Path, Path], list[str]]:
    return lambda dump, out: [*CLEAN, str(dump), "-o", str(out), "--to", "jsonl", "--max-failed", "1%", *options]


def run(command: Callable[[Path, Path], list[str]], dump: Path, documents: int, out: Path) -> Run:
    """Run a command over a dump, and check that newsfilter saw every document. DataTrove passes over pages that it cannot decode.

    Raises
    ------
    SystemExit
        When documents are missing.
    """
    used = watched(command(dump, out), ENVIRONMENT)
    report = out / "run.json"
    said = json.loads(report.read_bytes() if report.exists() else used.output)
    seen = said["counts"]["documents"] if report.exists() else said["documents"]
    if seen > documents or (report.exists() and seen < documents):
        raise SystemExit(f"{dump}: {documents} documents are in it, {seen} were seen")
    if report.exists():
        said = {"counts": said["counts"], "cpu": said["seconds"]["cpu"], "restarts": said.get("restarts")}
    shutil.rmtree(out, ignore_errors=True)  # the plain loop writes nothing
    return Run(documents, used, said)


def measure(found: Subjects, dumps: tuple[Path, Path], sizes: tuple[int, int], rounds: int, out: Path) -> dict[str, list[Pair]]:
    """Run all commands in turn, `rounds` times, every second time in reverse."""
    pairs: dict[str, list[Pair]] = defaultdict(list)
    for number in range(rounds):
        for name in list(found)[:: -1 if number % 2 else 1]:
            small, large = (run(found[name], dump, size, out) for dump, size in zip(dumps, sizes, strict=True))
            pairs[name].append(Pair(small, large))
            print(f"round {number + 1}, {name}: {pairs[name][-1].per_second:.1f} documents/s", file=sys.stderr)
    return {name: pairs[name] for name in found}


def two_dumps(pages: Sequence[Page], sizes: tuple[int, int], each: int, folder: Path) -> tuple[Path, Path]:
    """Write the large dump, `each` records a file; the small one is its first files."""
    small, large = folder / "small", folder / "large"
    small.mkdir(parents=True)
    for path in write_warcs(pages, sizes[1], each, large)[: sizes[0] // each]:
        os.link(path, small / path.name)
    return small, large


def sizes_for(options: argparse.Namespace, pages: Sequence[Page], folder: Path) -> tuple[int, int]:
    """How many records the small dump and the large one have, in whole files: as asked, or as many as the minutes allow by a first, short run."""
    documents, each = options.documents, options.records
    if documents is None:
        write_warcs(pages, each, each, folder / "first")
        seconds = run(_clean("--jobs", "1"), folder / "first", each, folder / "out").used.wall / each
        documents = options.minutes * 60 / (ALL_RUNS * options.rounds * seconds)
    small = max(1, round(documents / SMALL / each))
    return small * each, max(small + 1, round(documents / each)) * each


def measure_texts(kind: str, texts: Sequence[Page], sizes: tuple[int, int], rounds: int, folder: Path) -> dict[str, list[Pair]]:
    """The rates of 4 KB texts."""
    dumps = (folder / "small.jsonl", folder / "large.jsonl")
    for path, size in zip(dumps, sizes, strict=True):
        write_texts(texts, size, path)
    return measure(text_subjects(kind), dumps, sizes, rounds, folder / "out")


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    names = {line.partition(":")[2].strip() for line in lines if line.startswith("model name")}
    return {"processor": ", ".join(sorted(names)), "processors": os.cpu_count()}


def as_json(pairs: Mapping[str, Sequence[Pair]]) -> dict[str, Any]:
    return {
        name: [asdict(pair) | {"per_second": pair.per_second, "per_cpu_second": pair.per_cpu_second} for pair in found]
        for name, found in pairs.items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--minutes", type=float, default=10.0, help="that all rounds over pages take, about (default 10)")
    size.add_argument("--documents", type=int, help="of the large dump")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--records", type=int, default=100, help="of a WARC file: few, so that two workers end at about the same time")
    parser.add_argument("--datatrove-python", type=Path, help="the interpreter of DataTrove's environment")
    parser.add_argument(
        "--memory", type=int, nargs=2, metavar=("FEW", "MANY"), help="compare peak memory after so many documents, with 2 jobs"
    )
    parser.add_argument("--work", type=Path, help="where the dumps are built (default: the system's temporary folder)")
    parser.add_argument("--json", type=Path, help="write all that was measured here")
    options = parser.parse_args(arguments)
    pages = read_pages(options.folder)
    with tempfile.TemporaryDirectory(dir=options.work) as name:
        work = Path(name)
        sizes = sizes_for(options, pages, work)
        html = measure(
            subjects(options.datatrove_python), two_dumps(pages, sizes, options.records, work), sizes, options.rounds, work / "out"
        )
        text: dict[str, list[Pair]] = {}
        for kind, texts in zip(TEXTS_OF, (read_texts(pages[: sizes[1]]), read_articles(options.folder)), strict=True):
            if texts:
                text |= measure_texts(kind, texts, (TEXTS * sizes[0], TEXTS * sizes[1]), options.rounds, work)
        memory: dict[str, list[Pair]] = {}
        if options.memory:
            few = (options.memory[0], options.memory[1])
            memory = measure({TWO: subjects(None)[TWO]}, two_dumps(pages, few, options.records, work / "memory"), few, 1, work / "out")
    facts = {
        "pages": len(pages),
        "page_bytes": round(sum(len(raw) for _, raw in pages) / len(pages)),
        "machine": machine(),
        "versions": versions(),
        "commit": commit(),
    }
    result = {**facts, "html": as_json(html), "text": as_json(text), "memory": as_json(memory)}
    result |= {"cost": costs(pages[:COST_PAGES]), "containment": containment(pages[:COST_PAGES])}
    show(result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
