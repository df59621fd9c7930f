"""What is drawn from a run for labelling: unsure blocks, unlike each other, each once, of many sites."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from conftest import Ran, article

from newsfilter.dumps.writing import StoppedError
from newsfilter.errors import InputError, OutputError, RecordError
from newsfilter.provenance import SCHEMA, assemble, digest, encode_record
from newsfilter.records import Block, Decision, Page
from newsfilter.training import sampling
from newsfilter.training.labels import LabelsError, read_training
from newsfilter.training.sampling import FEW, check_target, doubt_of, normal_form, sample, share_of_a_site, write_sample

Run = Callable[..., Ran]
SURE, UNSURE = {"body": 0.99}, {"body": 0.5, "teaser": 0.48}
Piece = tuple[str, str, Mapping[str, float]]  # text, label, probabilities

WORDS = "ferry council bridge winter harbour market school orchard tunnel library theatre river station garden museum".split()


def text_of(number: int) -> str:
    """A line that shares few words with its neighbours in number."""
    return " ".join(WORDS[(number * step + step) % len(WORDS)] + "abcdefghijklmnop"[(number // step) % 16] for step in (1, 2, 3, 5, 7))


def write_record(
    out: Path, name: str, pieces: Sequence[Piece], *, site: str | None = None, rejected: bool = False, by: str = "model"
) -> Path:
    """Write a record and its body as a run does, by the same functions."""
    text, blocks = "", []
    for piece, _, _ in pieces:
        text += "\n" if text else ""
        blocks.append(Block(len(text), len(text) + len(piece)))
        text += piece
    decisions = [
        Decision(block.start, block.end, number, label, probabilities, label == "body", by)
        for number, (block, (_, label, probabilities)) in enumerate(zip(blocks, pieces, strict=True))
    ]
    body, entries, edits = assemble(Page(text, tuple(blocks), html=False), decisions, repair=True, written=not rejected)
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "id": name,
        "source": {"url": f"https://www.{site}/a" if site else None},
        "site": None,
        "language": {"code": "en"},
        "verdict": {"decision": "reject" if rejected else "accept"},
        "page": {"sha256": digest(text)},
        "body": {"sha256": digest("" if rejected else body)},
        "blocks": entries,
        "edits": [{"start": e.start, "end": e.end, "old": e.old, "new": e.new, "kind": e.kind} for e in edits],
    }
    folder = out / "rejected" if rejected else out
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.provenance.json").write_bytes(encode_record(record))
    if not rejected:
        (folder / f"{name}.txt").write_bytes(body.encode())
    return folder / f"{name}.provenance.json"


@pytest.mark.parametrize(
    ("kept", "probabilities", "doubt"),
    [
        (True, {"body": 1.0}, 0.0),
        (False, {"teaser": 0.98, "body": 0.01}, 0.03),
        (False, {"teaser": 0.6, "notice": 0.5}, 0.9),  # a small margin
        (False, {"teaser": 0.1}, 0.9),  # nothing is likely
        (False, {"teaser": 0.95, "body": 0.45}, 0.9),  # body is near .5
        (True, {"body": 0.99, "spam-other": 0.1}, 0.5),  # kept, and maybe spam
        (False, {"notice": 0.99, "spam-other": 0.1}, 0.11),
        (True, {}, 1.0),
    ],
)
def test_doubt_is_a_small_margin_body_near_half_or_spam_that_was_kept(kept: bool, probabilities: dict[str, float], doubt: float) -> None:
    assert doubt_of({"kept": kept, "probabilities": probabilities}) == pytest.approx(doubt)


def test_a_row_has_the_pages_text_and_its_neighbours(tmp_path: Path) -> None:
    """The model saw the page, not the mended body: the line break inside the paragraph stays."""
    pieces = [("Share this", "reaction", {"reaction": 0.8}), ("The ferry\nstays.", "body", UNSURE), ("x" * 300, "body", SURE)]
    write_record(tmp_path, "a", pieces, site="one.example")
    assert sample(tmp_path) == [
        {
            "text": "The ferry\nstays.",
            "label": "",
            "id": "a:11-28",
            "site": "one.example",
            "lang": "en",
            "predicted": "body",
            "probability": 0.5,
            "before": "Share this",
            "after": "x" * 120,
        }
    ]


def test_a_kept_block_behind_a_moved_headline_is_the_right_one(tmp_path: Path) -> None:
    """Offsets of the body and of the page differ."""
    pieces = [("Sure\n\nof this", "body", SURE), ("Menu", "navigation", {"navigation": 0.9}), ("Doubtful line", "body", UNSURE)]
    write_record(tmp_path, "a", pieces)
    assert [row["text"] for row in sample(tmp_path)] == ["Doubtful line"]


def test_rejected_documents_are_drawn_from_too(tmp_path: Path) -> None:
    write_record(tmp_path, "a", [(text_of(1), "body", UNSURE)], rejected=True)
    assert [row["text"] for row in sample(tmp_path)] == [text_of(1)]


def test_what_a_rule_decided_is_not_drawn(tmp_path: Path) -> None:
    write_record(tmp_path, "a", [(text_of(1), "headline", UNSURE)], by="repeated-headline/1")
    write_record(tmp_path, "b", [(text_of(2), "body", UNSURE)])
    assert [row["text"] for row in sample(tmp_path)] == [text_of(2)]


def test_no_line_is_drawn_twice(tmp_path: Path) -> None:
    """Not in other case, with other numbers or other white space either."""
    for number, text in enumerate(["Read 12 times", "READ 34 TIMES", "read  56\ttimes", "Read 7 times"]):
        write_record(tmp_path, f"d{number}", [(text, "body", UNSURE)], site=f"s{number}.example")
    assert sorted(row["text"] for row in sample(tmp_path)) == ["Read 12 times", "Read 7 times"]


def test_a_block_that_is_a_whole_document_is_left_out(tmp_path: Path) -> None:
    write_record(tmp_path, "a", [("word " * 2000, "body", UNSURE), (text_of(1), "body", UNSURE)])
    assert [row["text"] for row in sample(tmp_path)] == [text_of(1)]


def test_no_site_has_more_than_its_share(tmp_path: Path) -> None:
    """One site has a hundred unsure blocks, nine have five each."""
    write_record(tmp_path, "big", [(text_of(number), "body", {"body": 0.5, "teaser": 0.5}) for number in range(100)], site="big.example")
    for site in range(9):
        write_record(
            tmp_path,
            f"s{site}",
            [(text_of(200 + 5 * site + k), "body", {"body": 0.55, "teaser": 0.4}) for k in range(5)],
            site=f"s{site}.example",
        )
    rows = sample(tmp_path, 30)
    sites = Counter(row["site"] for row in rows)
    assert len(rows) == 30
    assert max(sites.values()) <= FEW
    assert len(sites) == 10


def test_a_run_of_one_site_gives_all_that_is_wanted(tmp_path: Path) -> None:
    write_record(tmp_path, "a", [(text_of(number), "body", UNSURE) for number in range(60)], site="one.example")
    assert len(sample(tmp_path, 40)) == 40


@pytest.mark.parametrize(
    ("sizes", "wanted", "share"),
    [([], 10, FEW), ([5], 3, 3), ([100], 40, 40), ([1000, 10, 2], 60, 48), ([9] * 10, 10, FEW), ([1, 1], 10, FEW)],
)
def test_the_share_of_a_site(sizes: list[int], wanted: int, share: int) -> None:
    assert share_of_a_site(sizes, wanted) == share


def likeness(rows: Sequence[Mapping[str, Any]]) -> float:
    """The mean share of 4-grams that two of the texts have in common."""
    grams = [{row["text"][k : k + 4] for k in range(len(row["text"]) - 3)} for row in rows]
    shares = [len(a & b) / len(a | b) for a, b in combinations(grams, 2)]
    return sum(shares) / len(shares)


def test_what_is_drawn_is_diverse(tmp_path: Path) -> None:
    """Of ninety lines of one template and ten others few of the ninety are among twelve, though the model doubts them a little more."""
    same = [
        (f"Casino bonus for players from {word}{letter}", "body", {"body": 0.5, "teaser": 0.5}) for word in WORDS for letter in "abcdef"
    ]
    others = [(text_of(number), "body", UNSURE) for number in range(10)]
    write_record(tmp_path, "a", [*same, *others], site="one.example")
    rows = sample(tmp_path, 12)
    assert sum("Casino" in row["text"] for row in rows) <= 4
    assert likeness(rows) < 0.2


def test_the_same_seed_draws_the_same_and_another_seed_something_else(tmp_path: Path) -> None:
    for number in range(30):
        write_record(tmp_path, f"d{number}", [(text_of(10 * number + k), "body", UNSURE) for k in range(3)], site=f"s{number}.example")
    first = sample(tmp_path, 20, seed=1)
    assert first == sample(tmp_path, 20, seed=1)
    assert first != sample(tmp_path, 20, seed=2)


def test_a_large_pool_is_trimmed_to_the_most_doubtful(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many unsure blocks a run has, memory holds twice the pool at most; the surest go first."""
    monkeypatch.setattr(sampling, "POOL", 10)
    for number in range(40):
        doubt = {"body": 0.5, "teaser": 0.5} if number % 8 == 0 else {"body": 0.7, "teaser": 0.3}
        write_record(tmp_path, f"d{number:02}", [(text_of(number), "body", doubt)], site=f"s{number}.example")
    rows = sample(tmp_path, 5)
    assert {row["probability"] for row in rows[:5]} == {0.5}


def test_labels_filled_in_make_training_rows(tmp_path: Path) -> None:
    """As written they are refused, row by row; filled in they are read, with site and language."""
    write_record(tmp_path / "out", "a", [(text_of(number), "body", UNSURE) for number in range(5)], site="one.example")
    path = tmp_path / "to_label.jsonl"
    write_sample(path, sample(tmp_path / "out"))
    with pytest.raises(LabelsError, match="no label; fill it in"):
        read_training([path])
    path.write_text(path.read_text(encoding="utf-8").replace('"label": ""', '"label": "spam-other"'), encoding="utf-8")
    documents = read_training([path])
    assert [(one.alone, one.site, one.lang, one.blocks[0][1]) for one in documents] == [(True, "one.example", "en", "spam-other")] * 5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "cannot be read"),
        (b"[]", "cannot be read"),
        (b"\xff", "cannot be read"),
        (b'{"schema": "newsfilter/provenance/9"}', "its schema is 'newsfilter/provenance/9'"),
        (json.dumps({"schema": SCHEMA, "blocks": [{"by": "model"}]}).encode(), "cannot be read"),
    ],
)
def test_an_unreadable_record_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    write_record(tmp_path, "a", [(text_of(1), "body", UNSURE)])
    (tmp_path / "b.provenance.json").write_bytes(content)
    with pytest.raises(RecordError, match=rf"b\.provenance\.json: {message}.*move its record away$"):
        sample(tmp_path)


def test_a_body_that_is_gone_or_was_changed_is_named(tmp_path: Path) -> None:
    path = write_record(tmp_path, "a", [(text_of(1), "body", UNSURE)])
    (tmp_path / "a.txt").write_text("Something else", encoding="utf-8")
    with pytest.raises(RecordError, match=f"{path}: the body has another sha256"):
        sample(tmp_path)
    (tmp_path / "a.txt").unlink()
    with pytest.raises(RecordError, match=r"No such file or directory: .*a\.txt"):
        sample(tmp_path)


def test_nothing_to_draw_from_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no records"):
        sample(tmp_path)
    with pytest.raises(InputError, match="no folder"):
        sample(tmp_path / "nowhere")
    write_record(tmp_path, "a", [(text_of(1), "body", SURE)])
    with pytest.raises(InputError, match="was sure of every block of its 1 records; clean more"):
        sample(tmp_path)


def test_a_file_in_the_way_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "to_label.jsonl"
    path.write_text("labels of somebody", encoding="utf-8")
    with pytest.raises(OutputError, match="--overwrite"):
        check_target(path, overwrite=False)
    check_target(path, overwrite=True)
    with pytest.raises(OutputError, match=r"\.jsonl"):
        check_target(tmp_path / "to_label.json", overwrite=True)


def test_a_sample_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoppedError, match="cannot be written") as caught:
        write_sample(tmp_path / "file" / "to_label.jsonl", [])
    assert "--resume" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_normal_forms() -> None:
    assert normal_form(" İZMİR\n12 ") == normal_form("i̇zmi̇r 34")
    assert normal_form("a1") != normal_form("a12")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["sample", "out", "-o", "x.jsonl"], 0, ""),
        (["sample", "out"], 2, "to_label.jsonl: exists"),
        (["sample", "out", "--overwrite", "--uncertain", "2"], 0, ""),
        (["sample", "empty", "-o", "x.jsonl"], 2, "holds no records"),
        (["sample", "out", "-o", "file/x.jsonl"], 1, "cannot be written"),
    ],
)
def test_the_command_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], status: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_record(tmp_path / "out", "a", [(text_of(number), "body", UNSURE) for number in range(5)])
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "to_label.jsonl").write_text("old", encoding="utf-8")
    ran = run(*arguments)
    assert ran.status == status
    assert message in ran.err
    old = "--overwrite" not in arguments
    assert ((tmp_path / "to_label.jsonl").read_text(encoding="utf-8") == "old") is old
    if status == 0:
        count = 5 if old else 2
        path = tmp_path / ("x.jsonl" if old else "to_label.jsonl")
        assert ran.out == f"{count} blocks to label: {path.name}\n"
        assert len(path.read_text(encoding="utf-8").splitlines()) == count


@pytest.mark.slow
def test_a_real_run_is_drawn_from(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row's text stands in the document that it was drawn from."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "newsfilter.toml").touch()
    (tmp_path / "crawl").mkdir()
    furniture = "Tunnel\n\nScore 3-1\n\nFerry to stay?\n\nWinter, said the mayor\n\nBet on the bridge\n\nPills seized\n\n12"
    for number in range(6):
        (tmp_path / f"crawl/{number}.txt").write_text(f"{furniture}\n\n{article(number)}\n\n{furniture}{number}", encoding="utf-8")
    assert run("clean", "crawl", "-o", "out", "--quiet").status == 0
    rows = sample(tmp_path / "out", 50)
    raw = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "crawl").iterdir())
    assert rows
    assert all(row["text"] in raw for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["jsonl", "jsonl.zst", "parquet"])
def test_shards_give_the_sample_that_files_give(form: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also on remote storage."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "newsfilter.toml").touch()
    (tmp_path / "crawl").mkdir()
    for number in range(4):
        text = f"Score 3-1\n\nFerry to stay?\n\nBet on the bridge\n\n{article(number)}\n\nPills seized\n\n{number}"
        (tmp_path / f"crawl/{number}.txt").write_text(text, encoding="utf-8")
    for out, to in (("out", "files"), ("shards", form), (f"memory://sample/{form}", form)):
        assert run("clean", "crawl", "-o", out, "--to", to, "--quiet", "--jobs", "1").status == 0
        assert run("sample", out, "-o", f"{to}.jsonl", "--overwrite").status == 0
    rows = (tmp_path / "files.jsonl").read_text(encoding="utf-8")
    assert rows
    assert (tmp_path / f"{form}.jsonl").read_text(encoding="utf-8") == rows
    assert sample("shards", 5) == sample(f"memory://sample/{form}", 5) == sample(tmp_path / "out", 5)
