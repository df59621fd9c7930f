import gzip
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Ran, article, files, ledger, make_tree, page, run_file

pytestmark = pytest.mark.usefixtures("workplace")  # a folder of the test's own, with no settings file above it

Run = Callable[..., Ran]
BALANCE = ("accepted", "review", "rejected", "failed")


def outcome(run: Run, out: Path, *arguments: str) -> dict[str, Any]:
    """Clean ``crawl`` and return the only document's line, every document of the run being accounted for."""
    run("clean", "crawl", "-o", out, *arguments)
    content, lines = run_file(out), ledger(out)
    assert content["status"] == "finished"
    assert content["counts"]["documents"] == sum(content["counts"][status] for status in BALANCE) == len(lines) == 1
    return lines[0]


DOCUMENTS: list[tuple[str, bytes, str, str | None]] = [
    ("empty.html", b"", "rejected", "empty"),
    ("blank.txt", b" \n\t\r\n\xc2\xa0", "rejected", "empty"),
    ("gone.html.gz", gzip.compress(page(1).encode())[:-20], "failed", "truncated-gzip"),
    ("bad.html.gz", b"\x1f\x8b\x08\0" + b"\xff" * 50, "failed", "damaged-gzip"),
    ("nul.txt", article(1).replace("winter", "win\0ter").encode(), "accepted", None),
    ("nul.html", page(1).replace("winter", "win\0ter").encode(), "accepted", None),
    (
        "charset.html",
        page(1).replace("<head>", "<head><meta charset='shift_jis'>").replace("council", "Şehir Meclisi ığüşöç").encode(),
        "accepted",
        None,
    ),
    ("cut.html", page(1).encode()[:-90], "accepted", None),
    ("page.txt", page(1).encode(), "accepted", None),
    ("text.html", article(1).encode(), "accepted", None),
    ("page.gz", gzip.compress(page(1).encode()), "accepted", None),
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=[name for name, *_ in DOCUMENTS])
def test_an_odd_document_gets_a_status_and_is_not_lost(run: Run, tmp_path: Path, document: tuple[str, bytes, str, str | None]) -> None:
    name, data, status, reason = document
    make_tree(tmp_path / "crawl", {name: data})
    line = outcome(run, tmp_path / "out")
    assert (line["uri"], line["status"]) == (name, status)
    assert reason is None or line["reason"] == reason


def test_an_image_named_html_is_skipped_and_counted(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path / "crawl", {"photo.html": b"\xff\xd8\xff\xe0\0\x10JFIF", "a.txt": article(1)})
    assert run("clean", "crawl", "-o", "out").status == 0
    assert run_file(tmp_path / "out")["skipped"] == {"image": 1}
    assert [line["uri"] for line in ledger(tmp_path / "out")] == ["a.txt"]


def test_what_stands_behind_the_end_of_the_page_is_accounted_for(run: Run, tmp_path: Path) -> None:
    """Hijackers append there, and libxml2 drops it."""
    make_tree(tmp_path / "crawl", {"a.html": page(1) + "<div>appended words behind the end</div>"})
    line = outcome(run, tmp_path / "out")
    written = b"".join(files(tmp_path / "out").values()).decode()
    assert (line["status"], "appended words behind the end" in written) == ("accepted", True)


@pytest.mark.slow
def test_twenty_thousand_nested_elements_cost_nobody_else(run: Run, tmp_path: Path) -> None:
    deep = page(1).replace("<article>", "<div>" * 20_000 + "<article>").replace("</article>", "</article>" + "</div>" * 20_000)
    make_tree(tmp_path / "crawl", {"deep.html": deep, "z.txt": article(1)})
    run("clean", "crawl", "-o", "out")
    lines = ledger(tmp_path / "out")
    assert [line["uri"] for line in lines] == ["deep.html", "z.txt"]
    assert lines[0]["status"] in ("accepted", "review", "rejected")
    assert lines[1]["status"] == "accepted"


@pytest.mark.slow
def test_two_hundred_thousand_links_are_one_document(run: Run, tmp_path: Path) -> None:
    links = "".join(f"<a href='/{k}'>link {k}</a> " for k in range(200_000))
    make_tree(tmp_path / "crawl", {"links.html": f"<html><body><p>{links}</p></body></html>"})
    assert outcome(run, tmp_path / "out")["status"] in ("review", "rejected")


def test_a_line_of_fifty_megabytes_is_too_large_and_not_read(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path / "crawl", {"line.txt": b"word " * 10_000_000})
    line = outcome(run, tmp_path / "out")
    assert (line["status"], line["reasons"]) == ("rejected", [{"code": "too-large", "value": 50_000_000, "limit": 20_000_000}])
    assert (tmp_path / "out" / line["output"]).stat().st_size < 10_000


@pytest.mark.parametrize("packed", [False, True])
def test_a_document_over_the_limit_is_rejected_packed_or_not(run: Run, tmp_path: Path, packed: bool) -> None:
    data = article(1).encode()
    make_tree(tmp_path / "crawl", {"a.txt": gzip.compress(data) if packed else data})
    line = outcome(run, tmp_path / "out", "--max-bytes", "100")
    assert (line["status"], line["reason"]) == ("rejected", "too-large")


def test_a_file_without_read_permission_fails_and_the_run_goes_on(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, so the refusal is played where the tests run as root."""
    make_tree(tmp_path / "crawl", {"closed.txt": article(1), "open.txt": article(2)})
    (tmp_path / "crawl/closed.txt").chmod(0)
    if os.access(tmp_path / "crawl/closed.txt", os.R_OK):
        opened = os.open

        def refuse(path: Any, *arguments: Any, **options: Any) -> int:
            if str(path).endswith("closed.txt"):
                raise PermissionError(13, "Permission denied", path)
            return opened(path, *arguments, **options)

        monkeypatch.setattr(os, "open", refuse)
    ran = run("clean", "crawl", "-o", "out")
    assert ran.status == 1
    assert "failed: closed.txt: unreadable (Permission denied)" in ran.err
    assert [(line["uri"], line["status"]) for line in ledger(tmp_path / "out")] == [("closed.txt", "failed"), ("open.txt", "accepted")]


def test_a_folder_that_cannot_be_listed_fails_and_the_run_goes_on(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(tmp_path / "crawl", {"closed/a.txt": article(1), "open.txt": article(2)})
    scan = os.scandir

    def refuse(path: Any) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    with monkeypatch.context() as patch:
        patch.setattr("newsfilter.dumps.sources.os.scandir", refuse)
        ran = run("clean", "crawl", "-o", "out")
    assert (ran.status, "failed: closed/: unreadable-folder" in ran.err) == (1, True)
    assert [(line["uri"], line["status"]) for line in ledger(tmp_path / "out")] == [("closed/", "failed"), ("open.txt", "accepted")]


def test_links_in_a_loop_or_out_of_the_tree_are_skipped_and_counted(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path, {"crawl/a.txt": article(1), "secret.txt": article(2)})
    (tmp_path / "crawl/loop").symlink_to(".")
    (tmp_path / "crawl/self.txt").symlink_to("self.txt")
    (tmp_path / "crawl/out.txt").symlink_to("../secret.txt")
    (tmp_path / "crawl/within.txt").symlink_to("a.txt")
    assert run("clean", "crawl", "-o", "out").status == 0
    assert run_file(tmp_path / "out")["skipped"] == {"symlink": 3}
    assert [line["uri"] for line in ledger(tmp_path / "out")] == ["a.txt", "within.txt"]


NAMES = [
    "new\nline.txt",
    "escape\x1b[2J.txt",
    "..txt",
    "....txt",
    ".hidden.txt",
    "x" * 246 + ".txt",
    "ş" * 123 + ".txt",
    "back\\slash.txt",
    "right\u202eleft.txt",
    " .txt",
    "~.txt",
    "%2e%2e.txt",
    "a;rm -rf $HOME.txt",
]


@pytest.mark.parametrize("name", NAMES, ids=[str(number) for number in range(len(NAMES))])
def test_a_hostile_name_leads_to_a_safe_one_inside_out(run: Run, tmp_path: Path, name: str) -> None:
    make_tree(tmp_path / "crawl", {name: article(1)})
    before = {path.name for path in tmp_path.iterdir()}
    line = outcome(run, tmp_path / "out")
    assert line["uri"] == name
    assert {path.name for path in tmp_path.iterdir()} == before | {"out"}
    written = files(tmp_path / "out").keys() - {"ledger.jsonl"}
    assert len(written) == 2
    assert line["output"] in written
    for path in written:
        assert "/" not in path
        assert not path.startswith(".")
        assert path.isprintable()


def test_names_that_differ_in_normal_form_only_do_not_meet(run: Run, tmp_path: Path) -> None:
    composed, decomposed = "çay.txt", unicodedata.normalize("NFD", "çay.txt")
    make_tree(tmp_path / "crawl", {composed: article(1), decomposed: article(2), "ÇAY.txt": article(3)})
    assert run("clean", "crawl", "-o", "out").status == 0
    outputs = [unicodedata.normalize("NFC", line["output"]).casefold() for line in ledger(tmp_path / "out")]
    assert len(set(outputs)) == 3


def test_two_sources_of_one_name_both_come_through(run: Run, tmp_path: Path) -> None:
    """One URI, two ids, two outputs; which keeps the name depends on the SRCs' order alone."""
    make_tree(tmp_path, {"crawl1/a.html": page(1), "crawl2/a.html": page(2)})
    assert run("clean", "crawl1", "crawl2", "-o", "out").status == 0
    first, second = ledger(tmp_path / "out")
    assert first["uri"] == second["uri"] == "a.html"
    assert first["id"] != second["id"]
    assert "Ferry number 1" in first["title"]
    assert "Ferry number 2" in second["title"]
    assert first["output"] == "a.txt"
    assert second["output"] != "a.txt"
    assert len(files(tmp_path / "out")) == 5


def test_two_inputs_that_would_share_an_output_do_not_meet(run: Run, tmp_path: Path) -> None:
    make_tree(
        tmp_path / "crawl",
        {
            "a.html": page(1),
            "a.html.gz": gzip.compress(page(2).encode()),
            "a.txt": article(3),
            "A.TXT": article(4),
            "a.txt.txt/x.txt": article(5),
        },
    )
    assert run("clean", "crawl", "-o", "out").status == 0
    lines = ledger(tmp_path / "out")
    assert len({line["output"].casefold() for line in lines}) == 5
    assert all((tmp_path / "out" / line["output"]).is_file() for line in lines)


def test_the_runs_own_files_are_safe_from_sources_of_their_name(run: Run, tmp_path: Path) -> None:
    names = ("ledger.jsonl/a.txt", "run.json/a.txt", "review/a.txt", "Rejected/a.txt", "run.json.html", "review.html")
    make_tree(tmp_path / "crawl", {name: article(number) for number, name in enumerate(names)})
    assert run("clean", "crawl", "-o", "out").status == 0
    assert len(ledger(tmp_path / "out")) == len(names)
    assert run_file(tmp_path / "out")["counts"]["accepted"] == len(names)
    assert not (tmp_path / "out/review").exists()
    assert not (tmp_path / "out/Rejected").exists()


def test_a_source_that_does_not_exist_is_refused_before_anything_is_written(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path / "crawl", {"a.txt": article(1)})
    ran = run("clean", "crawl", "gone", "-o", "out")
    assert (ran.status, "gone: does not exist" in ran.err, (tmp_path / "out").exists()) == (2, True, False)


@pytest.mark.parametrize("out", ["crawl", "crawl/out", "."])
def test_out_inside_a_source_or_around_it_is_refused(run: Run, tmp_path: Path, out: str) -> None:
    make_tree(tmp_path / "crawl", {"a.txt": article(1)})
    before = files(tmp_path)
    for arguments in ([], ["--overwrite"], ["--resume"]):
        assert run("clean", "crawl", "-o", out, *arguments).status == 2
    assert files(tmp_path) == before
