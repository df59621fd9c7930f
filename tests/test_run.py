import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from children import harm_folder
from conftest import ROOT, Ran, article, files, ledger, make_tree, run_file

import newsfilter.dumps.worker
from newsfilter.dumps.documents import Document, Failed
from newsfilter.dumps.ledger import Ledger, failed_line
from newsfilter.dumps.order import Order, Result
from newsfilter.dumps.readers import ReadOptions
from newsfilter.dumps.run import clean_dump
from newsfilter.dumps.summary import imbalance
from newsfilter.dumps.worker import close_keepers
from newsfilter.dumps.writing import StoppedError, write_whole
from newsfilter.errors import OutputError
from newsfilter.settings import Settings

pytestmark = pytest.mark.usefixtures("workplace")  # a folder of the test's own, with no settings file above it

Run = Callable[..., Ran]


def test_every_input_is_accounted_for_and_every_output_is_where_the_ledger_says(run: Run, dump: Path, tmp_path: Path) -> None:
    """Bodies, records and ledger agree with each other, and run.json with the ledger."""
    assert run("clean", dump, "-o", "out").status == 0
    lines, content = ledger(tmp_path / "out"), run_file(tmp_path / "out")
    assert [line["uri"] for line in lines] == ["a/one.html", "a/two.txt", "b/empty.txt", "b/four.txt", "b/three.htm"]
    counts = content["counts"]
    assert counts["documents"] == 5 == sum(counts[status] for status in ("accepted", "review", "rejected", "failed"))
    assert (counts["skipped"], content["skipped"]) == (1, {"image": 1})
    folder = {"accepted": "", "review": "review/", "rejected": "rejected/"}
    expected = {"ledger.jsonl"}
    for line in lines:
        stem = folder[line["status"]] + line["uri"].rsplit(".", 1)[0]
        record = json.loads((tmp_path / "out" / f"{stem}.provenance.json").read_text(encoding="utf-8"))
        expected.add(f"{stem}.provenance.json")
        assert (record["id"], record["source"]["uri"]) == (line["id"], line["uri"])
        if line["status"] == "rejected":
            assert (line["output"], line["body_sha256"], line["characters"]) == (f"{stem}.provenance.json", None, 0)
        else:
            body = (tmp_path / "out" / line["output"]).read_bytes()
            expected.add(line["output"])
            assert line["output"] == f"{stem}.txt"
            assert line["body_sha256"] == record["body"]["sha256"] == hashlib.sha256(body).hexdigest()
            assert (line["characters"], line["words"]) == (len(body.decode()), record["body"]["words"])
    assert files(tmp_path / "out").keys() == expected
    assert content["characters"]["kept"] == sum(line["characters"] for line in lines)
    assert sum(content["characters"]["removed"].values()) == sum(sum(line["labels"].values()) for line in lines)


def test_an_article_is_accepted_and_an_empty_file_rejected(run: Run, dump: Path, tmp_path: Path) -> None:
    run("clean", dump, "-o", "out")
    by_uri = {line["uri"]: line for line in ledger(tmp_path / "out")}
    assert (by_uri["b/empty.txt"]["status"], by_uri["b/empty.txt"]["reason"]) == ("rejected", "empty")
    assert by_uri["a/one.html"]["status"] == "accepted"
    assert "keep the old ferry running" in (tmp_path / "out/a/one.txt").read_text(encoding="utf-8")


def test_the_run_file_says_what_was_run_and_with_what(run: Run, dump: Path, tmp_path: Path) -> None:
    run("clean", "crawl", "-o", "out", "--min-words", "7")
    content = run_file(tmp_path / "out")
    assert (content["schema"], content["status"], content["sources"]) == ("newsfilter/run/1", "finished", ["crawl"])
    assert content["settings"]["min_words"] == 7
    assert len(content["model"]["sha256"]) == 64
    assert content["software"]["newsfilter"]
    assert content["seconds"]["wall"] > 0
    assert {"read", "write"} < content["seconds"]["cpu"].keys()
    assert dump.name == "crawl"


@pytest.mark.slow
def test_no_number_of_processes_changes_a_byte(run: Run, many: Path, tmp_path: Path) -> None:
    assert run("clean", many, "-o", "whole", "--quiet").status == 1
    for jobs in (2, 3):
        assert run("clean", many, "-o", f"out{jobs}", "--jobs", str(jobs), "--quiet").status == 1
        assert files(tmp_path / f"out{jobs}") == files(tmp_path / "whole")
        assert run_file(tmp_path / f"out{jobs}")["counts"] == run_file(tmp_path / "whole")["counts"]


def test_every_processor_has_a_process_unless_told_otherwise(run: Run, dump: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def _clean(order: Order, **_: object) -> Result:
        asked.append(order.jobs)
        return Result({"counts": {"failed": 0, "documents": 0}, "reasons": {}})

    monkeypatch.setattr("newsfilter.dumps.run.clean_dump", _clean)
    monkeypatch.setattr("newsfilter.dumps.pool.processors", lambda: 7)
    for jobs in ([], ["--jobs", "0"], ["--jobs", "3"]):
        assert run("clean", dump, "-o", "out", "--quiet", *jobs).status == 0
    assert asked == [7, 7, 3]


def test_out_that_is_not_empty_is_refused_and_left_alone(run: Run, dump: Path, tmp_path: Path) -> None:
    make_tree(tmp_path / "out", {"notes.txt": "mine"})
    for arguments in ([], ["--resume"]):
        ran = run("clean", dump, "-o", "out", *arguments)
        assert (ran.status, "not empty" in ran.err) == (2, True)
    assert files(tmp_path / "out") == {"notes.txt": b"mine"}


def test_overwrite_removes_what_an_earlier_run_wrote_and_nothing_else(run: Run, dump: Path, tmp_path: Path) -> None:
    """Bodies of the earlier run go with their records, whether or not the ledger knows them; the user's own files stay."""
    run("clean", dump, "-o", "out", "--min-words", "100000")
    assert files(tmp_path / "out/review")
    (tmp_path / "out/ledger.jsonl").write_text("")  # as if the run had been killed before its first line
    mine: dict[str, bytes | str] = {
        "notes.txt": "mine",
        "review/a/my.provenance.json": '{"schema": "mine"}',
        "rejected/b/empty.txt": "mine",
        "a/.newsfilter-mine.tmp": "mine",
    }
    make_tree(tmp_path / "out", mine)
    other = make_tree(tmp_path / "other", {"c/five.txt": article(5)})
    assert run("clean", other, "-o", "out", "--overwrite").status == 0
    assert files(tmp_path / "out").keys() == {*mine, "ledger.jsonl", "c/five.txt", "c/five.provenance.json"}
    assert not (tmp_path / "out/review/b").exists()


def test_overwriting_gives_the_same_as_a_fresh_run(run: Run, dump: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert run("clean", dump, "-o", "out", "--overwrite", "--keep", "caption").status == 0
    run("clean", dump, "-o", "whole", "--keep", "caption")
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_a_run_file_of_somebody_else_is_not_overwritten(run: Run, dump: Path, tmp_path: Path) -> None:
    make_tree(tmp_path / "out", {"run.json": '{"mine": true}'})
    for argument in ("--overwrite", "--resume"):
        assert run("clean", dump, "-o", "out", argument).status == 2
    assert run_file(tmp_path / "out") == {"mine": True}


def test_two_runs_do_not_write_to_one_folder(tmp_path: Path) -> None:
    first = Ledger(tmp_path)
    with pytest.raises(OutputError, match="another run"):
        Ledger(tmp_path)
    first.close()
    Ledger(tmp_path).close()


def test_a_ledger_line_that_cannot_be_written_leaves_none_of_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first write takes half of the line, the second fails."""
    book = Ledger(tmp_path)
    line = json.dumps(failed_line(Failed("1", "a.txt", "unreadable"))).encode() + b"\n"
    book.append(line)
    before = book.path.read_bytes()

    class Full:
        def __init__(self, stream: Any) -> None:
            self.stream, self.calls = stream, 0

        def fileno(self) -> int:
            return int(self.stream.fileno())

        def write(self, data: bytes) -> int:
            self.calls += 1
            if self.calls > 1:
                raise OSError(errno.ENOSPC, "No space left on device")
            return int(self.stream.write(data[:20]))

    monkeypatch.setattr(book, "_stream", Full(book._stream))
    with pytest.raises(StoppedError, match="make room"):
        book.append(line)
    assert book.path.read_bytes() == before


def test_a_file_that_cannot_be_written_leaves_neither_name(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(StoppedError, match="did not write"):
        write_whole(tmp_path / "a.txt", b"x")
    assert [path.name for path in tmp_path.rglob("*") if path.name not in ("a.txt", "newsfilter.toml")] == []


@pytest.mark.slow
def test_relative_paths_count_from_where_the_run_was_started(run: Run, dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """joblib keeps its processes, which stand where the run before was started."""
    make_tree(dump, {f"c/{k:02d}.txt": article(k) for k in range(20)})
    wanted = run("clean", dump, "-o", "whole").status
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert run("clean", "../crawl", "-o", "out", "--jobs", "2").status == wanted
        assert files(tmp_path / name / "out") == files(tmp_path / "whole")


@pytest.mark.parametrize(("documents", "size"), [(1, 10**9), (7, 10**9), (1000, 10**9), (1000, 1)])
def test_no_size_of_a_batch_changes_a_byte(
    run: Run, many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, documents: int, size: int
) -> None:
    """Documents are given to the process that cleans by number and by bytes."""
    run("clean", many, "-o", "whole", "--quiet", "--jobs", "1")
    for module in ("worker", "keeper"):
        monkeypatch.setattr(f"newsfilter.dumps.{module}.BATCH_DOCUMENTS", documents)
        monkeypatch.setattr(f"newsfilter.dumps.{module}.BATCH_BYTES", size)
    run("clean", many, "-o", "out", "--quiet", "--jobs", "1")
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_the_run_file_says_running_while_it_runs(dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("newsfilter.dumps.worker.BATCH_DOCUMENTS", 1)
    seen = []
    order = Order(sources=(str(dump),), out=str(tmp_path / "out"), settings=Settings(), options=ReadOptions(max_bytes=10**6))
    clean_dump(order, watch=lambda done, total, _: seen.append((done, total, run_file(tmp_path / "out")["status"])))
    assert seen == [(done, 6, "running") for done in (0, 1, 2, 3, 4, 5, 6, 6)]
    assert run_file(tmp_path / "out")["status"] == "finished"


@pytest.fixture
def harmed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A dump of sound articles among which some do what their markers say, cleaned in a process that understands these."""
    monkeypatch.syspath_prepend(harm_folder(tmp_path / "harm"))
    close_keepers()  # the one that other tests share understands no markers

    def _harmed(markers: Mapping[str, str], number: int = 20) -> Path:
        texts = {f"{k:02d}.txt": article(k) for k in range(number)}
        return make_tree(tmp_path / "harmed", {name: text + markers.get(name, "") for name, text in texts.items()})

    return _harmed


@pytest.fixture(autouse=True)
def _no_harm_to_others(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "harmed" in request.fixturenames:
        close_keepers()


def test_an_error_in_one_document_costs_that_document_alone(run: Run, harmed: Callable[..., Path], tmp_path: Path) -> None:
    """Its ledger line names the error, without what differs from run to run, and has the id that its record would have."""
    run("clean", harmed({}), "-o", "good")
    close_keepers()
    ran = run("clean", harmed({"03.txt": "@@raise@reading=bad <object at 0x7f00dead> indeed@@"}), "-o", "out", "--jobs", "1")
    line, good = ledger(tmp_path / "out")[3], ledger(tmp_path / "good")
    assert (ran.status, line["status"], line["reason"], line["output"]) == (1, "failed", "error", None)
    assert line["reasons"][0]["value"] == "ValueError: bad <object at 0x…> indeed"
    assert "03.txt" in ran.err
    assert line["id"] == good[3]["id"]
    assert [*ledger(tmp_path / "out")[:3], *ledger(tmp_path / "out")[4:]] == [*good[:3], *good[4:]]


def test_the_slowest_documents_are_named_slowest_first(run: Run, harmed: Callable[..., Path], tmp_path: Path) -> None:
    run("clean", harmed({"04.txt": "@@spin@reading=0.4@@", "17.txt": "@@spin@finishing=0.2@@"}), "-o", "out", "--jobs", "1")
    slowest = run_file(tmp_path / "out")["slowest"]
    assert [one["uri"] for one in slowest[:2]] == ["04.txt", "17.txt"]
    assert slowest[0]["seconds"] >= 0.4


@pytest.mark.slow
@pytest.mark.parametrize(("jobs", "kind"), [("1", "files"), ("2", "jsonl")])
def test_hangs_crashes_and_hunger_cost_the_culprits_alone(
    run: Run, harmed: Callable[..., Path], tmp_path: Path, jobs: str, kind: str
) -> None:
    """Three culprits among twenty, neighbours in a batch: the ledger names them and nobody else, whatever the number of processes."""
    culprits = {"05.txt": "@@loop@reading@@", "06.txt": "@@abort@finishing@@", "17.txt": "@@allocate@reading@@"}
    run("clean", harmed({}), "-o", "good", "--to", kind)
    close_keepers()
    ran = run("clean", harmed(culprits), "-o", "out", "--to", kind, "--jobs", jobs, "--timeout", "2", "--max-memory", "500")
    failed = {line["uri"]: (line["reason"], line["reasons"][0]["value"]) for line in ledger(tmp_path / "out") if line["status"] == "failed"}
    assert failed == {"05.txt": ("timeout", "2 s"), "06.txt": ("crashed", "SIGABRT"), "17.txt": ("memory", "500 MB")}
    assert (ran.status, "3 of 20 documents failed" in ran.err) == (1, True)
    sound = {line["uri"]: line for line in ledger(tmp_path / "good")}
    assert all(line == sound[line["uri"]] for line in ledger(tmp_path / "out") if line["status"] != "failed")
    assert run_file(tmp_path / "out")["counts"]["documents"] == 20
    assert run_file(tmp_path / "out")["restarts"] == {"crashed": 2, "memory": 2, "timeout": 2}  # in its batch, and by itself


def _files_of(**counts: int) -> list[dict[str, Any]]:
    return [{"uri": None, "documents": 5, "accepted": 2, "review": 1, "rejected": 1, "failed": 1, "skipped": 9} | counts]


@pytest.mark.parametrize(
    ("found", "lines", "files_", "wrong"),
    [
        (14, 5, _files_of(), None),
        (14, None, _files_of(), None),
        (15, 5, _files_of(), "15 records were found"),
        (14, 4, _files_of(), "4 are in the ledger"),
        (14, 5, _files_of(accepted=1), "of which 4 have a status"),
        (13, 5, _files_of(documents=4, accepted=1), "5 documents were counted in all, and 4 by file"),
    ],
)
def test_a_run_that_does_not_add_up_says_so(found: int, lines: int | None, files_: list[dict[str, Any]], wrong: str | None) -> None:
    content = {"counts": {"documents": 5, "accepted": 2, "review": 1, "rejected": 1, "failed": 1, "skipped": 9}, "files": files_}
    said = imbalance(content, {None: found}, lines)
    assert said is None if wrong is None else said is not None and wrong in said


def test_a_run_that_lost_a_document_fails(run: Run, dump: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check is made at the end of each run and decides its exit status."""
    take = newsfilter.dumps.worker._take

    def forgetful(output: Any, job: Any, item: Any, *rest: Any) -> None:
        if not (isinstance(item, Document) and item.source.uri == "a/two.txt"):
            take(output, job, item, *rest)

    monkeypatch.setattr("newsfilter.dumps.worker._take", forgetful)
    ran = run("clean", dump, "-o", "out", "--jobs", "1")
    assert (ran.status, "does not add up" in ran.err, "6 records were found" in ran.err) == (1, True, True)


def test_documents_are_counted_by_the_file_that_they_come_from(run: Run, dump: Path, tmp_path: Path) -> None:
    """Each file of many documents has a row; loose documents share one."""
    rows = [json.dumps({"text": article(k)}) if k % 3 else "no json" for k in range(9)]
    make_tree(dump, {"c/rows.jsonl": "\n".join(rows) + "\n", "c/more.jsonl": json.dumps({"text": None}) + "\n"})
    assert run("clean", dump, "-o", "out", "--max-failed", "3").status == 0
    by_uri = {file["uri"]: file for file in run_file(tmp_path / "out")["files"]}
    assert {uri: (file["documents"], file["failed"], file["skipped"]) for uri, file in by_uri.items()} == {
        None: (5, 0, 1),
        "c/rows.jsonl": (9, 3, 0),
        "c/more.jsonl": (0, 0, 1),
    }
    for file in (*by_uri.values(), run_file(tmp_path / "out")["counts"]):
        assert file["documents"] == file["accepted"] + file["review"] + file["rejected"] + file["failed"]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_slices_together_do_what_one_run_does(run: Run, many: Path, tmp_path: Path, kind: str) -> None:
    """Every shard is in one slice, under the name that it has in the whole run; what is skipped in the listing is counted once."""
    (many / "link.html").symlink_to("nowhere")
    run("clean", many, "-o", "whole", "--to", kind, "--max-failed", "1")
    whole, counts = files(tmp_path / "whole"), run_file(tmp_path / "whole")["counts"]
    del whole["ledger.jsonl"]
    found: dict[str, bytes] = {}
    for k in (1, 2):
        run("clean", many, "-o", f"out{k}", "--to", kind, "--shard", f"{k}/2", "--max-failed", "1")
        part = files(tmp_path / f"out{k}")
        assert part.keys() & found.keys() == set()
        found |= {name: data for name, data in part.items() if name != "ledger.jsonl"}
    assert found == whole
    assert counts == {name: sum(run_file(tmp_path / f"out{k}")["counts"][name] for k in (1, 2)) for name in counts}


@pytest.mark.slow
def test_no_worker_is_idle_while_another_has_a_queue(run: Run, harmed: Callable[..., Path], tmp_path: Path) -> None:
    """The first document waits until the last one is read: whoever does not wait with it does all that is behind it."""
    crawl = harmed({"00.txt": f"@@gate@reading={tmp_path}/last@@", "95.txt": f"@@touch@reading={tmp_path}/last@@"}, number=96)
    ran = run("clean", crawl, "-o", "out", "--to", "jsonl", "--jobs", "2", "--timeout", "120", "--quiet")
    assert (ran.status, len(ledger(tmp_path / "out"))) == (0, 96), ran.err


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["files", "jsonl.zst"])
def test_a_worker_that_dies_is_replaced_and_changes_no_byte(run: Run, harmed: Callable[..., Path], tmp_path: Path, kind: str) -> None:
    """An operating system out of memory kills without asking, and what was half written then is cleared away."""
    (tmp_path / "lives").write_bytes(b"1")
    left = f"@@touch@reading={tmp_path}/out/.newsfilter-0123456789abcdef.tmp@@"  # as somebody leaves it who dies while he writes
    crawl = harmed({"18.txt": f"{left}@@murder@reading={tmp_path}/lives@@"})
    close_keepers()
    ran = run("clean", crawl, "-o", "out", "--to", kind, "--jobs", "2")
    assert ((tmp_path / "lives").read_bytes(), ran.status, "Traceback" in ran.err) == (b"", 0, False), ran.err
    found = files(tmp_path / "out")
    assert run("clean", crawl, "-o", "whole", "--to", kind, "--quiet", "--jobs", "1").status == 0
    assert found == files(tmp_path / "whole")


@pytest.mark.slow
def test_a_file_whose_reading_kills_is_given_up_there_and_the_rest_is_done(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library may crash on what a damaged file holds, and reading is the worker's. What was read before is there; one failure stands for the rest."""
    code = """
import os, sys
if any("loky" in argument for argument in sys.orig_argv):
    from newsfilter.dumps.readers import jsonl
    decoded = jsonl._decoded
    jsonl._decoded = lambda line: os.abort() if b"@@fatal@@" in (line.data or b"") else decoded(line)
"""
    make_tree(tmp_path / "site", {"sitecustomize.py": code})
    rows = [json.dumps({"text": article(k, 2)}) + "\n" for k in range(118)]  # a hundred are looked at for their columns, too
    make_tree(tmp_path / "crawl", {f"{name}.jsonl": "".join(rows) for name in "abc"})
    assert run("clean", "crawl", "-o", "whole", "--to", "jsonl", "--quiet", "--jobs", "1").status == 0
    make_tree(tmp_path / "crawl", {"b.jsonl": "".join([*rows[:115], "@@fatal@@", *rows[115:]])})
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "site"), str(ROOT)]))
    ran = run("clean", "crawl", "-o", "out", "--to", "jsonl", "--quiet", "--jobs", "2")
    assert (ran.status, "failed: b.jsonl byte 0: crashed (from 0 on: reading" in ran.err, "1 of 349 documents" in ran.err) == (
        1,
        True,
        True,
    ), ran.err
    lines, whole = ledger(tmp_path / "out"), ledger(tmp_path / "whole")
    *others, failed = sorted(lines, key=lambda line: str(line["status"]) == "failed")
    assert (failed["uri"], failed["reason"], others) == (
        "b.jsonl",
        "crashed",
        [*whole[: 118 + 112], *whole[2 * 118 :]],
    )
    assert run("clean", "crawl", "-o", "out", "--to", "jsonl", "--quiet", "--resume", "--jobs", "2").status == 1
    assert ledger(tmp_path / "out") == lines


@pytest.mark.slow
def test_workers_that_die_of_whatever_they_do_end_the_run_which_can_be_resumed(
    run: Run, harmed: Callable[..., Path], tmp_path: Path
) -> None:
    """Loose files crash no reader; it may be the machine, and the run says what was in hand, and what to do."""
    (tmp_path / "lives").write_bytes(b"." * 99)
    crawl = harmed({"18.txt": f"@@murder@reading={tmp_path}/lives@@"})
    close_keepers()
    ran = run("clean", crawl, "-o", "out", "--jobs", "2", "--quiet")
    assert (ran.status, "16.txt (shard 1)" in ran.err, "with --resume and fewer --jobs" in ran.err) == (1, True, True), ran.err
    assert run_file(tmp_path / "out")["status"] == "interrupted"
    (tmp_path / "lives").unlink()
    assert run("clean", crawl, "-o", "out", "--jobs", "2", "--quiet", "--resume").status == 0
    assert run("clean", crawl, "-o", "whole", "--jobs", "1", "--quiet").status == 0
    assert files(tmp_path / "out") == files(tmp_path / "whole")
