"""What was changed, lost or added in a run's output is found, and named."""

import gzip
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Ran, article, make_tree, page

from newsfilter.audit.spill import DiskMap, Item, paired
from newsfilter.audit.verify_document import CODES
from newsfilter.cli import main
from newsfilter.dumps.outputs_store import LocalStore
from newsfilter.dumps.writing import StoppedError

Run = Callable[..., Ran]
Tamper = Callable[[Path], object]
FORMATS = ("files", "jsonl", "jsonl.zst", "parquet")
SPAM = "Best escort bayan eskort casino bahis siteleri deneme bonusu veren siteler güncel giriş adresi. " * 12

CRAWL: dict[str, bytes | str] = {
    "a/one.html": page(1),
    "a/two.txt": article(2),
    "b/three.html": page(3),
    "b/short.txt": "Ferry stays\n\nThe council of Harrow Bridge voted on Tuesday evening to keep the old ferry running for two more winters.\n",
    "b/empty.txt": b"",
    "b/cut.html.gz": b"\x1f\x8b\x08\0",
    "c/packed.txt.gz": gzip.compress(article(5).encode(), mtime=0),
    "c/spam.txt": SPAM,
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``crawl`` and a run over it in each format."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "newsfilter.toml").touch()
    make_tree(folder / "crawl", CRAWL)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for form in FORMATS:
            arguments = ["clean", "crawl", "-o", form, "--to", form, "--quiet", "--max-failed", "1", "--jobs", "1", "--dedup"]
            assert main(arguments) == 0
    return folder


@pytest.fixture
def copied(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A copy of a run and of its sources, in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "newsfilter.toml").touch()
    shutil.copytree(runs / "crawl", tmp_path / "crawl")

    def copy(form: str) -> Path:
        return Path(shutil.copytree(runs / form, tmp_path / "out"))

    return copy


def findings(run: Run, *arguments: str | Path) -> tuple[int, list[dict[str, str]]]:
    ran = run("verify", "out", "--json", "--quiet", *arguments)
    return ran.status, json.loads(ran.out)["findings"]


@pytest.mark.parametrize("form", FORMATS)
def test_what_was_not_touched_has_no_findings(form: str, run: Run, copied: Callable[[str], Path]) -> None:
    copied(form)
    ran = run("verify", "out", "--quiet")
    assert (ran.status, ran.out, ran.err) == (0, "8 documents checked, 7 sources read again: no findings\n", "")


def edit(path: str, change: Callable[[str], str]) -> Tamper:
    """Change a file's text."""

    def tamper(out: Path) -> None:
        before = (out / path).read_bytes().decode()
        after = change(before)
        assert after != before
        (out / path).write_bytes(after.encode())

    return tamper


def edit_json(path: str, change: Callable[[dict[str, Any]], object]) -> Tamper:
    """Change a record or marker and write it as newsfilter would."""

    def changed(text: str) -> str:
        value = json.loads(text)
        change(value)
        indent = 2 if text.startswith("{\n") else None
        separators = None if indent else (",", ":")
        return json.dumps(value, ensure_ascii=False, indent=indent, separators=separators) + "\n"

    return edit(path, changed)


def lines(change: Callable[[list[str]], list[str]]) -> Tamper:
    return edit("ledger.jsonl", lambda text: "".join(change(text.splitlines(keepends=True))))


def remove(path: str) -> Tamper:
    return lambda out: (out / path).unlink()


def write(path: str, text: str) -> Tamper:
    return lambda out: (out / path).write_text(text, encoding="utf-8")


def removed_entry(record: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = next(entry for entry in record["blocks"] if not entry["kept"])
    return entry


def kept_entry(record: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = next(entry for entry in record["blocks"] if entry["kept"])
    return entry


RECORD, BODY = "a/two.provenance.json", "a/two.txt"
TAMPERINGS: dict[str, tuple[Tamper, set[tuple[str, str]]]] = {
    "a body, by one letter": (edit(BODY, lambda text: text.replace("week", "weak", 1)), {(BODY, "body-changed")}),
    "a body, by its last line break": (edit(BODY, lambda text: text + "\n"), {(BODY, "body-changed")}),
    "a body is no UTF-8": (lambda out: (out / BODY).write_bytes(b"\xff"), {(BODY, "body-changed")}),
    "a body is gone": (remove(BODY), {(BODY, "body-missing")}),
    "a body was added": (write("a/new.txt", "An article of somebody's."), {("a/new.txt", "added")}),
    "a body of a rejected document was added": (write("rejected/b/empty.txt", "Not empty"), {("rejected/b/empty.txt", "added")}),
    "a record was added": (write("a/new.provenance.json", "{}\n"), {("a/new.provenance.json", "added")}),
    "a file stands at the top": (write("notes.md", "mine"), {("notes.md", "added")}),
    "what a killed process left": (write("a/.newsfilter-0123456789abcdef.tmp", ""), {("a/.newsfilter-0123456789abcdef.tmp", "added")}),
    "a label": (edit_json(RECORD, lambda r: removed_entry(r).update(label="spam-other")), {(RECORD, "record-changed")}),
    "a kept label": (edit_json(RECORD, lambda r: kept_entry(r).update(label="caption")), {(RECORD, "record-changed")}),
    "a removed text": (edit_json(RECORD, lambda r: removed_entry(r).update(text=removed_entry(r)["text"].upper())), {(RECORD, "record-changed")}),
    "a removed text, by length": (edit_json(RECORD, lambda r: removed_entry(r).update(text="x")), {(RECORD, "record-changed")}),
    "where an entry begins": (edit_json(RECORD, lambda r: r["blocks"][1].update(start=r["blocks"][1]["start"] + 1)), {(RECORD, "record-changed")}),
    "where an entry stands in the body": (edit_json(RECORD, lambda r: kept_entry(r).update(at=[1, 9])), {(RECORD, "record-changed")}),
    "a probability": (edit_json(RECORD, lambda r: kept_entry(r).update(probabilities={"body": 0.5})), {(RECORD, "record-changed")}),
    "the page's sha256": (edit_json(RECORD, lambda r: r["page"].update(sha256="0" * 64)), {(RECORD, "record-changed")}),
    "the body's sha256": (edit_json(RECORD, lambda r: r["body"].update(sha256="0" * 64)), {(RECORD, "record-changed"), (BODY, "body-changed")}),
    "the source's sha256": (edit_json(RECORD, lambda r: r["source"].update(sha256="0" * 64)), {(RECORD, "record-changed")}),
    "a title": (edit_json(RECORD, lambda r: r.update(title="Another")), {(RECORD, "record-changed")}),
    "a verdict": (edit_json(RECORD, lambda r: r["verdict"].update(decision="reject")), {(RECORD, "record-changed")}),
    "white space in a record": (edit(RECORD, lambda text: text.replace(",", ", ", 1)), {(RECORD, "record-changed")}),
    "a record is cut": (edit(RECORD, lambda text: text[:200]), {(RECORD, "record-changed")}),
    "a record is a list": (edit(RECORD, lambda _: "[]\n"), {(RECORD, "record-changed")}),
    "a record lacks its blocks": (edit_json(RECORD, lambda r: r.pop("blocks")), {(RECORD, "record-changed")}),
    "a record is gone": (remove(RECORD), {(RECORD, "record-missing")}),
    "a rejected document's record is gone": (remove("rejected/b/empty.provenance.json"), {("rejected/b/empty.provenance.json", "record-missing")}),
    "a ledger line is gone": (lines(lambda all_: all_[1:]), {("ledger.jsonl", "ledger-missing")}),
    "a ledger line stands there twice": (lines(lambda all_: [*all_, all_[0]]), {("ledger.jsonl:9", "ledger-added")}),
    "a ledger line was added": (
        lines(lambda all_: [*all_, all_[0].replace("one", "new").replace('"id":"', '"id":"0')]),
        {("ledger.jsonl:9", "ledger-added")},
    ),
    "ledger lines changed places": (lines(lambda all_: [all_[1], all_[0], *all_[2:]]), {("ledger.jsonl", "ledger-changed")}),
    "a ledger line's status": (lines(lambda all_: [all_[0].replace('"accepted"', '"review"'), *all_[1:]]), {("ledger.jsonl:1", "ledger-changed")}),
    "a ledger line is none": (
        lines(lambda all_: ["{}\n", *all_[1:]]), {("ledger.jsonl:1", "ledger-changed"), ("ledger.jsonl", "ledger-missing")}
    ),
    "the ledger is gone": (remove("ledger.jsonl"), {("ledger.jsonl", "ledger-missing")}),
    "both ledgers name another output": (
        lambda out: [edit(name, lambda text: text.replace(f'"output":"{BODY}"', '"output":"../../two.txt"'))(out) for name in ("ledger.jsonl", "_done/part-000000.ledger.jsonl")],
        {("a/two.txt", "ledger-changed"), (BODY, "added"), (RECORD, "added")},
    ),
    "a count of run.json": (edit_json("run.json", lambda r: r["counts"].update(accepted=9)), {("run.json", "run-changed")}),
    "reasons of run.json": (edit_json("run.json", lambda r: r.update(reasons={})), {("run.json", "run-changed")}),
    "skipped of run.json": (edit_json("run.json", lambda r: r["counts"].update(skipped=1)), {("run.json", "run-changed")}),
    "a setting of run.json": (
        edit_json("run.json", lambda r: r["settings"].update(min_words=3)),
        {("run.json", "run-changed"), ("_done/part-000000.json", "marker-changed")},
    ),
    "the model of run.json": (
        edit_json("run.json", lambda r: r["model"].update(sha256="0" * 64)),
        {("run.json", "run-changed"), ("_done/part-000000.json", "marker-changed")},
    ),
    "run.json is no JSON": (edit("run.json", lambda text: text[:99]), {("run.json", "run-changed")}),
    "run.json is gone": (remove("run.json"), {("run.json", "run-missing")}),
    "the run did not finish": (edit_json("run.json", lambda r: r.update(status="interrupted")), {("run.json", "run-unfinished")}),
    "a marker is gone": (remove("_done/part-000000.json"), {("_done/part-000000.json", "marker-missing")}),
    "a marker's counts": (edit_json("_done/part-000000.json", lambda m: m["counts"].update(accepted=9)), {("_done/part-000000.json", "marker-changed")}),
    "a marker is cut": (edit("_done/part-000000.json", lambda text: text[:50]), {("_done/part-000000.json", "marker-changed")}),
    "a repeat is not listed": (edit("duplicates.jsonl", lambda _: "{}\n"), {("duplicates.jsonl", "ledger-changed")}),
    "the list of repeats is gone": (remove("duplicates.jsonl"), {("duplicates.jsonl", "ledger-missing")}),
    "a source": (edit("../crawl/a/two.txt", lambda text: text + "."), {("a/two.txt", "source-changed")}),
    "a packed source": (
        lambda out: (out / "../crawl/c/packed.txt.gz").write_bytes(gzip.compress(b"Something else")), {("c/packed.txt.gz", "source-changed")}
    ),
    "a source cannot be read": (
        lambda out: (out / "../crawl/c/packed.txt.gz").write_bytes(b"\x1f\x8b\x08"), {("c/packed.txt.gz", "source-changed")}
    ),
    "a source is gone": (remove("../crawl/a/two.txt"), {("a/two.txt", "source-missing")}),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERINGS)
def test_every_tampering_is_caught_and_named(name: str, run: Run, copied: Callable[[str], Path]) -> None:
    """What was done to the output is named, with its path, and nothing else is."""
    out = copied("files")
    tamper, wanted = TAMPERINGS[name]
    tamper(out)
    status, found = findings(run)
    assert {(row["path"].removeprefix("out/"), row["code"]) for row in found} == wanted
    assert status == 1
    assert {code for _, code in wanted} <= set(CODES)


def rewrite_shard(path: Path, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
    """Write a JSONL shard anew, each row through a function; None drops it."""
    rows = [change(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    text = "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows if row is not None)
    assert text != path.read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")


ARTICLES, RECORDS = "articles/part-000000.jsonl", "records/part-000000.jsonl"
SHARD_TAMPERINGS: dict[str, tuple[Tamper, set[tuple[str, str]]]] = {
    "a text": (
        lambda out: rewrite_shard(out / ARTICLES, lambda row: {**row, "text": row["text"] and row["text"].replace("week 20", "weak 20")}),
        {(ARTICLES, "shard-changed"), (f"{RECORDS}#two", "body-changed")},
    ),
    "a title": (
        lambda out: rewrite_shard(out / ARTICLES, lambda row: {**row, "title": "X"} if "two" in row["uri"] else row),
        {(ARTICLES, "shard-changed"), (f"{ARTICLES}#two", "row-changed")},
    ),
    "a text of a rejected document": (
        lambda out: rewrite_shard(out / ARTICLES, lambda row: {**row, "text": "X"} if "empty" in row["uri"] else row),
        {(ARTICLES, "shard-changed"), (f"{ARTICLES}#empty", "row-changed")},
    ),
    "a record": (
        lambda out: rewrite_shard(out / RECORDS, lambda row: {**row, "record": row["record"].replace("Ferry number 2 ", "Ferry number 7 ")}),
        {(RECORDS, "shard-changed"), (f"{RECORDS}#two", "record-changed")},
    ),
    "an article is gone": (
        lambda out: rewrite_shard(out / ARTICLES, lambda row: None if "two" in row["uri"] else row),
        {(ARTICLES, "shard-changed"), (f"{RECORDS}#two", "body-missing")},
    ),
    "a record is gone": (
        lambda out: rewrite_shard(out / RECORDS, lambda row: None if "a/two.txt" in row["record"] else row),
        {(RECORDS, "shard-changed"), (f"{RECORDS}#two", "record-missing")},
    ),
    "a row was added": (
        lambda out: (out / ARTICLES).write_text((out / ARTICLES).read_text() + '{"id":"new"}\n'),
        {(ARTICLES, "shard-changed"), (f"{ARTICLES}#new", "added")},
    ),
    "an input's column": (
        lambda out: rewrite_shard(out / ARTICLES, lambda row: {**row, "mine": 1}),
        {(ARTICLES, "shard-changed")},
    ),
    "a shard was added": (write("articles/part-000007.jsonl", "{}\n"), {("articles/part-000007.jsonl", "added")}),
    "a marker is gone": (remove("_done/part-000000.json"), {("_done/part-000000.json", "marker-missing")}),
    "a marker's sha256": (
        edit_json("_done/part-000000.json", lambda m: m["outputs"][ARTICLES].update(sha256="0" * 64)), {(ARTICLES, "shard-changed")}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHARD_TAMPERINGS)
def test_tampering_with_shards_is_caught_and_named(name: str, run: Run, copied: Callable[[str], Path]) -> None:
    out = copied("jsonl")
    ids = {Path(line["uri"]).name.split(".")[0]: line["id"] for line in map(json.loads, (out / "ledger.jsonl").read_text().splitlines())}
    tamper, wanted = SHARD_TAMPERINGS[name]
    tamper(out)
    status, found = findings(run)
    named = {
        (path.partition("#")[0] + (f"#{ids.get(path.partition('#')[2], path.partition('#')[2])}" if "#" in path else ""), code)
        for path, code in wanted
    }
    assert {(row["path"].removeprefix("out/"), row["code"]) for row in found} == named
    assert status == 1


def test_a_shard_that_is_gone_is_named_and_so_is_all_that_was_in_it(run: Run, copied: Callable[[str], Path]) -> None:
    (copied("parquet") / "records/part-000000.parquet").unlink()
    status, found = findings(run)
    assert status == 1
    assert sorted(row["code"] for row in found) == ["record-missing"] * 7 + ["shard-missing"]


def test_a_damaged_parquet_file_does_not_end_the_check(run: Run, copied: Callable[[str], Path]) -> None:
    path = copied("parquet") / "articles/part-000000.parquet"
    path.write_bytes(path.read_bytes()[:500])
    status, found = findings(run)
    assert status == 1
    assert {row["code"] for row in found} == {"shard-changed", "body-missing"}
    assert all("part-000000.parquet" in row["path"] for row in found)


@pytest.mark.parametrize("schema", ["newsfilter/provenance/2", "newsfilter/fix/1"])
def test_a_record_of_another_schema_is_named_and_not_judged(schema: str, run: Run, copied: Callable[[str], Path]) -> None:
    """Nobody can say whether it is right: status 2; the others are checked, and what is wrong there is found."""
    out = copied("files")
    edit_json(RECORD, lambda r: r.update(schema=schema))(out)
    (out / "a/one.txt").unlink()
    ran = run("verify", "out", "--quiet")
    assert ran.status == 2
    assert f"out/{RECORD}: record-newer: its schema is '{schema}'" in ran.out
    assert "out/a/one.txt: body-missing" in ran.out


def test_an_older_record_is_checked_as_far_as_it_goes(run: Run, copied: Callable[[str], Path]) -> None:
    """A record of before `kinds`, and a ledger of before `record_sha256`: bodies are held against records all the same."""
    out = copied("files")
    edit_json(RECORD, lambda r: r.pop("kinds"))(out)
    for name in ("ledger.jsonl", "_done/part-000000.ledger.jsonl"):
        text = (out / name).read_text(encoding="utf-8")
        rows = [json.loads(line) for line in text.splitlines()]
        (out / name).write_text("".join(json.dumps({k: v for k, v in row.items() if k != "record_sha256"}, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows), encoding="utf-8")  # fmt: skip
    assert findings(run) == (0, [])
    edit(BODY, lambda text: text + " ")(out)
    assert [row["code"] for row in findings(run)[1]] == ["body-changed"]


def test_sources_elsewhere_are_read_where_they_are(run: Run, copied: Callable[[str], Path]) -> None:
    out = copied("parquet")
    (out.parent / "crawl").rename(out.parent / "moved")
    ran = run("verify", "out", "--quiet")
    assert (ran.status, ran.out) == (0, "8 documents checked: no findings\n")
    assert "crawl: its documents are not checked against their sources" in ran.err
    (out.parent / "moved/a/two.txt").write_text("Something else", encoding="utf-8")
    status, found = findings(run, "--sources", "moved")
    assert (status, [(row["path"], row["code"]) for row in found]) == (1, [("a/two.txt", "source-changed")])
    assert findings(run, "--no-sources") == (0, [])
    assert run("verify", "out", "--sources", "nowhere").status == 2


def test_documents_that_came_after_the_run_are_no_findings(run: Run, copied: Callable[[str], Path]) -> None:
    out = copied("files")
    (out.parent / "crawl/a/later.txt").write_text(article(9), encoding="utf-8")
    assert findings(run) == (0, [])


@pytest.mark.usefixtures("workplace")
def test_sources_in_containers_are_checked_row_by_row(run: Run, tmp_path: Path) -> None:
    rows = [{"id": str(k), "text": article(k)} for k in range(5)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert run("clean", "in.jsonl", "-o", "out", "--to", "jsonl", "--quiet", "--jobs", "1").status == 0
    assert findings(run) == (0, [])
    rows[2]["text"] = rows[2]["text"].replace("week", "weak")
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[:4]), encoding="utf-8")
    status, found = findings(run)
    assert status == 1
    assert sorted(row["code"] for row in found) == ["source-changed", "source-missing"]
    assert all(row["path"].startswith("in.jsonl at ") for row in found)


@pytest.mark.usefixtures("workplace")
def test_remote_output_is_checked(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path / "crawl", {"a.txt": article(1), "b.txt": article(2)})
    assert run("clean", "crawl", "-o", "memory://audit/out", "--to", "jsonl", "--quiet", "--jobs", "1").status == 0
    ran = run("verify", "memory://audit/out", "--quiet")
    assert (ran.status, ran.out) == (0, "2 documents checked, 2 sources read again: no findings\n")
    import fsspec

    store = fsspec.filesystem("memory")
    path = (
        "/audit/out/articles/part-000000.jsonl.zst"
        if store.exists("/audit/out/articles/part-000000.jsonl.zst")
        else "/audit/out/articles/part-000000.jsonl"
    )
    store.pipe_file(path, store.cat_file(path).replace(b"week", b"weak"))
    ran = run("verify", "memory://audit/out", "--quiet")
    assert ran.status == 1
    assert "shard-changed" in ran.out
    assert "body-changed" in ran.out


def test_what_cannot_be_read_is_named_and_the_rest_is_checked(
    run: Run, copied: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record behind a fault of the disk: nobody can judge it, which is not the same as nothing found."""
    out = copied("files")
    (out / "a/one.txt").unlink()
    intact = LocalStore.read

    def read(store: LocalStore, name: str) -> bytes | None:
        if name == RECORD:
            raise StoppedError(f"{name}: cannot be read (Input/output error)")
        return intact(store, name)

    monkeypatch.setattr(LocalStore, "read", read)
    status, found = findings(run, "--no-sources")
    assert status == 2
    assert {row["code"] for row in found} == {"unreadable", "body-missing", "added"}
    monkeypatch.setattr(LocalStore, "read", lambda store, _name: read(store, RECORD))
    assert run("verify", "out").status == 2


def test_names_are_written_so_that_a_terminal_obeys_none(run: Run, copied: Callable[[str], Path]) -> None:
    out = copied("files")
    (out / "a/\x1b[31mred\u202e.txt").touch()
    ran = run("verify", "out", "--quiet")
    assert "a/\\x1b[31mred\\u202e.txt: added" in ran.out
    assert "\x1b" not in ran.out + ran.err


def test_a_folder_that_holds_no_run_is_wrong_usage(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    ran = run("verify", tmp_path)
    assert ran.status == 2
    assert "holds no run" in ran.err


def test_every_code_is_documented() -> None:
    text = (Path(__file__).parents[1] / "docs/audit.md").read_text(encoding="utf-8")
    assert [code for code in CODES if f"| `{code}` |" not in text] == []


def items(*names: str) -> Iterator[Item]:
    return iter([{"id": name, "place": place} for place, name in enumerate(names)])


@pytest.mark.parametrize("held", [0, 1, 2, 100])
@pytest.mark.parametrize(
    ("one", "other", "pairs"),
    [
        ("abc", "abc", ["aa", "bb", "cc"]),
        ("abc", "cab", ["aa", "bb", "cc"]),
        ("abcdef", "cdef", ["a-", "b-", "cc", "dd", "ee", "ff"]),
        ("", "ab", ["-a", "-b"]),
        ("aab", "aaa", ["aa", "aa", "-a", "b-"]),
    ],
)
def test_streams_are_joined_whatever_their_order_and_however_little_is_held(one: str, other: str, pairs: list[str], held: int) -> None:
    """What does not fit in memory waits in a file; of several items of one key the n-th goes with the n-th."""
    found = list(paired(items(*one), items(*other), lambda item: str(item["id"]), held))
    assert sorted((a["id"] if a else "-") + (b["id"] if b else "-") for a, b in found) == sorted(pairs)
    both = [(a["place"], b["place"]) for a, b in found if a and b and a["id"] == "a"]
    assert both == sorted(both)


def test_what_waits_in_a_file_goes_with_it() -> None:
    with DiskMap() as held:
        held.put("a\ud800", "1")
        held.put("a\ud800", "2")
        folder = Path(held._folder.name)
        assert (held.has("a\ud800"), held.has("b"), len(held), list(held)) == (True, False, 2, ["a\\ud800"] * 2)
        assert (held.pop("a\ud800"), held.pop("a\ud800"), held.pop("a\ud800")) == ("1", "2", None)
    assert not folder.exists()
