import errno
import hashlib
import importlib
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Ran, article, command, files, ledger, make_tree, page, run_file

import newsfilter.dumps.worker
from newsfilter.document import Cleaner
from newsfilter.dumps.ledger import Ledger, failed_line
from newsfilter.dumps.run import Order, clean_dump
from newsfilter.dumps.summary import imbalance
from newsfilter.dumps.writing import StoppedError, write_whole
from newsfilter.errors import OutputError
from newsfilter.settings import Settings

pytestmark = pytest.mark.usefixtures("workplace")  # a folder of the test's own, with no settings file above it

Run = Callable[..., Ran]


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Twenty documents, a few of them odd."""
    names: dict[str, bytes | str] = {
        f"site{k % 3}/{k:02d}.{'html' if k % 2 else 'txt'}": page(k) if k % 2 else article(k) for k in range(17)
    }
    return make_tree(
        tmp_path / "many", {**names, "site0/empty.txt": b"", "site1/cut.html.gz": b"\x1f\x8b\x08\0", "site2/03.png": b"\x89PNG\r\n\x1a\n"}
    )


def interrupt_at(monkeypatch: pytest.MonkeyPatch, batch: int, number: int) -> None:
    """Send this process a signal while it cleans its nth batch, from 1."""
    cleaned = Cleaner.clean_batch
    calls = []

    def clean_batch(self: Cleaner, sources: Any) -> Any:
        calls.append(1)
        if len(calls) == batch:
            os.kill(os.getpid(), number)
        return cleaned(self, sources)

    monkeypatch.setattr(Cleaner, "clean_batch", clean_batch)


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


def test_the_slowest_documents_are_named_slowest_first(run: Run, dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cleaning = importlib.import_module("newsfilter.document")  # by name, because the package shows the function of that name
    decode = cleaning.decode

    def slow(raw: bytes, **options: Any) -> Any:
        began, wanted = time.process_time(), 0.2 if b"Ferry number 4 " in raw else 0.1 if b"Ferry number 1 " in raw else 0.0
        while time.process_time() - began < wanted:
            pass
        return decode(raw, **options)

    run("clean", dump, "-o", "warm")  # the first documents of a process pay for its tables
    monkeypatch.setattr(cleaning, "decode", slow)
    run("clean", dump, "-o", "out")
    slowest = run_file(tmp_path / "out")["slowest"]
    assert [one["uri"] for one in slowest[:2]] == ["b/four.txt", "a/one.html"]
    assert slowest[0]["seconds"] >= 0.2


def test_the_run_file_says_running_while_it_runs(dump: Path, tmp_path: Path) -> None:
    seen = []
    order = Order(sources=(str(dump),), out=tmp_path / "out", settings=Settings(), batch_size=1)
    clean_dump(order, watch=lambda done, _: seen.append((done, run_file(tmp_path / "out")["status"])))
    assert seen == [(done, "running") for done in range(7)]
    assert run_file(tmp_path / "out")["status"] == "finished"


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_no_batch_size_changes_a_byte(run: Run, many: Path, tmp_path: Path, batch: int) -> None:
    run("clean", many, "-o", "whole", "--quiet")
    run("clean", many, "-o", "out", "--batch-size", str(batch), "--quiet")
    assert files(tmp_path / "out") == files(tmp_path / "whole")


@pytest.mark.slow
def test_no_number_of_processes_changes_a_byte(run: Run, many: Path, tmp_path: Path) -> None:
    assert run("clean", many, "-o", "whole", "--quiet").status == 1
    for jobs in (2, 3):
        assert run("clean", many, "-o", f"out{jobs}", "--jobs", str(jobs), "--batch-size", "2", "--quiet").status == 1
        assert files(tmp_path / f"out{jobs}") == files(tmp_path / "whole")
        assert run_file(tmp_path / f"out{jobs}")["counts"] == run_file(tmp_path / "whole")["counts"]


@pytest.mark.parametrize("when", [(1, signal.SIGINT), (2, signal.SIGTERM), (5, signal.SIGINT)])
def test_an_interrupted_run_leaves_only_whole_files_and_resumes_to_the_same_bytes(
    run: Run, many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: tuple[int, int]
) -> None:
    run("clean", many, "-o", "whole", "--quiet")
    with monkeypatch.context() as patch:
        interrupt_at(patch, *when)
        ran = run("clean", many, "-o", "out", "--batch-size", "3")
    assert ran.status == 130
    assert "--resume" in ran.err
    whole, so_far = files(tmp_path / "whole"), files(tmp_path / "out")
    assert run_file(tmp_path / "out")["status"] == "interrupted"
    assert len(ledger(tmp_path / "out")) == run_file(tmp_path / "out")["counts"]["documents"]
    assert whole["ledger.jsonl"].startswith(so_far.pop("ledger.jsonl"))
    assert so_far.items() <= whole.items()
    assert run("clean", many, "-o", "out", "--resume", "--batch-size", "2", "--max-failed", "1").status == 0
    assert files(tmp_path / "out") == whole
    then, today = run_file(tmp_path / "whole"), run_file(tmp_path / "out")
    assert [today[key] for key in ("status", "counts", "skipped", "characters", "reasons")] == [
        then[key] for key in ("status", "counts", "skipped", "characters", "reasons")
    ]


def test_signals_are_answered_as_before_when_the_run_is_over(run: Run, dump: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    run("clean", dump, "-o", "out")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_from_outside_stops_all_processes_and_the_run_resumes(run: Run, tmp_path: Path, jobs: int, number: int) -> None:
    many = make_tree(tmp_path / "many", {f"{k:04d}.txt": article(k, 12) for k in range(120)})
    process = command("clean", many, "-o", "out", "--jobs", str(jobs), "--batch-size", "1", cwd=tmp_path, start_new_session=True)
    until = time.monotonic() + 60
    while not (path := tmp_path / "out/ledger.jsonl").exists() or not path.stat().st_size:
        assert time.monotonic() < until
        time.sleep(0.01)
    os.kill(process.pid, number)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, "Traceback" in errors) == (130, False), errors
    assert 0 < len(ledger(tmp_path / "out")) < 120
    assert not list((tmp_path / "out").rglob(".*"))
    settled = files(tmp_path / "out")
    time.sleep(0.5)
    assert files(tmp_path / "out") == settled  # nobody is left who writes
    assert run("clean", many, "-o", "out", "--resume", "--quiet").status == 0
    run("clean", many, "-o", "whole", "--quiet")
    assert files(tmp_path / "out") == files(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.1, 0.4])
def test_an_interrupt_from_the_keyboard_while_processes_start_shows_no_traceback(tmp_path: Path, delay: float) -> None:
    """A terminal sends it to the parent and its children alike, and these are importing then; `delay` is in seconds from run.json on."""
    many = make_tree(tmp_path / "many", {f"{k:04d}.txt": article(k, 12) for k in range(400)})
    process = command("clean", many, "-o", "out", "--jobs", "2", cwd=tmp_path, start_new_session=True)
    until = time.monotonic() + 60
    while not (tmp_path / "out/run.json").exists():
        assert time.monotonic() < until
        time.sleep(0.01)
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in errors, "--resume" in errors) == (130, False, True), errors


@pytest.mark.slow
def test_a_run_that_was_killed_resumes_and_leaves_no_temporary_file(run: Run, tmp_path: Path) -> None:
    many = make_tree(tmp_path / "many", {f"{k:04d}.txt": article(k, 12) for k in range(120)})
    process = command("clean", many, "-o", "out", "--batch-size", "1", cwd=tmp_path)
    until = time.monotonic() + 60
    while not (path := tmp_path / "out/ledger.jsonl").exists() or not path.stat().st_size:
        assert time.monotonic() < until
        time.sleep(0.01)
    process.kill()
    process.communicate(timeout=30)
    (tmp_path / "out/.newsfilter-0123456789abcdef.tmp").write_text("as a kill would leave it")
    assert run("clean", many, "-o", "out", "--resume", "--quiet").status == 0
    run("clean", many, "-o", "whole", "--quiet")
    assert files(tmp_path / "out") == files(tmp_path / "whole")


@pytest.mark.parametrize("cut", [1, 40, 300])
def test_a_torn_last_line_is_dropped_and_written_again(run: Run, dump: Path, tmp_path: Path, cut: int) -> None:
    run("clean", dump, "-o", "out")
    whole = files(tmp_path / "out")
    path = tmp_path / "out/ledger.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    assert run("clean", dump, "-o", "out", "--resume").status == 0
    assert files(tmp_path / "out") == whole


def test_resuming_a_finished_run_changes_nothing(run: Run, dump: Path, tmp_path: Path) -> None:
    run("clean", dump, "-o", "out")
    whole, counts = files(tmp_path / "out"), run_file(tmp_path / "out")["counts"]
    assert run("clean", dump, "-o", "out", "--resume").status == 0
    assert (files(tmp_path / "out"), run_file(tmp_path / "out")["counts"]) == (whole, counts)


def test_resuming_where_there_is_nothing_starts(run: Run, dump: Path, tmp_path: Path) -> None:
    assert run("clean", dump, "-o", "out", "--resume").status == 0
    assert len(ledger(tmp_path / "out")) == 5


def test_documents_that_came_behind_the_last_line_are_cleaned_on_resuming(run: Run, dump: Path, tmp_path: Path) -> None:
    run("clean", dump, "-o", "out")
    make_tree(dump, {"z/new.txt": article(9)})
    assert run("clean", dump, "-o", "out", "--resume").status == 0
    assert ledger(tmp_path / "out")[-1]["uri"] == "z/new.txt"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--min-words", "9"], "min_words (40 then, 9 now)"),
        (["--keep", "caption"], "keep"),
        (["--no-repair"], "repair (True then, False now)"),
    ],
)
def test_resuming_with_other_settings_is_refused_and_named(run: Run, dump: Path, tmp_path: Path, arguments: list[str], named: str) -> None:
    run("clean", dump, "-o", "out")
    before = files(tmp_path / "out")
    ran = run("clean", dump, "-o", "out", "--resume", *arguments)
    assert (ran.status, named in ran.err, "--overwrite" in ran.err) == (2, True, True)
    assert files(tmp_path / "out") == before


def test_resuming_with_other_sources_is_refused_and_named(run: Run, dump: Path, tmp_path: Path) -> None:
    make_tree(tmp_path / "other", {"x.txt": "x"})
    run("clean", dump, "-o", "out")
    ran = run("clean", dump, "other", "-o", "out", "--resume")
    assert (ran.status, "sources" in ran.err) == (2, True)


def test_resuming_with_another_model_is_refused_and_named(run: Run, dump: Path, tmp_path: Path) -> None:
    run("clean", dump, "-o", "out")
    content = run_file(tmp_path / "out")
    content["model"]["sha256"] = "0" * 64
    (tmp_path / "out/run.json").write_text(json.dumps(content))
    ran = run("clean", dump, "-o", "out", "--resume")
    assert (ran.status, "model (000000000000 then" in ran.err) == (2, True)


def test_resuming_is_refused_where_a_document_of_the_ledger_has_gone(run: Run, dump: Path) -> None:
    run("clean", dump, "-o", "out")
    (dump / "a/two.txt").unlink()
    ran = run("clean", dump, "-o", "out", "--resume")
    assert (ran.status, "a/two.txt" in ran.err) == (2, True)


def test_resuming_is_refused_where_a_document_came_between(run: Run, dump: Path) -> None:
    run("clean", dump, "-o", "out")
    make_tree(dump, {"a/between.txt": article(8)})
    ran = run("clean", dump, "-o", "out", "--resume")
    assert (ran.status, "a/between.txt" in ran.err) == (2, True)


def test_resuming_with_other_versions_is_noted(run: Run, dump: Path, tmp_path: Path) -> None:
    run("clean", dump, "-o", "out")
    content = run_file(tmp_path / "out")
    content["software"]["newsfilter"] = "0.0.1"
    (tmp_path / "out/run.json").write_text(json.dumps(content))
    ran = run("clean", dump, "-o", "out", "--resume")
    assert (ran.status, "other versions" in ran.err) == (0, True)


def test_a_ledger_damaged_in_the_middle_is_not_resumed(run: Run, dump: Path, tmp_path: Path) -> None:
    run("clean", dump, "-o", "out")
    path = tmp_path / "out/ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b"?\n", *lines[2:]]))
    ran = run("clean", dump, "-o", "out", "--resume")
    assert (ran.status, "ledger.jsonl:2" in ran.err) == (2, True)


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


@pytest.mark.parametrize("after", [0, 1, 4, 5])
def test_no_space_left_stops_the_run_with_nothing_half_written(
    run: Run, dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """The nth file cannot be written; when there is room again, the run is resumed to the same bytes."""
    run("clean", dump, "-o", "whole")
    replace, calls = Path.replace, []

    def full(self: Path, target: Path) -> Path:
        calls.append(1)
        if len(calls) > after:
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        ran = run("clean", dump, "-o", "out")
    assert (ran.status, "No space left on device" in ran.err, "--resume" in ran.err) == (1, True, True)
    assert {name: content for name, content in files(tmp_path / "out").items() if name != "ledger.jsonl"}.items() <= files(
        tmp_path / "whole"
    ).items()
    again = ["--resume"] if (tmp_path / "out/run.json").exists() else ["--overwrite"]
    assert run("clean", dump, "-o", "out", *again).status == 0
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_a_ledger_line_that_cannot_be_written_leaves_none_of_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first write takes half of the line, the second fails."""
    book = Ledger(tmp_path)
    line = failed_line("1", "a.txt", "unreadable", "")
    book.append([line])
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
        book.append([line])
    assert book.path.read_bytes() == before


def test_a_file_that_cannot_be_written_leaves_neither_name(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(StoppedError, match="did not write"):
        write_whole(tmp_path / "a.txt", b"x")
    assert [path.name for path in tmp_path.rglob("*") if path.name not in ("a.txt", "newsfilter.toml")] == []


def test_an_error_in_one_document_costs_that_document_alone(run: Run, dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its ledger line names the error, without what differs from run to run."""
    cleaned = Cleaner.clean_batch

    def clean_batch(self: Cleaner, sources: Any) -> Any:
        return [
            ValueError("bad <object at 0x7f00dead>\nindeed") if source.uri == "a/two.txt" else result
            for source, result in zip(sources, cleaned(self, sources), strict=True)
        ]

    monkeypatch.setattr(Cleaner, "clean_batch", clean_batch)
    ran = run("clean", dump, "-o", "out")
    line = ledger(tmp_path / "out")[1]
    assert (ran.status, line["status"], line["reason"], line["output"]) == (1, "failed", "error", None)
    assert line["reasons"][0]["value"] == "ValueError: bad <object at 0x…> indeed"
    assert "a/two.txt" in ran.err
    assert run_file(tmp_path / "out")["counts"]["documents"] == 5


def test_a_failed_documents_line_has_the_id_that_its_record_would_have(
    run: Run, dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("clean", dump, "-o", "good")
    cleaned = Cleaner.clean_batch
    monkeypatch.setattr(Cleaner, "clean_batch", lambda self, sources: [ValueError() for _ in cleaned(self, sources)])
    run("clean", dump, "-o", "bad")
    assert [line["id"] for line in ledger(tmp_path / "bad")] == [line["id"] for line in ledger(tmp_path / "good")]
    assert {line["status"] for line in ledger(tmp_path / "bad")} == {"failed"}


def test_a_share_of_large_documents_is_cleaned_before_the_batch_is_full(
    run: Run, dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded by bytes too, and the outcome is the same."""
    run("clean", dump, "-o", "whole")
    monkeypatch.setattr(newsfilter.dumps.worker, "SHARE_BYTES", 1)
    run("clean", dump, "-o", "out")
    assert files(tmp_path / "out") == files(tmp_path / "whole")


@pytest.mark.parametrize(("listed", "lines", "fits"), [(5, 5, True), (6, 5, False), (5, 4, False)])
def test_a_run_that_does_not_add_up_says_so(listed: int, lines: int, fits: bool) -> None:
    content = {"counts": {"documents": 5, "accepted": 2, "review": 1, "rejected": 1, "failed": 1, "skipped": 9}}
    assert (imbalance(content, listed, lines) is None) is fits


def test_a_run_that_lost_a_document_fails(run: Run, dump: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check is made at the end of each run and decides its exit status."""
    clean_items = newsfilter.dumps.worker.clean_items

    def forgetful(job: Any, items: Any) -> Any:
        result = clean_items(job, items)
        del result.outcomes[0]
        return result

    monkeypatch.setattr("newsfilter.dumps.run.clean_items", forgetful)
    ran = run("clean", dump, "-o", "out")
    assert (ran.status, "does not add up" in ran.err) == (1, True)


@pytest.mark.slow
def test_relative_paths_count_from_where_the_run_was_started(run: Run, dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """joblib keeps its processes, which stand where the run before was started."""
    wanted = run("clean", dump, "-o", "whole").status
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert run("clean", "../crawl", "-o", "out", "--jobs", "2", "--batch-size", "1").status == wanted
        assert files(tmp_path / name / "out") == files(tmp_path / "whole")


@pytest.mark.slow
def test_a_worker_that_cannot_write_stops_the_run_as_this_process_would(run: Run, dump: Path, tmp_path: Path) -> None:
    """Somebody's folder stands where a body must go; when it is away, the run is resumed to the same bytes."""
    run("clean", dump, "-o", "whole")
    lines = (tmp_path / "whole/ledger.jsonl").read_text(encoding="utf-8").splitlines()
    body = next(output for line in lines if (output := json.loads(line)["output"]) and output.endswith(".txt"))
    make_tree(tmp_path / "out", {f"{body}/notes": "mine"})
    ran = run("clean", dump, "-o", "out", "--overwrite", "--jobs", "2", "--batch-size", "1")
    assert (ran.status, "did not write there" in ran.err, "Traceback" in ran.err) == (1, True, False)
    assert run_file(tmp_path / "out")["status"] == "interrupted"
    (tmp_path / "out" / body / "notes").unlink()
    (tmp_path / "out" / body).rmdir()
    assert run("clean", dump, "-o", "out", "--resume", "--jobs", "2").status == 0
    assert files(tmp_path / "out") == files(tmp_path / "whole")


@pytest.mark.slow
def test_a_worker_that_dies_stops_the_run_with_advice(tmp_path: Path) -> None:
    """An operating system out of memory kills without asking."""
    many = make_tree(tmp_path / "many", {f"{k:04d}.txt": article(k, 12) for k in range(120)})
    process = command("clean", many, "-o", "out", "--jobs", "2", "--batch-size", "1", cwd=tmp_path)
    until = time.monotonic() + 60
    while not (path := tmp_path / "out/ledger.jsonl").exists() or not path.stat().st_size:
        assert time.monotonic() < until
        time.sleep(0.01)
    children = [int(child) for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    workers = [
        child
        for child in children
        if "loky" in Path(f"/proc/{child}/cmdline").read_text() and "resource_tracker" not in Path(f"/proc/{child}/cmdline").read_text()
    ]
    os.kill(workers[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, "worker process died" in errors, "Traceback" in errors) == (1, True, False), errors
    assert run_file(tmp_path / "out")["status"] == "interrupted"
