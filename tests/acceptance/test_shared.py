"""What is promised of real pages, held against the data that is not in the repository."""

import importlib.util
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from newsfilter.audit.restoring import restore_document
from newsfilter.document import Cleaner
from newsfilter.dumps.results import open_run, stored
from newsfilter.extract import extract
from newsfilter.provenance import encode_record, restore
from newsfilter.records import Article, Source
from newsfilter.training.corpus import PAGE_SETS, page_rows
from newsfilter.training.scoring import sentence_lines, set_f1, visible_text

ROOT = Path(__file__).parents[2]
SETS = (*PAGE_SETS, "trafilatura-eval")
EACH = 125  # pages of each of the four sets: 500 in all


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def newsfilter(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "filter"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "newsfilter", *map(str, arguments)], capture_output=True, text=True, check=False, env=environment
    )


def sample(shared: Path, each: int) -> Iterator[tuple[bytes, dict[str, Any]]]:
    for source in SETS:
        yield from itertools.islice(page_rows(shared / "data", source), each)


def test_every_gold_line_of_the_seeds_holds(shared: Path, tmp_path: Path) -> None:
    # The five documents that the project was started for come out as they should.
    run = newsfilter("clean", shared / "seeds", "-o", tmp_path / "out", "--quiet")
    assert run.returncode == 0, run.stderr
    check = subprocess.run(
        [sys.executable, shared / "acceptance" / "seeds.py", tmp_path / "out"], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stdout


def test_body_and_record_give_back_500_pages(shared: Path) -> None:
    # Promise 2, on real pages; the page's text is cut anew to be compared with.
    cleaner, count = Cleaner(), 0
    for raw, row in sample(shared, EACH):
        (article,) = cleaner.clean_batch([Source(raw, url=row.get("url"), media_type="text/html")])
        assert isinstance(article, Article), (row["id"], article)
        from newsfilter.decode import decode

        assert restore(article.record, article.body or None) == extract(decode(raw).text, url=row.get("url")).text, row["id"]
        count += 1
    assert count == 4 * EACH


def test_records_stay_below_three_times_their_pages_text(shared: Path) -> None:
    # A record must not cost more storage than it is worth; summed over real pages.
    cleaner, records, texts = Cleaner(), 0, 0
    for raw, row in sample(shared, 40):
        source = Source(raw, url=row.get("url"), media_type="text/html")
        page, article = cleaner.read(source), cleaner.clean_batch([source])[0]
        assert isinstance(article, Article)
        records += len(encode_record(article.record))
        texts += len(page.text.encode())
    print(f"records are {records / texts:.2f} times their pages' text")
    assert records <= 3 * texts


def test_jobs_and_a_second_run_change_no_byte(shared: Path, tmp_path: Path) -> None:
    # Promise 3, on real pages, through the command line.
    crawl = tmp_path / "crawl"
    for raw, row in sample(shared, 15):
        target = crawl / f"{row['id'][:80].replace('/', '_')}.html"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(raw)
    wanted: dict[str, bytes] = {}
    for number, options in enumerate((("--jobs", "1"), ("--jobs", "1"), ("--jobs", "2"), ("--jobs", "3"))):
        out = tmp_path / f"out{number}"
        run = newsfilter("clean", crawl, "-o", out, "--quiet", *options)
        assert run.returncode == 0, run.stderr
        files = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file() and path.name != "run.json"}
        wanted = wanted or files
        assert len(files) > 60
        assert files == wanted, options


def test_500_pages_are_restored_verified_and_reapplied(shared: Path, tmp_path: Path) -> None:
    # The audit commands on real pages, as files and as shards: pages come back, nothing is found, the same policy gives the same bytes.
    crawl, cleaner = tmp_path / "crawl", Cleaner()
    crawl.mkdir()
    texts: dict[str, str] = {}
    for number, (raw, _) in enumerate(sample(shared, EACH)):
        (crawl / f"{number:03}.html").write_bytes(raw)
        texts[f"{number:03}.html"] = cleaner.read(Source(raw)).text
    for form in ("files", "parquet"):
        out = tmp_path / form
        assert newsfilter("clean", crawl, "-o", out, "--to", form, "--quiet").returncode == 0
        assert newsfilter("verify", out, "--quiet").returncode == 0
        again = newsfilter("reapply", out, "-o", tmp_path / f"{form}-again", "--quiet")
        assert again.returncode == 0, again.stderr
        assert newsfilter("diff", out, tmp_path / f"{form}-again", "--quiet").returncode == 0
        assert (out / "ledger.jsonl").read_bytes() == (tmp_path / f"{form}-again" / "ledger.jsonl").read_bytes()
        run = open_run(str(out))
        restored = {
            document.line["uri"]: restore_document(document).decode() for document in stored(run) if document.line["status"] != "failed"
        }
        assert restored == texts
        assert len(restored) == 4 * EACH


def test_our_scores_are_those_of_the_definition(shared: Path) -> None:
    # The benchmarks' own scoring agrees with the file that defines it.
    score = load(shared / "acceptance" / "score.py")
    pages = []
    for raw, row in sample(shared, 5):
        text = raw.decode("utf-8", "replace")
        mine, theirs = visible_text(text), score.visible_text(text.encode())
        assert mine == theirs, row["id"]
        assert sentence_lines(mine) == score.sentence_lines(theirs)
        pages.append((row.get("title") or "", mine, row.get("text") or ""))
    assert set_f1(pages) == pytest.approx(score.set_score(pages).f1)


@pytest.fixture(scope="session")
def extraction(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    import json

    target = tmp_path_factory.mktemp("bench") / "extraction.json"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "filter"), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, ROOT / "benchmarks" / "extraction.py", shared / "data", "--json", target], check=True, env=environment)
    result: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    return result


def test_html_is_extracted_at_least_as_well_as_by_trafilaturas_best_mode(extraction: dict[str, Any]) -> None:
    # Over all validation pages, none of which any training saw.
    row = extraction["html"]["all pages"]
    best = max(value for name, value in row.items() if name.startswith("trafilatura"))
    assert row["newsfilter"] >= best, row


def test_plain_text_is_cleaned_better_than_by_the_sentence_line_rule(extraction: dict[str, Any]) -> None:
    # By .07 over all validation pages.
    row = extraction["text"]["all pages"]
    assert row["newsfilter"] >= row["sentence lines"] + 0.07, row


def test_a_page_takes_at_most_twice_trafilaturas_time(shared: Path) -> None:
    # CPU time, same pages, same process, in turn.
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "filter")}
    run = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "speed.py", shared / "data", "--rounds", "3", "--limit", "120"],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    print(run.stdout)
    ratios = sorted(float(part) for part in run.stdout.rsplit("round by round: ", 1)[1].split(","))
    assert ratios[len(ratios) // 2] <= 2.0
