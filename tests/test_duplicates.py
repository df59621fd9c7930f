"""Exact repeats of a body, and ids of the input that come twice."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Ran, article, files, ledger, make_tree, run_file
from hypothesis import given
from hypothesis import strategies as st

from newsfilter.dumps import repeats
from newsfilter.dumps.documents import Failed
from newsfilter.dumps.duplicates import find_repeats
from newsfilter.dumps.ledger import failed_line
from newsfilter.dumps.ledger_lines import ledger_lines
from newsfilter.dumps.repeats import Repeats
from newsfilter.dumps.writing import StoppedError

pytestmark = pytest.mark.usefixtures("workplace")  # a folder of the test's own, with no settings file above it

Run = Callable[..., Ran]


def paths(folder: Path) -> Callable[[], Path]:
    """New paths in a folder, numbered."""
    numbers = iter(range(10**6))
    return lambda: folder / f"{next(numbers)}"


def in_memory(texts: list[str]) -> list[tuple[bytes, bytes]]:
    """What must be found, the simple way: each text's number, and that of the first of its kind."""
    first: dict[str, int] = {}
    return [(b"%d" % number, b"%d" % first[text]) for number, text in enumerate(texts) if first.setdefault(text, number) != number]


def found(texts: list[str], folder: Path, expected: int) -> list[tuple[bytes, bytes]]:
    with Repeats(paths(folder), expected) as seen:
        for number, text in enumerate(texts):
            seen.add(hashlib.sha256(text.encode()).digest(), b"%d" % number)
        return list(seen.found())


@given(texts=st.lists(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), max_size=60), expected=st.integers(0, 30), held=st.integers(1, 9))
def test_repeats_are_found_in_order_however_many_files_and_passes_that_takes(
    texts: list[str], expected: int, held: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Many keys to a file, several passes over one, and more files than may be open: the same as one dictionary gives. No file is left."""
    folder = tmp_path_factory.mktemp("repeats")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeats, "HELD", held)
        patch.setattr(repeats, "FILES", 3)
        assert found(texts, folder, expected) == in_memory(texts)
    assert list(folder.iterdir()) == []


def test_no_more_keys_are_in_memory_than_are_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dictionary of each pass stays small when far more keys come than were expected."""
    sizes = []
    repeated = repeats._repeated

    def counted(frames: Iterator[repeats.Frame]) -> Iterator[repeats.Frame]:
        kept = list(frames)
        sizes.append(len(kept))
        return repeated(kept)

    monkeypatch.setattr(repeats, "HELD", 100)
    monkeypatch.setattr(repeats, "_repeated", counted)
    texts = [f"{number % 1500}" for number in range(2000)]
    assert found(texts, tmp_path, 1) == in_memory(texts)
    assert sum(sizes) == 2000
    assert max(sizes) < 200  # 100 in the mean; sha256 spreads them


def test_no_room_for_temporary_files_stops_and_leaves_none(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    with pytest.raises(StoppedError, match="cannot be written"), Repeats(paths(folder / "gone"), 1):
        pass
    with Repeats(paths(folder), 1) as seen:
        seen._streams[0].close()
        seen._streams[0] = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115 - closed with the others
        with pytest.raises(StoppedError, match="make room"):
            seen.add(bytes(32), b"x")
    assert list(folder.iterdir()) == []


def listed(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "duplicates.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def twins(tmp_path: Path) -> Path:
    """Nine documents: three of one body, two of another, two empty, two that nothing is like."""
    texts = {"a/1": 1, "a/2": 2, "b/1": 1, "b/2": 2, "c/3": 3, "d/1": 1, "e/4": 4}
    return make_tree(
        tmp_path / "twins", {**{f"{name}.txt": article(number) for name, number in texts.items()}, "f/empty.txt": b"", "g/empty.txt": b""}
    )


def test_each_repeat_is_listed_with_the_first_in_source_order(run: Run, twins: Path, tmp_path: Path) -> None:
    """Nothing else changes: bodies, records and ledger are those of a run without --dedup. Empty documents repeat nothing."""
    run("clean", twins, "-o", "plain")
    assert run("clean", twins, "-o", "out", "--dedup", "--jobs", "1").status == 0
    lines = {line["uri"]: line for line in ledger(tmp_path / "out")}
    assert [(one["uri"], one["first"]["uri"]) for one in listed(tmp_path / "out")] == [
        ("b/1.txt", "a/1.txt"),
        ("b/2.txt", "a/2.txt"),
        ("d/1.txt", "a/1.txt"),
    ]
    for one in listed(tmp_path / "out"):
        assert list(one) == ["id", "uri", "member", "offset", "first", "body_sha256"]
        assert (one["id"], one["body_sha256"]) == (lines[one["uri"]]["id"], lines[one["uri"]]["body_sha256"])
        assert one["first"] == {key: lines[one["first"]["uri"]][key] for key in ("id", "uri", "member", "offset")}
    plain, out = files(tmp_path / "plain"), files(tmp_path / "out")
    assert out.pop("duplicates.jsonl")
    assert out == plain
    assert run_file(tmp_path / "out")["duplicates"] == {"documents": 7, "repeats": 3}
    assert run_file(tmp_path / "plain")["duplicates"] is None
    assert not list((tmp_path / "out").rglob("*.tmp"))
    assert not (tmp_path / "out/_work").exists()


def test_a_finished_run_gets_its_list_by_resuming_it(run: Run, twins: Path, tmp_path: Path) -> None:
    """And loses it again without --dedup, as run.json says, and when it is overwritten."""
    run("clean", twins, "-o", "whole", "--dedup")
    run("clean", twins, "-o", "out")
    assert "repeated bodies" in run("clean", twins, "-o", "out", "--resume", "--dedup").out
    assert files(tmp_path / "out") == files(tmp_path / "whole")
    for again in ("--resume", "--overwrite"):
        assert run("clean", twins, "-o", "whole", again).status == 0
        assert not (tmp_path / "whole/duplicates.jsonl").exists()
        assert run_file(tmp_path / "whole")["duplicates"] is None
        run("clean", twins, "-o", "whole", "--resume", "--dedup")


def test_a_source_folder_of_that_name_makes_room(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path / "crawl", {"duplicates.jsonl/a.txt": article(1), "b.txt": article(1)})
    assert run("clean", "crawl", "-o", "out", "--dedup").status == 0
    assert [one["uri"] for one in listed(tmp_path / "out")] == ["duplicates.jsonl/a.txt"]


def table(folder: Path, rows: list[tuple[str, str]]) -> Path:
    """A dump of one table with ids."""
    return make_tree(folder, {"rows.jsonl": "".join(json.dumps({"id": name, "text": text}) + "\n" for name, text in rows)})


def test_ids_that_come_twice_are_counted_and_named(run: Run, tmp_path: Path) -> None:
    """Without --dedup too: the first ten with file and position; articles keep theirs."""
    rows = [(f"id-{number % 13}", article(number)) for number in range(26)] + [("\x1b[2J", article(99))] * 2
    table(tmp_path / "crawl", rows)
    ran = run("clean", "crawl", "-o", "out", "--to", "jsonl")
    offsets = [line["offset"] for line in ledger(tmp_path / "out")]
    assert (ran.status, run_file(tmp_path / "out")["repeated_ids"]) == (0, 14)
    notes = [line for line in ran.err.splitlines() if "has the id 'id-" in line]
    assert len(notes) == 10
    assert f"rows.jsonl offset {offsets[13]}: has the id 'id-0', which rows.jsonl offset 0 has too" in notes[0]
    assert "14 documents repeat an id" in ran.err
    assert "\x1b" not in ran.err
    assert [line["id"] for line in ledger(tmp_path / "out")] == [name for name, _ in rows]
    assert not (tmp_path / "out/duplicates.jsonl").exists()


def test_ids_of_our_own_do_not_repeat(run: Run, tmp_path: Path) -> None:
    """Neither documents of one text nor two tables of one name."""
    for name in ("one", "two"):
        make_tree(tmp_path / name, {"rows.jsonl": (json.dumps({"text": article(1)}) + "\n") * 3, "a.txt": article(1)})
    ran = run("clean", "one", "two", "-o", "out", "--to", "jsonl", "--dedup")
    assert (ran.status, "has the id" in ran.err) == (0, False)
    assert run_file(tmp_path / "out")["repeated_ids"] == 0
    assert run_file(tmp_path / "out")["duplicates"] == {"documents": 8, "repeats": 7}


def test_remote_storage_gets_the_same_list(run: Run, twins: Path, tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    run("clean", twins, "-o", "out", "--to", "jsonl", "--dedup")
    try:
        assert run("clean", twins, "-o", "memory://test-duplicates/out", "--to", "jsonl", "--dedup", "--jobs", "1").status == 0
        assert (
            fsspec.filesystem("memory").cat_file("/test-duplicates/out/duplicates.jsonl")
            == (tmp_path / "out/duplicates.jsonl").read_bytes()
        )
    finally:
        fsspec.filesystem("memory").rm("/test-duplicates", recursive=True)


def test_a_list_that_cannot_be_written_stops_the_run_which_can_be_resumed(
    run: Run, twins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("newsfilter.dumps.duplicates.NAME", "c")  # where a folder stands
        ran = run("clean", twins, "-o", "out", "--dedup")
    assert (ran.status, "cannot be written" in ran.err) == (1, True)
    assert run_file(tmp_path / "out")["status"] == "interrupted"
    assert not list((tmp_path / "out").rglob("*.tmp"))
    assert run("clean", twins, "-o", "out", "--dedup", "--resume").status == 0
    run("clean", twins, "-o", "whole", "--dedup")
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_the_pass_reads_any_ledger_once(tmp_path: Path) -> None:
    """Failed documents have no body; they may have an id."""
    lines = [failed_line(Failed(name, "rows.jsonl", "not-json", offset=number)) for number, name in enumerate(("x", "y", "x"))]
    (tmp_path / "ledger.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert list(ledger_lines(str(tmp_path))) == lines
    both = find_repeats(str(tmp_path), 3, bodies=True, ids=True)
    assert (both.documents, both.repeats, both.repeated_ids, len(both.notes)) == (0, 0, 1, 1)
