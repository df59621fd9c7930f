"""`newsfilter check --fix`: what was found goes, everything else stays byte for byte, and nothing is lost."""

import csv
import gzip
import hashlib
import json
import os
import stat
import string
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from conftest import Ran, article, make_tree, page
from gate_support import CASINO, FOOTER, SPAM, spammed, word_judge
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from newsfilter.dumps.documents import Oversized
from newsfilter.dumps.keeper import Result
from newsfilter.dumps.readers import ReadOptions
from newsfilter.dumps.writing import write_whole
from newsfilter.errors import RecordError
from newsfilter.gate.drafts import stretches
from newsfilter.gate.findings import report_of
from newsfilter.gate.fix_record import record_name, restore_fix
from newsfilter.gate.fixing import Fixed, fix_file
from newsfilter.gate.json_strings import char_spans
from newsfilter.gate.judging import Clean, judged
from newsfilter.gate.labels import Selection
from newsfilter.gate.plans import FixOrder
from newsfilter.gate.targets import Problem, Target, find_targets
from newsfilter.records import Source

Run = Callable[..., Ran]
PROJECT = Path(__file__).parents[1]
SCHEMA = json.loads((PROJECT / "docs/fix-1.schema.json").read_text(encoding="utf-8"))

pytestmark = pytest.mark.usefixtures("workplace")


def records(folder: Path) -> list[dict[str, Any]]:
    """All fix records below a folder, each held against its schema."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.fix.json"))]
    for record in found:
        jsonschema.validate(record, SCHEMA)
    return found


def test_what_was_found_goes_and_the_rest_stays(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path, {"a.txt": f"{article(1)}\nLeave a comment\n\n{FOOTER}\n"})
    ran = run("check", "--fix", "--records", "records", "a.txt")
    assert ran.status == 1
    assert [line.split(" ")[1] for line in ran.out.splitlines()] == ["comment", "spam-adult"]
    assert ran.err.startswith("newsfilter: fixed: a.txt: 2 stretches removed, written down in records/a.txt.")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == article(1)
    assert run("check", "--fix", "--records", "records", "a.txt").status == 0
    [record] = records(tmp_path / "records")
    assert [row["text"] for row in record["removed"]] == ["Leave a comment", FOOTER]
    assert record["removed"][1]["evidence"]
    assert restore_fix(record, article(1).encode()) == f"{article(1)}\nLeave a comment\n\n{FOOTER}\n".encode()


def test_a_file_with_nothing_to_find_is_not_touched(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path, {"a.txt": article(1)})
    before = (tmp_path / "a.txt").stat()
    assert run("check", "--fix", "--records", "records", "a.txt").status == 0
    assert (tmp_path / "a.txt").stat() == before
    assert not (tmp_path / "records").exists()


STRETCHES = [
    ("a\n\nXX\n\nb\n", "a\n\nb\n", "a block goes with the blank line behind it"),
    ("a\n\nXX\n", "a\n", "the last one with the blank line before it"),
    ("a\n\nXX", "a", "a file without a final newline stays without"),
    ("XX\n\na\n", "a\n", "the first one with what is behind it"),
    ("\n\nXX\n\na\n", "\n\na\n", "what stands before the first one stays"),
    ("a\r\n\r\nXX\r\nb\r\n", "a\r\n\r\nb\r\n", "of two gaps the larger stays"),
    ("a\nXX\n\n\nb", "a\n\n\nb", "whichever side it stands on"),
    ("a. XX b.", "a. b.", "inside a paragraph a space stays"),
    ("a. XX\n\nb.", "a.\n\nb.", "at a paragraph's end its break stays"),
    ("a\n\nXX\n\nXX\n\nXX\n\nb\n", "a\n\nb\n", "neighbours go as one"),
    ("a\n\nXX\n\nb\n\nXX\n\nc", "a\n\nb\n\nc", "others stay apart"),
    ("a.XXb.", "a.b.", "where there was no gap there is none"),
    ("a\n \t\nXX\n \t\nb", "a\n \t\nb", "white space in a blank line is kept"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "why"), STRETCHES, ids=[why for _, _, why in STRETCHES])
def test_white_space_goes_with_what_it_stands_by(before: str, after: str, why: str) -> None:
    spans = [(at, at + 2) for at in range(len(before)) if before.startswith("XX", at)]
    left, position = "", 0
    for start, end in stretches(before, spans):
        assert start >= position, why
        left, position = left + before[position:start], end
    assert left + before[position:] == after, why


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1254"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encoding_mark_line_ends_and_mode_stay(run: Run, tmp_path: Path, encoding: str, newline: str) -> None:
    text = (PROJECT / "fixtures/gold/metin/000_baraj-gorusmesi.txt").read_text(encoding="utf-8")
    text = text.encode("cp1254", "ignore").decode("cp1254").replace("\n", newline)
    whole = f"{text}{newline}{FOOTER}{newline}"
    make_tree(tmp_path, {"a.txt": whole.encode(encoding)})
    (tmp_path / "a.txt").chmod(0o640)
    assert run("check", "--fix", "--records", "records", "--select", "spam", "a.txt").status == 1
    assert (tmp_path / "a.txt").read_bytes() == text.encode(encoding)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640
    [record] = records(tmp_path / "records")
    assert restore_fix(record, text.encode(encoding)) == whole.encode(encoding)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_owner_stays_where_possible(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path, {"a.txt": spammed(1)})
    os.chown(tmp_path / "a.txt", 12345, 23456)
    run("check", "--fix", "--records", "records", "a.txt")
    about = (tmp_path / "a.txt").stat()
    assert (about.st_uid, about.st_gid) == (12345, 23456)


def test_a_row_keeps_its_escapes_spaces_numbers_and_order(run: Run, tmp_path: Path) -> None:
    """Of the line, only the letters of what was found go; rows without findings stay as they are, a blank line and a missing final newline too."""
    first = '{ "n":1.10,"t": "\\u0130 \\/ x" ,"text" : "' + article(1).replace("\n", "\\n").replace("t", "\\u0074").replace(
        "ferry", "f\\u0065rry"
    )
    tail = '", "huge":1e999 ,"n":-0}'
    spam = "\\n" + FOOTER.replace("ç", "\\u00e7") + "\\n"
    other = '{"text":"' + article(2).replace("\n", "\\n") + '"}'
    make_tree(tmp_path, {"a.jsonl": f"\ufeff  {first}{spam}{tail}  \r\n\r\n{other}\n{first}{spam}{tail}"})
    assert run("check", "--fix", "--records", "records", "a.jsonl").status == 1
    assert (tmp_path / "a.jsonl").read_bytes().decode() == f"\ufeff  {first}{tail}  \r\n\r\n{other}\n{first}{tail}"
    [record] = records(tmp_path / "records")
    assert [(row["row"], row["field"], row["text"]) for row in record["removed"]] == [(1, "text", FOOTER), (4, "text", FOOTER)]
    assert all("\\u00e7ankaya" in row["bytes"] for row in record["removed"])
    whole = f"\ufeff  {first}{spam}{tail}  \r\n\r\n{other}\n{first}{spam}{tail}".encode()
    assert restore_fix(record, (tmp_path / "a.jsonl").read_bytes()) == whole


def test_of_two_equal_keys_the_one_that_counts_is_fixed(run: Run, tmp_path: Path) -> None:
    first, second = json.dumps(spammed(1)), json.dumps(spammed(2))
    make_tree(tmp_path, {"a.jsonl": f'{{"text": {first}, "text": {second}}}\n'})
    assert run("check", "--fix", "--records", "records", "a.jsonl").status == 1
    assert (tmp_path / "a.jsonl").read_text() == f'{{"text": {first}, "text": {json.dumps(article(2))}}}\n'


def csv_bytes(text: str) -> bytes:
    out = tempfile.SpooledTemporaryFile(mode="w+", newline="", encoding="utf-8")  # noqa: SIM115 - a buffer
    csv.writer(out).writerows([["id", "text"], ["1", text]])
    out.seek(0)
    return out.read().encode()


REFUSED: list[tuple[str, bytes | str, str]] = [
    ("a.html", page(1).replace("</article>", f"<p>{FOOTER}</p></article>"), "newsfilter clean a.html -o OUT --to files"),
    ("a.csv", csv_bytes(spammed(1)), "newsfilter clean a.csv -o OUT --to jsonl"),
    ("a.txt.gz", gzip.compress(spammed(1).encode()), "newsfilter clean a.txt.gz -o OUT --to files"),
    ("a b.jsonl.gz", gzip.compress(json.dumps({"text": spammed(1)}).encode()), "newsfilter clean 'a b.jsonl.gz' -o OUT --to jsonl"),
    ("page.jsonl", json.dumps({"html": page(1).replace("</article>", f"<p>{FOOTER}</p></article>")}), "line 1: it is HTML"),
    ("spam.txt", (PROJECT / "fixtures/dump/metin/009_duvar-ustalari-forum.txt").read_bytes(), "a document as a whole was found"),
    ("stray.txt", spammed(1).encode() + "ıışığ".encode() * 20 + b"\xff\n", "its bytes cannot be had back from its text"),
]


@pytest.mark.parametrize(("name", "content", "said"), REFUSED, ids=[name for name, _, _ in REFUSED])
def test_what_cannot_be_rewritten_safely_is_left_with_the_command_that_does_it(
    run: Run, tmp_path: Path, name: str, content: bytes | str, said: str
) -> None:
    make_tree(tmp_path, {name: content, "b.txt": spammed(2)})
    before = (tmp_path / name).read_bytes()
    ran = run("check", "--fix", "--records", "records", name, "b.txt")
    assert ran.status == 2
    assert f"newsfilter: {name}: not fixed: " in ran.err
    assert said in ran.err
    assert (tmp_path / name).read_bytes() == before
    assert (tmp_path / "b.txt").read_text() == article(2)
    assert [record["file"] for record in records(tmp_path / "records")] == ["b.txt"]


def test_parquet_is_refused(run: Run, tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"text": [spammed(1)]}), tmp_path / "a.parquet")
    ran = run("check", "--fix", "--records", "records", "a.parquet")
    assert (ran.status, "newsfilter clean a.parquet -o OUT --to parquet" in ran.err) == (2, True)


def fixed(tmp_path: Path, target: Target, judge: Clean = word_judge, **options: Any) -> Fixed | Problem | None:
    """Check a file with a judge of our own and fix it, as the command does; None where nothing was found."""
    options = {"whole": False, "selection": Selection(), **options}
    reports = [report_of(answer, options["selection"]) for answer in judged([target], ReadOptions(max_bytes=10**6), judge)]
    problems = [problem for report in reports for problem in report.problems]
    if problems:
        return problems[0]
    rows = {report.unit.offset: Counter[tuple[str, str, str]]() for report in reports if report.findings and report.unit is not None}
    order = FixOrder(tmp_path / "records", options["selection"], ReadOptions(max_bytes=10**6), judge)
    return fix_file(target, rows, order, whole=options["whole"]) if rows else None


def target_of(path: Path) -> Target:
    [target] = find_targets([str(path)]).files
    return target


def test_a_text_that_does_not_come_to_rest_is_left_alone(tmp_path: Path) -> None:
    """The judge finds something new in whatever is left."""
    make_tree(tmp_path, {"a.txt": "\n\n".join(f"paragraph {number} {SPAM if number == 0 else ''}." for number in range(30))})
    before = (tmp_path / "a.txt").read_bytes()

    outcome = fixed(tmp_path, target_of(tmp_path / "a.txt"), never_content)
    assert isinstance(outcome, Problem)
    assert "after 5 rounds something was still found" in outcome.message
    assert (tmp_path / "a.txt").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".newsfilter")] == []


def never_content(sources: Sequence[Source | Oversized]) -> list[Result]:
    """Judge the first paragraph that is left as spam, whatever it is."""
    results = []
    for result in word_judge(sources):
        record = json.loads(result.record)
        record["blocks"][0] |= {"kept": False, "label": "spam-adult", "probabilities": {"spam-adult": 0.99}}
        results.append(Result(line={}, record=json.dumps(record).encode()))
    return results


def test_nothing_but_spam_is_left_alone(tmp_path: Path) -> None:
    make_tree(tmp_path, {"a.txt": f"{SPAM} one.\n\n{SPAM} two.\n"})
    outcome = fixed(tmp_path, target_of(tmp_path / "a.txt"))
    assert isinstance(outcome, Problem)
    assert "nothing would be left of it" in outcome.message


def test_a_file_that_changes_meanwhile_is_left_as_it_is_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its record goes, too: the fix was not made."""
    make_tree(tmp_path, {"a.txt": f"Body one.\n\n{SPAM}.\n"})

    def meanwhile(path: Path, data: bytes, *, durable: bool) -> None:
        write_whole(path, data, durable=durable)
        (tmp_path / "a.txt").write_text("somebody else's")

    monkeypatch.setattr("newsfilter.gate.fixing.write_whole", meanwhile)
    outcome = fixed(tmp_path, target_of(tmp_path / "a.txt"))
    assert isinstance(outcome, Problem)
    assert "changed meanwhile" in outcome.message
    assert (tmp_path / "a.txt").read_text() == "somebody else's"
    assert records(tmp_path / "records") == []


def test_the_record_is_written_before_the_file_is_replaced(run: Run, tmp_path: Path) -> None:
    """Where it cannot be, nothing is fixed."""
    make_tree(tmp_path, {"a.txt": spammed(1), "records": "a file in the way"})
    ran = run("check", "--fix", "--records", "records", "a.txt")
    assert (ran.status, "a.txt: not fixed: " in ran.err, "--resume" in ran.err) == (2, True, False)
    assert (tmp_path / "a.txt").read_text() == spammed(1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "newsfilter.toml", "records"]


def test_an_interrupt_after_the_file_was_replaced_leaves_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What went out of the file stands nowhere else by then."""
    make_tree(tmp_path, {"a.txt": f"Body one.\n\n{SPAM}.\n"})
    replace = Path.replace

    def interrupted(self: Path, target: Path) -> Path:
        result = replace(self, target)
        if target.name == "a.txt":
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fixed(tmp_path, target_of(tmp_path / "a.txt"))
    assert (tmp_path / "a.txt").read_text() == "Body one.\n"
    [record] = records(tmp_path / "records")
    assert restore_fix(record, b"Body one.\n") == f"Body one.\n\n{SPAM}.\n".encode()


def test_the_record_is_on_the_disk_before_the_file_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in memory, where a power cut would leave the fixed file and no record."""
    make_tree(tmp_path, {"a.txt": f"Body one.\n\n{SPAM}.\n"})
    said: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(handle: int) -> None:
        about = os.fstat(handle)
        said.append("synced folder" if stat.S_ISDIR(about.st_mode) else f"synced {about.st_size} bytes")
        fsync(handle)

    def replaced(self: Path, target: Path) -> Path:
        said.append("file" if target.name == "a.txt" else "record")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    outcome = fixed(tmp_path, target_of(tmp_path / "a.txt"))
    assert isinstance(outcome, Fixed)
    assert said == ["synced 10 bytes", f"synced {outcome.record.stat().st_size} bytes", "record", "synced folder", "file"]


def test_a_fix_that_is_not_made_leaves_the_record_of_an_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same file, fixed, put back and fixed again, has the same record."""
    text = f"Body one.\n\n{SPAM}.\n"
    make_tree(tmp_path, {"a.txt": text})
    assert isinstance(fixed(tmp_path, target_of(tmp_path / "a.txt")), Fixed)
    make_tree(tmp_path, {"a.txt": text})
    monkeypatch.setattr("newsfilter.gate.fixing._check_unchanged", lambda _path, _before: (_ for _ in ()).throw(OSError(28, "no room")))
    assert isinstance(fixed(tmp_path, target_of(tmp_path / "a.txt")), Problem)
    assert len(records(tmp_path / "records")) == 1


@pytest.mark.parametrize("link", ["records", "records/n"])
def test_records_go_nowhere_by_a_link(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: str) -> None:
    """A commit can hold a link where the hook writes its records."""
    outside = tmp_path / "outside"
    make_tree(tmp_path / "repo", {"n/a.txt": spammed(1), "newsfilter.toml": ""})
    make_tree(outside, {".keep": ""})
    (tmp_path / "repo" / link).parent.mkdir(exist_ok=True)
    (tmp_path / "repo" / link).symlink_to(outside)
    monkeypatch.chdir(tmp_path / "repo")
    ran = run("check", "--fix", "--records", "records", "n/a.txt")
    assert (ran.status, "n/a.txt: not fixed: records leads elsewhere by a symbolic link" in ran.err) == (2, True)
    assert [path.name for path in outside.rglob("*")] == [".keep"]
    assert (tmp_path / "repo/n/a.txt").read_text(encoding="utf-8") == spammed(1)
    assert run("check", "--fix", "--records", str(outside), "n/a.txt").status == 1


def test_another_name_of_the_file_keeps_what_it_held(run: Run, tmp_path: Path) -> None:
    """A hard link, such as into a cache of DVC's, whose files must never change."""
    make_tree(tmp_path, {"a.txt": spammed(1)})
    (tmp_path / "cached").hardlink_to(tmp_path / "a.txt")
    assert run("check", "--fix", "--records", "records", "a.txt").status == 1
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == article(1)
    assert (tmp_path / "cached").read_text(encoding="utf-8") == spammed(1)


def test_a_file_that_was_judged_in_part_is_named_as_left_alone(run: Run, tmp_path: Path) -> None:
    content = f'{json.dumps({"text": spammed(1)})}\n{{"other": 1}}\n'
    make_tree(tmp_path, {"a.jsonl": content})
    ran = run("check", "--fix", "--records", "records", "a.jsonl")
    assert ran.status == 2
    assert "a.jsonl:2: " in ran.err
    assert "newsfilter: a.jsonl: not fixed: not all of it could be judged" in ran.err
    assert (tmp_path / "a.jsonl").read_text(encoding="utf-8") == content


def test_records_of_several_fixes_of_one_file_stand_side_by_side(run: Run, tmp_path: Path) -> None:
    for number in (1, 2):
        make_tree(tmp_path, {"n/a.txt": spammed(number)})
        run("check", "--fix", "--records", "records", "n/a.txt")
    assert [record["file"] for record in records(tmp_path / "records/n")] == ["n/a.txt"] * 2


@pytest.mark.parametrize("name", ["../x.txt", "/etc/x.txt", "a/../../x", "..", "a\nb", "." * 300])
def test_a_record_never_leaves_its_folder(name: str) -> None:
    digests = {"sha256": "0" * 64}
    path = Path("records") / record_name({"file": name, "before": digests, "after": digests})
    assert Path(os.path.normpath(path)).is_relative_to("records")
    assert all(len(part.encode()) < 256 and part not in ("..", ".") for part in path.parts)


def small_record() -> tuple[dict[str, Any], bytes]:
    before, after = b"a SPAM b", b"a b"
    record: dict[str, Any] = {
        "schema": "newsfilter/fix/1",
        "before": {"sha256": hashlib.sha256(before).hexdigest()},
        "after": {"sha256": hashlib.sha256(after).hexdigest()},
        "removed": [{"at": [2, 7], "after": 2, "bytes": "SPAM "}],
    }
    assert restore_fix(record, after) == before
    return record, after


TAMPERED: list[tuple[Callable[[dict[str, Any]], Any], bytes, str]] = [
    (lambda _: None, b"a c", "another sha256"),
    (lambda record: record.update(schema="newsfilter/fix/2"), b"a b", "'newsfilter/fix/2'"),
    (lambda record: record["removed"][0].update(bytes="HAM "), b"a b", "the record was changed"),
    (lambda record: record["removed"][0].update(after=9), b"a b", "there is no place"),
    (lambda record: record["removed"][0].update(after="2"), b"a b", "no fix record"),
    (lambda record: record["removed"][0].update(base64="?"), b"a b", "no fix record"),
    (lambda record: record.pop("removed"), b"a b", "no fix record"),
    (lambda record: record.pop("after"), b"a b", "no fix record"),
]


@pytest.mark.parametrize(("change", "data", "said"), TAMPERED)
def test_a_changed_record_or_file_is_refused(change: Callable[[dict[str, Any]], Any], data: bytes, said: str) -> None:
    record, _ = small_record()
    change(record)
    with pytest.raises(RecordError, match=said):
        restore_fix(record, data)


def test_a_json_string_is_taken_apart_letter_by_letter() -> None:
    token = r'"a\u0131\ud83d\ude00\ud83dx\\\"\u00e7é😀\/"'
    assert [token[start:end] for start, end in char_spans(token)] == [
        "a", r"\u0131", r"\ud83d\ude00", r"\ud83d", "x", r"\\", r"\"", r"\u00e7", "é", "😀", r"\/",
    ]  # fmt: skip


@given(st.text(st.characters(codec="utf-16", exclude_categories=())), st.booleans())
def test_every_json_string_has_as_many_letters_as_it_decodes_to(text: str, ascii_only: bool) -> None:
    token = json.dumps(text, ensure_ascii=ascii_only)
    spans = char_spans(token)
    assert [json.loads(f'"{token[start:end]}"') for start, end in spans] == list(json.loads(token))


# What texts are made of: honest paragraphs in several scripts, spam, and white space as scrapers leave it.
PARAGRAPHS = ["Köprü bugün açıldı.", "İlk gün on bin araç geçti. Bakan konuştu.", "The ferry stays. It does.", "ﬁ “tırnak” – 10 %", "a"]
SPAMS = [f"{SPAM}.", f"{SPAM} ucuz. {SPAM} yeni.", f"Köprü açıldı. {SPAM} giriş. Halk sevindi.", f"{SPAM} x. Honest end here."]
GAPS = ["\n", "\n\n", "\r\n", "\r\n\r\n", "\n \t\n", "\n\n\n\n", " \n", "\r\n\n"]
TEXTS = st.builds(
    lambda lead, parts, tail: lead + "".join(paragraph + gap for paragraph, gap in parts)[: -len(parts[-1][1])] + tail,
    st.sampled_from(["", "\n", "  ", "\t\n"]),
    st.lists(st.tuples(st.sampled_from(PARAGRAPHS + SPAMS), st.sampled_from(GAPS)), min_size=1, max_size=8),
    st.sampled_from(["", "\n", "\r\n", "\n\n", "  "]),
)


def is_subsequence(small: bytes, large: bytes) -> bool:
    rest = iter(large)
    return all(byte in rest for byte in small)


def check_fixed(folder: Path, path: Path, before: bytes) -> bytes | None:
    """Fix a file, and hold what comes of it against what must be so for every file; None where it was left alone."""
    path.write_bytes(before)
    path.chmod(0o604)
    outcome = fixed(folder, target_of(path))
    after = path.read_bytes()
    if not isinstance(outcome, Fixed):
        assert after == before
        event("left alone: " + (outcome.message.rpartition(": ")[2] if isinstance(outcome, Problem) else "nothing found"))
        return None
    event("fixed")
    record = json.loads(outcome.record.read_text(encoding="utf-8"))
    jsonschema.validate(record, SCHEMA)
    assert restore_fix(record, after) == before
    assert len(after) == len(before) - sum(row["at"][1] - row["at"][0] for row in record["removed"])
    assert is_subsequence(after, before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604
    assert fixed(folder, target_of(path)) is None, "a second run finds nothing"
    assert list(folder.rglob(".newsfilter-*")) == []
    return after


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "cp1254"]))
def test_any_text_keeps_what_was_not_found(text: str, encoding: str) -> None:
    """Every honest sentence stays in its order, the file's beginning and end stay, and no gap doubles."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        after = check_fixed(folder, folder / "a.txt", text.encode(encoding, "replace"))
        if after is None:
            return
        text = text.encode(encoding, "replace").decode(encoding)
        left = after.decode(encoding)
        assert SPAM not in left
        for sentence in ("Köprü bugün açıldı.", "The ferry stays. It does.", "Halk sevindi.", "Honest end here.", "Köprü açıldı."):
            assert left.count(sentence) == text.count(sentence)
        assert left[len(left.rstrip()) :] == text[len(text.rstrip()) :]
        assert left[: len(left) - len(left.lstrip())] == text[: len(text) - len(text.lstrip())]
        assert longest_gap(left) <= longest_gap(text)


def longest_gap(text: str) -> int:
    return max((part.count("\n") for part in "".join(letter if letter.isspace() else "x" for letter in text.strip()).split("x")), default=0)


VALUES = st.one_of(
    st.none(), st.integers(), st.floats(allow_nan=False), st.text(string.printable, max_size=5), st.lists(st.integers(), max_size=2)
)
ROWS = st.lists(
    st.tuples(st.dictionaries(st.sampled_from(["id", "url", "ş", "n"]), VALUES, max_size=3), TEXTS | st.none(), st.booleans(), st.sampled_from([",", ", ", " ,\t"]), st.sampled_from(["\n", "\r\n", "\n\n", " \n"])),
    min_size=1,
    max_size=5,
)  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ROWS, st.booleans())
def test_any_rows_keep_what_was_not_found(rows: list[Any], final: bool) -> None:
    """Each row is JSON again, with all its other values and its honest sentences, and a row without findings is the same bytes."""
    lines = [
        json.dumps({**before, "text": text}, ensure_ascii=ascii_only, separators=(comma, " : "))
        for before, text, ascii_only, comma, _ in rows
    ]
    data = "".join(line + row[4] for line, row in zip(lines, rows, strict=True))
    data = data if final else data.rstrip("\r\n ")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        after = check_fixed(folder, folder / "a.jsonl", data.encode())
        if after is None:
            return
        before_rows, after_rows = ([one for one in content.split(b"\n") if one.strip()] for content in (data.encode(), after))
        assert len(before_rows) == len(after_rows)
        for old, new in zip(before_rows, after_rows, strict=True):
            was, now = json.loads(old), json.loads(new)
            if SPAM not in (was["text"] or ""):
                assert new == old
            else:
                assert {**was, "text": ""} == {**now, "text": ""}
                assert list(was) == list(now)
                assert SPAM not in now["text"]
                assert now["text"].count("Köprü bugün açıldı.") == was["text"].count("Köprü bugün açıldı.")


@pytest.mark.slow
def test_every_fixture_is_fixed_once_and_for_all(run: Run, tmp_path: Path) -> None:
    """With the real model: what was fixed has nothing more to find, what was not is as it was, and each original comes back from its record."""
    sources = sorted(
        path for folder in ("metin", "text") for path in (PROJECT / "fixtures/dump" / folder).iterdir() if path.suffix in (".txt", ".md")
    )
    before = {path.name: path.read_bytes() for path in sources}
    make_tree(tmp_path, before)
    ran = run("check", "--fix", "--records", "records", *before)
    assert ran.status == 2
    done = {record["file"]: record for record in records(tmp_path / "records")}
    assert len(done) >= 18
    for name, raw in before.items():
        now = (tmp_path / name).read_bytes()
        assert (restore_fix(done[name], now) if name in done else now) == raw
    assert run("check", *done).status == 0


@pytest.mark.slow
def test_the_fixtures_as_rows_are_fixed_once_and_for_all(run: Run, tmp_path: Path) -> None:
    rows = [
        json.dumps({"id": number, "text": f"{article(number)}\n{FOOTER if number % 3 else CASINO}\n"}, ensure_ascii=number % 2 == 0)
        for number in range(40)
    ]
    make_tree(tmp_path, {"a.jsonl": "\n".join(rows)})
    assert run("check", "--fix", "--records", "records", "a.jsonl").status == 1
    [record] = records(tmp_path / "records")
    assert len(record["removed"]) == 40
    assert restore_fix(record, (tmp_path / "a.jsonl").read_bytes()) == "\n".join(rows).encode()
    assert [json.loads(line)["text"] for line in (tmp_path / "a.jsonl").read_text(encoding="utf-8").split("\n")] == [
        article(number) for number in range(40)
    ]
    assert run("check", "a.jsonl").status == 0
