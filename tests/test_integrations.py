"""Newsfilter as a step of DataTrove and as a function of `datasets.map`, with the real libraries."""

import gzip
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, article, page

import newsfilter
from newsfilter.errors import InputError
from newsfilter.integrations import FACTS, PREFIX, facts_of
from newsfilter.records import LABELS

METIN = Path(__file__).parents[1] / "fixtures/dump/metin"
REJECTED = "009_duvar-ustalari-forum"
TEXTS = {path.stem: path.read_text(encoding="utf-8", errors="replace") for path in sorted(METIN.glob("0*.txt"))} | {
    "page": page(1).replace("<article>", "<nav><a href='/'>Home</a> <a href='/news'>All news</a></nav><article>"),
    "text": article(2),
}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither library looks for anything outside, or leaves anything behind."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # of worker processes


def read_lines(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def run_datatrove(rows: Sequence[Sequence[dict[str, Any]]], folder: Path, workers: int, **options: Any) -> tuple[dict[str, Any], ...]:
    """Give DataTrove a JSONL file for each task; return what came through, what was dropped, and the step's counts."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter

    from newsfilter.integrations.datatrove import NewsFilter

    (folder / "in").mkdir(parents=True)
    for number, part in enumerate(rows):
        (folder / f"in/{number}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")
    step = NewsFilter(exclusion_writer=JsonlWriter(str(folder / "dropped")), **options)
    LocalPipelineExecutor(
        [JsonlReader(str(folder / "in")), step, JsonlWriter(str(folder / "out"))],
        tasks=len(rows),
        workers=workers,
        logging_dir=str(folder / "logs"),
    ).run()
    stats = json.loads((folder / "logs/stats.json").read_bytes())
    counts = {name: value if isinstance(value, int) else value["total"] for name, value in stats[1]["stats"].items()}
    return {row["id"]: row for row in read_lines(folder / "out")}, {row["id"]: row for row in read_lines(folder / "dropped")}, counts


def rows_of_texts() -> list[dict[str, Any]]:
    return [
        {"id": name, "text": text, "url": f"https://ferry.example/{name}", "title": "theirs", "views": number}
        for number, (name, text) in enumerate(TEXTS.items())
    ]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_datatrove(workers: int, tmp_path: Path) -> None:
    """What DataTrove reads comes out as `clean` cleans it, with its id, its metadata and what became of it; the rest is counted and excluded."""
    rows = [*rows_of_texts(), {"id": "broken", "text": ["no", "text"]}]
    out, dropped, counts = run_datatrove([rows[::2], rows[1::2]], tmp_path, workers, batch_size=4)
    statuses: dict[str, int] = {}
    for row in rows[:-1]:
        expected = newsfilter.clean(row["text"], url=row["url"])
        rejected = expected.verdict.decision == "reject"
        found = (dropped if rejected else out)[row["id"]]
        facts = facts_of(expected, LABELS)
        text, status = facts.pop("newsfilter_text"), facts["newsfilter_status"]
        assert found["text"] == (row["text"] if rejected else text)
        assert found["metadata"].items() >= {**facts, "url": row["url"], "title": "theirs", "views": row["views"]}.items()
        assert found["metadata"].get("filter_reason") == (expected.verdict.reasons[0].code if rejected else None)
        statuses[status] = statuses.get(status, 0) + 1
    assert dropped["broken"]["metadata"]["newsfilter_status"] == dropped["broken"]["metadata"]["filter_reason"] == "failed"
    assert "a document is list" in dropped["broken"]["metadata"]["newsfilter_error"]
    assert REJECTED in dropped
    assert counts.items() >= {**statuses, "failed": 1, "dropped_failed": 1, "total": len(rows)}.items()
    assert (counts["forwarded"], counts["dropped"]) == (len(out), len(dropped)) == (len(rows) - len(dropped), len(dropped))


def test_the_datatrove_step_travels() -> None:
    """A step goes to worker processes with its settings and without the model; one document alone comes out as in a batch."""
    from datatrove.data import Document

    from newsfilter.integrations.datatrove import NewsFilter

    step = NewsFilter(newsfilter.Settings(lang=("tr",)))
    sent = pickle.dumps(step)
    assert len(sent) < 5_000
    for one in (step, pickle.loads(sent)):
        doc = Document(article(1), "a", metadata={"url": "https://ferry.example/1"})
        assert one.filter(doc) == (False, "other-language")
        assert doc.text == article(1)
        assert doc.metadata["url"] == "https://ferry.example/1"
        assert doc.metadata["newsfilter_status"] == "rejected"


def cleaned(rows: list[dict[str, Any]], processes: int, cleaning: Any, **options: Any) -> Any:
    import datasets

    given = datasets.Dataset.from_list(rows)
    return given.map(cleaning, batched=True, num_proc=processes, features=cleaning.features(given.features), **options)


@pytest.mark.slow
def test_datasets() -> None:
    """Each row gains what became of it, the same for one process and for two; a row that fails stays, with its reason."""
    from newsfilter.integrations.datasets import CleanRows

    rows = [*rows_of_texts(), {"id": "broken", "text": None}]
    one, two = (cleaned(rows, processes, CleanRows(), batch_size=4).to_list() for processes in (1, 2))
    assert one == two
    for row, found in zip(rows[:-1], one[:-1], strict=True):
        expected = newsfilter.clean(row["text"], url=row["url"])
        assert found == {**row, **facts_of(expected, LABELS)}
    assert (one[-1]["newsfilter_status"], one[-1]["newsfilter_reasons"], one[-1]["newsfilter_text"]) == ("failed", ["error"], None)
    assert "a document is NoneType" in one[-1]["newsfilter_error"]
    assert {row["newsfilter_status"] for row in one} >= {"accepted", "rejected", "failed"}


@pytest.mark.slow
def test_datasets_replaces_a_column() -> None:
    """The text may come from one column and go to another, or to the same; bytes are decoded."""
    from newsfilter.integrations.datasets import CleanRows

    rows = [{"html": page(1).encode("utf-16"), "link": "https://ferry.example/1"}]
    cleaning = CleanRows(text_field="html", url_field="link", out_field="text")
    found = cleaned(rows, 1, cleaning).to_list()
    assert found[0]["text"] == newsfilter.clean(page(1)).body
    assert found[0]["html"] == rows[0]["html"]
    assert "newsfilter_text" not in found[0]
    with pytest.raises(InputError, match="no column 'text' among html, link"):
        cleaned(rows, 1, CleanRows())


@pytest.mark.slow
def test_datasets_with_empty_first_rows() -> None:
    """A column without a value in the first rows has its type all the same."""
    from newsfilter.integrations.datasets import CleanRows

    rows = [{"text": None}] * 8 + [{"text": article(1)}]
    found = cleaned(rows, 1, CleanRows(), batch_size=2, writer_batch_size=2)
    assert [row["newsfilter_status"] for row in found] == ["failed"] * 8 + ["accepted"]


def test_the_cache_of_datasets_knows_what_cleaned() -> None:
    """`datasets` finds rows again by the function's fingerprint: other settings, another version or another model must give another."""
    from datasets.fingerprint import Hasher

    from newsfilter.integrations.datasets import CleanRows

    cleaning = CleanRows()
    assert Hasher.hash(cleaning) == Hasher.hash(CleanRows())
    others = [replace(cleaning, settings=newsfilter.Settings(min_words=41)), replace(cleaning, text_field="html"), CleanRows(), CleanRows()]
    version, model = cleaning.made_by
    object.__setattr__(others[2], "made_by", (f"{version}.post1", model))
    object.__setattr__(others[3], "made_by", (version, model[::-1]))
    assert cleaning.made_by == (newsfilter.__version__, newsfilter.load_model().sha256)
    assert len({Hasher.hash(one) for one in (cleaning, *others)}) == 5


def test_facts_are_the_same_for_every_document() -> None:
    """Whatever became of a document, it has all facts and all labels, or a table would get another schema."""
    results: list[newsfilter.Article | Exception] = [newsfilter.clean(article(1)), newsfilter.clean(""), ValueError("no")]
    facts = [facts_of(result, LABELS) for result in results]
    assert all(tuple(row) == tuple(PREFIX + name for name in FACTS) for row in facts)
    assert all(tuple(row["newsfilter_removed"]) == LABELS for row in facts)
    assert [row["newsfilter_error"] for row in facts] == [None, None, "ValueError: no"]


@pytest.mark.parametrize("library", ["datatrove", "datasets"])
def test_a_missing_library_is_named(library: str) -> None:
    """Without the library the message says what to install."""
    use = {"datatrove": "", "datasets": "; newsfilter.integrations.datasets.CleanRows().features()"}[library]
    code = f"import sys; sys.modules['{library}'] = None; import newsfilter.integrations.{library}{use}"
    ran = subprocess.run([sys.executable, "-c", code], env=dict(os.environ), capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert f"pip install 'newsfilter[{library}]'" in ran.stderr


SPY = """
def detect(raw):
    raise SystemExit("cchardet was asked")
"""


def test_cchardet_beside_newsfilter_changes_nothing(tmp_path: Path) -> None:
    """DataTrove's extras bring faust-cchardet, which trafilatura then asks, and which decodes badly: whatever it says, newsfilter does not ask."""
    (tmp_path / "cchardet").mkdir()
    (tmp_path / "cchardet/__init__.py").write_text(SPY, encoding="utf-8")
    ask = "import newsfilter, trafilatura.utils as u, sys; print(newsfilter.clean(sys.stdin.buffer.read()).record['page']['sha256'], u.cchardet_detect)"
    pages = [page(1).replace("Ferry", "“Köprü” şair").encode("windows-1254"), page(2).encode() + b"\xff"]
    for raw in pages:
        for path in (str(ROOT), f"{ROOT}{os.pathsep}{tmp_path}"):
            ran = subprocess.run(
                [sys.executable, "-c", ask], input=raw, env={**os.environ, "PYTHONPATH": path}, capture_output=True, check=True
            )
            sha256, _, detector = ran.stdout.decode().partition(" ")
            assert sha256 == newsfilter.clean(raw).record["page"]["sha256"]
            assert detector.startswith("<function detect") is (path != str(ROOT))
