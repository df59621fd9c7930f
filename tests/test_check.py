"""`newsfilter check`: what it finds, where it says that stands, what it refuses, and that nothing scraped is obeyed by what shows it."""

import csv
import gzip
import hashlib
import io
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Ran, article, command, make_tree, page
from gate_support import CASINO, FOOTER, spammed

from newsfilter.errors import SettingsError
from newsfilter.gate.config import shipped_model
from newsfilter.gate.labels import FOUND, WHOLE, Selection, is_selected
from newsfilter.gate.pages import html_lines
from newsfilter.gate.rendering import safe, safe_path
from newsfilter.model_file import shipped_model_folder
from newsfilter.records import LABELS, Source
from newsfilter.terminal import visible
from newsfilter.verdict import REASONS

Run = Callable[..., Ran]
PROJECT = Path(__file__).parents[1]

pytestmark = pytest.mark.usefixtures("workplace")


def lines(ran: Ran) -> list[str]:
    return ran.out.splitlines()


def test_nothing_found_is_status_0_and_says_nothing_on_standard_output(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path, {"a.txt": article(1), "b.md": article(2), "c.html": page(3), "d.txt": b""})
    assert run("check", "a.txt", "b.md", "c.html", "d.txt") == (0, "", "newsfilter: 0 findings in 0 of 4 files\n")


def test_a_finding_has_path_line_column_label_probability_and_excerpt(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path, {"news/a.txt": spammed(1), "b.txt": article(2)})
    ran = run("check", "news/a.txt", "b.txt")
    assert ran.status == 1
    assert re.fullmatch(rf"news/a\.txt:11:1: spam-adult \d\.\d\d {FOOTER}\n", ran.out)
    assert ran.err == "newsfilter: 1 finding in 1 of 2 files\n"


def test_line_and_column_are_those_of_an_editor(run: Run, tmp_path: Path) -> None:
    """Columns count code points, a byte order mark is none of them, and a carriage return ends no line by itself."""
    text = article(1).rstrip("\n").replace("\n", "\r\n") + f"\r\n\r\n  \t{FOOTER}\r\n"
    make_tree(tmp_path, {"bom.txt": text.encode("utf-8-sig"), "wide.txt": text.encode("utf-16"), "crlf.txt": text})
    places = [
        re.findall(r"^(\w+)\.txt:(\d+):(\d+): spam-adult", line)[0] for line in lines(run("check", "bom.txt", "wide.txt", "crlf.txt"))
    ]
    assert places == [("bom", "11", "4"), ("wide", "11", "4"), ("crlf", "11", "4")]


def test_spam_inside_a_paragraph_has_its_column(run: Run, tmp_path: Path) -> None:
    paragraphs = article(1).split("\n\n")
    paragraphs[2] = f"{paragraphs[2]} {CASINO}. {CASINO}."
    make_tree(tmp_path, {"a.txt": "\n\n".join(paragraphs)})
    [finding] = json.loads(run("check", "a.txt", "--format", "json", "--select", "spam").out)["findings"]
    assert finding["label"] == "spam-gambling"
    assert finding["line"] == 5
    assert paragraphs[2][finding["column"] - 1 :].startswith(CASINO[:20])


def test_a_page_is_told_by_line_and_only_its_spam_is_found(run: Run, tmp_path: Path) -> None:
    spam = f"<nav><a>Home</a> <a>Sports</a></nav>\n<p>Leave a comment</p>\n<div\n class=x>\n<p>{FOOTER}</p></div>"
    make_tree(tmp_path, {"a.html": page(1).replace("<article>", "<article>\n").replace("</article>", f"</article>\n{spam}")})
    ran = run("check", "a.html")
    assert re.fullmatch(r"a\.html:7:1: spam-adult \d\.\d\d .*\n", ran.out)
    assert "comment" in run("check", "a.html", "--select", "spam,comment").out


def lines_of(page_text: str, *findings: tuple[str, str]) -> list[int]:
    return html_lines(Source(page_text), findings)


def test_the_line_of_a_page_is_that_of_the_words_in_their_element() -> None:
    """Not of the same words elsewhere. Where they are not to be found, it is the element's line; and 1 for what leads nowhere."""
    text = "<html>\n<body><p>x escort</p><div\n class=x\n>one\ntwo<br>\n\nx   escort <!-- a\nb --> <b>x\ny</b>\nfour<br>x\nescort\n<p>six</p>\nseven a<i>b</i></div>"
    div = "/html/body/div"
    assert lines_of(text, (div, "two"), (div, "x escort now"), (div, "x y"), (div, "four")) == [5, 4, 8, 10]
    assert lines_of(text, (div, "x escort"), (div, "x escort"), (div, "six"), (div, "seven")) == [7, 10, 12, 13]
    assert lines_of(text, (div, "ab"), (div, "gone"), (f"{div}/p", "six"), ("/html/body/p", "x escort")) == [13, 4, 12, 2]
    assert lines_of(text, ("/html/body/p[2]", "six"), ("/html/main", "six"), ("", "six"), ("/body", "six")) == [1, 1, 1, 1]
    assert lines_of("", ("/html", "a")) == [1]
    assert lines_of("<html><body>\n<o:p>a</o:p>\n<o:p>b</o:p>", ("/html/body/*[name()='o:p'][2]", "b")) == [3]


def test_many_findings_in_one_element_take_no_longer_than_their_text() -> None:
    text = "<html><body><div>" + "".join(f"\nbet {number} x<br><br>" for number in range(20_000)) + "</div></body></html>"
    before = time.process_time()
    assert lines_of(text, *(("/html/body/div", f"bet {number} x") for number in range(5_000)))[:3] == [2, 3, 4]
    assert time.process_time() - before < 5


def test_labels_are_chosen_by_prefix_and_the_longer_one_wins(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path, {"a.txt": f"{article(1)}\nLeave a comment\n\n{FOOTER}\n\n{CASINO}\n"})

    def labels(*options: str) -> set[str]:
        return {line.split()[1] for line in lines(run("check", "a.txt", *options))}

    assert labels() == {"comment", "spam-adult", "spam-gambling"}
    assert labels("--select", "spam") == {"spam-adult", "spam-gambling"}
    assert labels("--select", "spam", "--ignore", "spam-adult") == {"spam-gambling"}
    assert labels("--select", "spam-adult", "--ignore", "spam") == {"spam-adult"}
    assert labels("--ignore", "spam") == {"comment"}
    assert labels("--select", "headline") == {"headline"}


@pytest.mark.parametrize(
    ("selection", "label", "html", "wanted"),
    [
        (Selection(), "headline", False, False),
        (Selection(), "byline", False, False),
        (Selection(), "navigation", False, False),
        (Selection(), "notice", False, True),
        (Selection(), "notice", True, False),
        (Selection(), "advertorial", True, True),
        (Selection(select=("notice",)), "advertorial", False, False),
        (Selection(select=("advert",)), "advertorial", False, True),
        (Selection(ignore=("advertorial",)), "advertorial", False, False),
        (Selection(select=("spam",)), "too-large", False, True),
        (Selection(ignore=("too-large",)), "too-large", False, False),
        (Selection(select=("spam-crypto",)), "spam-crypto", False, True),
    ],
)
def test_what_counts_as_a_finding(selection: Selection, label: str, html: bool, wanted: bool) -> None:
    assert is_selected(selection, label, html=html) is wanted


def test_every_label_but_body_can_be_found_and_every_verdict_on_the_whole_is_a_reason() -> None:
    assert set(LABELS) - {"body"} == set(FOUND) - set(WHOLE) - {"too-large"}
    assert set(WHOLE) <= set(REASONS)
    assert all(REASONS[code].decision == "reject" for code in WHOLE)


def test_an_unknown_prefix_names_the_nearest(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path, {"a.txt": article(1)})
    assert run("check", "a.txt", "--select", "spam,reactoin") == (
        2,
        "",
        "newsfilter: select: no label begins with 'reactoin'; did you mean 'reaction'?\n",
    )
    with pytest.raises(SettingsError, match="'notice'"):
        Selection(ignore=("notices",))


def test_the_probability_is_a_limit(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path, {"a.txt": spammed()})
    probability = json.loads(run("check", "a.txt", "--format", "json").out)["findings"][0]["probability"]
    assert run("check", "a.txt", "--min-probability", str(probability)).status == 1
    assert run("check", "a.txt", "--min-probability", str(min(1.0, probability + 0.0001))).status == 0
    assert run("check", "a.txt", "--min-probability", "1.5").status == 2


def test_a_document_that_is_spam_as_a_whole_is_a_finding_at_line_1(run: Run) -> None:
    ran = run("check", PROJECT / "fixtures/dump/metin/009_duvar-ustalari-forum.txt", "--select", "mostly-spam")
    assert re.fullmatch(r"\S+:1:1: mostly-spam \d\.\d\d \(the document as a whole\)\n", ran.out)
    assert ran.status == 1


def test_a_document_over_the_limit_is_a_finding(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path, {"a.txt": article(1), "b.txt.gz": gzip.compress(article(2).encode() * 9)})
    assert lines(run("check", "a.txt", "b.txt.gz", "--max-bytes", "100", "--select", "spam")) == [
        "a.txt:1:1: too-large 1.00 (the document as a whole)",
        "b.txt.gz:1:1: too-large 1.00 (the document as a whole)",
    ]


def table_row(line: str) -> tuple[str, ...]:
    found = re.fullmatch(r"(\S+):(\d+):1: row (\d+), field (\S+): (\S+) \d\.\d\d .*", line)
    assert found is not None, line
    return found.groups()


def test_rows_of_tables_are_told_by_line_row_and_field(run: Run, tmp_path: Path) -> None:
    """JSONL by its own lines, CSV by the line in which the row begins, both also packed."""
    rows: list[dict[str, Any]] = [{"id": 1, "text": article(1)}, {"id": 2, "text": None}, {"id": 3, "text": spammed(3)}]
    jsonl = "\n\n".join(json.dumps(row) for row in rows)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["id", "text"])
    writer.writerows([row["id"], row["text"] or ""] for row in rows)
    make_tree(tmp_path, {"a.jsonl": jsonl, "a.jsonl.gz": gzip.compress(jsonl.encode()), "a.csv": out.getvalue()})
    found = [table_row(line) for line in lines(run("check", "a.jsonl", "a.jsonl.gz", "a.csv"))]
    line = str(out.getvalue()[: out.getvalue().index("\n3,")].count("\n") + 2)
    assert found == [
        ("a.jsonl", "5", "5", "text", "spam-adult"),
        ("a.jsonl.gz", "5", "5", "text", "spam-adult"),
        ("a.csv", line, "3", "text", "spam-adult"),
    ]


def test_rows_of_parquet_are_told_by_their_number(run: Run, tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"content": [article(1), spammed(2), spammed(3)]}), tmp_path / "a.parquet")
    found = [table_row(line) for line in lines(run("check", "a.parquet", "--text-field", "content", "--select", "spam-"))]
    assert found[0] == ("a.parquet", "2", "2", "content", "spam-adult")
    assert {row[2] for row in found} == {"2", "3"}


def test_a_line_of_a_hundred_megabytes_is_a_finding_not_a_crash(tmp_path: Path) -> None:
    """In a process of its own, whose memory stays far below the line's size."""
    with (tmp_path / "a.jsonl").open("w", encoding="utf-8") as file:
        file.write(json.dumps({"text": article(1)}) + "\n" + '{"text": "')
        for _ in range(100):
            file.write("a word and another one, " * 43_000)
        file.write('"}\n' + json.dumps({"text": spammed(2)}) + "\n")
    code = "import re, sys; from newsfilter.cli import main; status = main(sys.argv[1:]); print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]); sys.exit(status)"
    ran = subprocess.run(
        [sys.executable, "-c", code, "check", "a.jsonl"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    first, second, kilobytes = ran.stdout.splitlines()
    assert first == "a.jsonl:2:1: too-large 1.00 (the document as a whole)"
    assert second.startswith("a.jsonl:3:1: row 3, field text: spam-adult ")
    assert int(kilobytes) < 90_000
    assert ran.returncode == 1


def test_a_large_file_is_read_as_it_is_judged(tmp_path: Path) -> None:
    """A quarter of a gigabyte of rows, in a process of its own, with a judge that takes no time: some sixteen rows are held."""
    with (tmp_path / "a.jsonl").open("w", encoding="utf-8") as file:
        row = json.dumps({"text": "a word and another one, " * 10_000})
        for _ in range(1_000):
            file.write(f"{row}\n")
    code = """if True:
        import re
        from newsfilter.dumps.keeper import Result
        from newsfilter.dumps.readers import ReadOptions
        from newsfilter.gate.judging import judged
        from newsfilter.gate.targets import find_targets
        held = []
        def judge(sources):
            held.append(len(sources))
            return [Result(reason="error") for _ in sources]
        answers = sum(1 for _ in judged(find_targets(["a.jsonl"]).files, ReadOptions(10_000_000), judge))
        print(answers, max(held), re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    answers, most, kilobytes = map(int, ran.stdout.split())
    assert (answers, most) == (1_000, 16)
    assert kilobytes < 90_000


@pytest.mark.parametrize("form", ["text", "json", "sarif"])
def test_of_many_problems_of_a_file_the_first_are_named(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """A log that ends in .jsonl costs neither memory nor a screen for each of its lines; other files are not affected."""
    monkeypatch.setattr("newsfilter.cli_check.MOST_PROBLEMS", 3)
    make_tree(tmp_path, {"log.jsonl": '{"text": ""}\n' + "12:00 started\n" * 10, "b.jsonl": '{"text": ""}\n[]\n'})
    ran = run("check", "--format", form, "log.jsonl", "b.jsonl")
    assert ran.status == 2
    assert [line.split(":")[2] for line in ran.err.splitlines() if ": log.jsonl:" in line][:3] == ["2", "3", "4"]
    assert "newsfilter: log.jsonl: 7 further lines or rows could not be judged" in ran.err
    assert "newsfilter: b.jsonl:2: the line is JSON, but no object" in ran.err
    if form == "json":
        assert len(json.loads(ran.out)["problems"]) == 5


BAD: list[tuple[str, bytes | str, str]] = [
    ("nul.txt", bytes(range(256)) * 40, "fits no charset"),
    ("logo.txt", b"\x89PNG\r\n\x1a\n\0\0", "is no document (image)"),
    ("cut.txt.gz", gzip.compress(article(1).encode())[:60], "ends before its data do"),
    ("a.json", '[{"text": "a"}]', "is JSON, and check reads JSONL only"),
    ("a; rm b.json", '[{"text": "a"}]', "jq -c '.[]' 'a; rm b.json' > NEW.jsonl"),
    ("a.zip", b"PK\x05\x06" + bytes(18), "newsfilter clean a.zip -o OUT"),
    ("rows.jsonl", f'{json.dumps({"text": article(1)})}\n{{"text": "half', ":2: the line is not JSON"),
    ("latin.jsonl", json.dumps({"text": article(1)}).encode() + b'\n{"text": "\xfd"}\n', ":2: the line or row is not UTF-8"),
    ("shape.jsonl", f'{json.dumps({"text": article(1)})}\n[1, 2]\n{{"body": 1}}\n', ":2: the line is JSON, but no object"),
    ("list.jsonl", f'{json.dumps({"text": article(1)})}\n{{"text": ["a"]}}\n', ":2: the field that should hold the document holds"),
    ("nofield.jsonl", '{"name": "a"}\n', "name one with --text-field"),
    ("bad.csv", f'id,text\n1,"{article(1)}"\n2\n', ":12: the row of the table does not fit"),
    ("cut.parquet", b"PAR1 and no more", "is no whole Parquet file"),
]


@pytest.mark.parametrize(("name", "content", "said"), BAD, ids=[name for name, _, _ in BAD])
def test_what_cannot_be_judged_is_named_and_the_rest_is_checked(
    run: Run, tmp_path: Path, name: str, content: bytes | str, said: str
) -> None:
    """Status 2 at the end, also beside findings; the file stays as it is, with --fix too."""
    make_tree(tmp_path, {name: content, "spam.txt": spammed(2)})
    before = (tmp_path / name).read_bytes()
    ran = run("check", name, "spam.txt")
    assert (ran.status, "spam.txt:11:1: spam-adult" in ran.out) == (2, True)
    assert f"newsfilter: {name}:" in ran.err
    assert said in ran.err
    assert run("check", "--fix", "--records", "records", name, "spam.txt").status == 2
    assert (tmp_path / name).read_bytes() == before
    assert FOOTER not in (tmp_path / "spam.txt").read_text(encoding="utf-8")


def test_missing_and_unreadable_files_are_named(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(tmp_path, {"spam.txt": spammed(2), "closed.txt": article(1)})
    os.mkfifo(tmp_path / "pipe.txt")
    opened = os.open

    def refusing(path: str, *arguments: int, **options: int) -> int:
        if str(path).endswith("closed.txt"):  # root may read everything, so permissions do not show this
            raise PermissionError(13, "Permission denied", path)
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refusing)
    ran = run("check", "gone.txt", "closed.txt", "pipe.txt", "spam.txt")
    assert ran.status == 2
    assert "gone.txt: does not exist; give files or folders" in ran.err
    assert "closed.txt: the file cannot be opened or read, such as for want of permission (Permission denied)" in ran.err
    assert "pipe.txt: is no regular file" in ran.err
    assert "spam.txt:11:1: spam-adult" in ran.out


def test_folders_are_walked_for_what_looks_like_a_document(run: Run, tmp_path: Path) -> None:
    make_tree(
        tmp_path / "repo",
        {"a/x.txt": spammed(1), "b.jsonl": json.dumps({"text": article(1)}), "code.py": "print(1)\n", "logo.png": b"\x89PNG\r\n\x1a\n", ".venv/x.txt": spammed(2), ".git/x.txt": spammed(2)},
    )  # fmt: skip
    ran = run("check", "repo", "repo/a/x.txt")
    assert [line.partition(":")[0] for line in lines(ran)] == ["repo/a/x.txt"]
    assert ran.err == "newsfilter: 1 finding in 1 of 2 files; not looked at: 1 hidden, 1 housekeeping, 2 other\n"


def test_no_link_is_followed(run: Run, tmp_path: Path) -> None:
    """Neither out of a folder nor as a FILE: a commit can hold links to anywhere."""
    make_tree(tmp_path / "outside", {"secret.txt": spammed(1)})
    make_tree(tmp_path / "repo", {"a.txt": article(1)})
    (tmp_path / "repo/inside.txt").symlink_to("a.txt")
    (tmp_path / "repo/link.txt").symlink_to(tmp_path / "outside/secret.txt")
    (tmp_path / "repo/folder").symlink_to(tmp_path / "outside")
    (tmp_path / "folder").symlink_to(tmp_path / "outside")
    ran = run("check", "repo")
    assert ran == (0, "", "newsfilter: 0 findings in 0 of 1 file; not looked at: 3 symlink\n")
    ran = run("check", "repo/link.txt", "folder")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.count("is a symbolic link, and check follows none") == 2


@pytest.mark.parametrize("source", ["https://news.example/a.txt", "memory://a.txt", "file:///etc/passwd", "-"])
def test_no_network_is_opened(run: Run, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a connection"))
    assert run("check", source).status == 2


def test_no_code_is_loaded_from_the_checked_folder(tmp_path: Path) -> None:
    """Neither as `python -m newsfilter` nor in the child; what Python itself imports before it looks for newsfilter is out of our hands."""
    started = subprocess.run(  # what an interpreter with -m has loaded before any module of ours
        [sys.executable, "-m", "probe"], cwd=make_tree(tmp_path / "p", {"probe.py": "import sys; print(*sys.modules)"}), capture_output=True, text=True, check=True
    )  # fmt: skip
    early = {name.partition(".")[0] for name in started.stdout.split()} | {
        "importlib",
        "warnings",
        "contextlib",
        "collections",
        "keyword",
        "operator",
        "reprlib",
        "functools",
        "types",
    }
    names = (sys.stdlib_module_names | {"numpy", "lxml", "sklearn", "trafilatura", "webencodings", "pyarrow", "ftfy", "joblib"}) - early
    evil = {f"{name}.py": f"import os\nos.write(2, b'EVIL {name}')\n" for name in names if not name.startswith("_")}
    make_tree(tmp_path, {**evil, "a.txt": spammed(1), "a.html": page(2).replace("</article>", f"<p>{FOOTER}</p></article>")})
    assert len(evil) > 100
    process = command("check", "a.txt", "a.html", cwd=tmp_path)
    out, err = process.communicate(timeout=120)
    assert "EVIL" not in out + err
    assert (process.returncode, out.count("spam-adult")) == (1, 2)


HOSTILE = [
    "::set-output name=token::stolen",
    "  ::add-mask::x",
    "##[set-env name=PATH]x",
    "##vso[task.setvariable variable=a]b",
    "\x1b]0;owned\x07",
    "a\u202egnp.exe\u2066",
    "line\n::error::x",
    "\x9b31m",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("form", ["text", "json", "sarif"])
def test_nothing_scraped_is_obeyed(run: Run, tmp_path: Path, text: str, form: str) -> None:
    """In excerpts, paths, fields and messages: no control or bidi character, and no line that a runner takes for a command."""
    make_tree(
        tmp_path,
        {
            f"{text}.txt": f"{article(1)}\n{text} {FOOTER}\n",
            f"{text}.jsonl": json.dumps({text: f"{article(1)}\n{text} {FOOTER}\n"}) + "\n[1]\n",
        },
    )
    ran = run("check", f"{text}.txt", f"{text}.jsonl", "--text-field", text, "--format", form)
    assert ran.status == 2
    assert "spam-adult" in ran.out
    for shown in (ran.out, ran.err):
        assert not set(shown) & set("\x1b\x07\x9b\r\u202e\u2066")
        assert not re.search(r"^\s*::|##\w*\[", shown, re.MULTILINE)
    if form != "text":  # nor where a viewer undoes what JSON escapes
        assert not [value for value in strings(json.loads(ran.out)) if set(value) & set("\x1b\x07\x9b\r\n\u202e\u2066")]


def strings(value: Any) -> Iterator[str]:
    """All strings in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from strings(one)


def test_paths_and_texts_are_made_safe() -> None:
    assert safe_path("::set-output.txt", visible) == "./::set-output.txt"
    assert safe_path("a/::b.txt", visible) == "a/::b.txt"
    assert safe_path(" a.txt", visible) == "./ a.txt"
    assert safe("##vso[a]##[b]### [c]", visible) == "#\\x23vso[a]#\\x23[b]### [c]"


def test_json_has_every_finding_and_problem(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path, {"köy.txt": spammed(1), "b.jsonl": f"{json.dumps({'text': spammed(2)})}\n[]\n"})
    ran = run("check", "köy.txt", "b.jsonl", "--format", "json", "--quiet")
    content = json.loads(ran.out)
    assert content["files"] == 2
    first, second = content["findings"]
    assert (first["path"], first["uri"], first["line"], first["end_line"], first["row"]) == ("köy.txt", "k%C3%B6y.txt", 11, 11, None)
    assert first["end_column"] - first["column"] == len(FOOTER)
    assert first["excerpt"] == FOOTER
    assert (second["line"], second["row"], second["field"], second["end_line"]) == (1, 1, "text", None)
    assert first["sha256"] == second["sha256"] == hashlib.sha256(FOOTER.replace("ı", "i").encode()).hexdigest()
    assert content["problems"] == [{"path": "b.jsonl", "line": 2, "message": "the line is JSON, but no object"}]


def test_the_check_table_says_what_to_look_for(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path, {"a.txt": f"{article(1)}\nLeave a comment\n\n{FOOTER}\n"})
    (tmp_path / "newsfilter.toml").write_text('min_words = 20\n[check]\nselect = ["comment"]\nmin_probability = 0.1\n')
    assert [line.split()[1] for line in lines(run("check", "a.txt"))] == ["comment"]
    assert [line.split()[1] for line in lines(run("check", "a.txt", "--select", "spam"))] == ["spam-adult"]
    (tmp_path / "newsfilter.toml").write_text('[check]\nignore = ["spam"]\n')
    assert "spam" not in run("check", "a.txt").out
    (tmp_path / "newsfilter.toml").unlink()
    (tmp_path / "pyproject.toml").write_text('[tool.newsfilter.check]\nselect = ["spam"]\n')
    assert [line.split()[1] for line in lines(run("check", "a.txt"))] == ["spam-adult"]


def test_other_commands_leave_the_check_table_alone(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path, {"a.txt": article(1)})
    (tmp_path / "newsfilter.toml").write_text('min_words = 20\n[check]\nselect = ["comment"]\n')
    assert run("explain", "a.txt").status == 0


TABLES = [
    ("select = 'spam'", "takes a list of strings"),
    ("selct = []", "did you mean 'select'?"),
    ("select = ['spma']", "did you mean 'spam'?"),
    ("min-probability = true", "takes a number"),
    ("min-probability = 3", "no probability"),
    ("baseline = '../outside.json'", "leads out of the folder"),
    ("model = '/etc'", "leads out of the folder"),
    ("model = 3", "takes a path"),
]


@pytest.mark.parametrize(("table", "said"), TABLES)
def test_a_wrong_check_table_is_an_error(run: Run, tmp_path: Path, table: str, said: str) -> None:
    make_tree(tmp_path, {"a.txt": article(1)})
    (tmp_path / "newsfilter.toml").write_text(f"[check]\n{table}\n")
    ran = run("check", "a.txt")
    assert (ran.status, ran.out, said in ran.err) == (2, "", True), ran.err


def test_the_check_table_must_be_a_table(run: Run, tmp_path: Path) -> None:
    (tmp_path / "newsfilter.toml").write_text("check = 3\n")
    assert run("check", "a.txt").err.endswith("[check] is no table but 3; make it one\n")


def test_a_model_of_the_checked_repository_is_used_only_if_its_digest_is_named(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path, {"a.txt": spammed(1)})
    shutil.copytree(shipped_model_folder(), tmp_path / "mine")
    (tmp_path / "newsfilter.toml").write_text('[check]\nmodel = "mine"\n')
    digest = hashlib.sha256((tmp_path / "mine/model.npz").read_bytes()).hexdigest()
    ran = run("check", "a.txt")
    assert (ran.status, ran.out, f"--trust-model {digest}" in ran.err) == (2, "", True)
    assert run("check", "a.txt", "--trust-model", "0" * 64).status == 2
    assert run("check", "a.txt", "--trust-model", "xyz").status == 2
    assert run("check", "a.txt", "--trust-model", digest).status == 1
    assert run("check", "a.txt", "--model", "shipped").status == 1
    assert run("check", "a.txt", "--model", "shipped", "--trust-model", "0" * 64).status == 2
    assert run("check", "a.txt", "--model", "gone").status == 2


def test_a_model_that_does_not_load_is_status_2(run: Run, tmp_path: Path) -> None:
    """Not 1, which would say that something was found."""
    make_tree(tmp_path, {"a.txt": spammed(1), "broken/model.npz": b"PK", "broken/manifest.json": "{}"})
    assert run("check", "a.txt", "--model", "broken").status == 2


def test_the_shipped_model_is_the_one_that_other_commands_use() -> None:
    assert shipped_model() == shipped_model_folder()


@pytest.mark.parametrize(
    "arguments",
    [
        ["check"],
        ["check", "a.txt", "--fix"],
        ["check", "a.txt", "--records", "r"],
        ["check", "a.txt", "--fix", "--records", "r", "--write-baseline", "b.json"],
        ["check", "a.txt", "--format", "xml"],
        ["check", "a.txt", "--fixx"],
    ],
)
def test_wrong_usage_is_status_2(run: Run, tmp_path: Path, arguments: list[str]) -> None:
    make_tree(tmp_path, {"a.txt": spammed(1)})
    assert run(*arguments).status == 2
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == spammed(1)


@pytest.mark.slow
def test_twenty_files_take_less_than_four_seconds_of_processor_time_from_cold(tmp_path: Path) -> None:
    """What a commit's hook costs, its child included, which the command has waited for."""
    make_tree(tmp_path, {f"{number}.txt": spammed(number) for number in range(20)})
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = command("check", *[f"{number}.txt" for number in range(20)], cwd=tmp_path)
    out, _ = process.communicate(timeout=120)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (process.returncode, out.count("spam-adult")) == (1, 20)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 4


@pytest.mark.slow
def test_checking_loads_nothing_heavy_beside_the_child(tmp_path: Path) -> None:
    """The process that reads files and prints findings holds neither scikit-learn nor trafilatura nor NumPy; lxml only for HTML with findings."""
    make_tree(tmp_path, {"a.txt": spammed(1), "a.html": page(1), "newsfilter.toml": ""})
    code = "import sys; from newsfilter.cli import main; main(sys.argv[1:]); print(*{name.partition('.')[0] for name in sys.modules})"
    ran = subprocess.run([sys.executable, "-c", code, "check", "a.txt", "a.html"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True)  # fmt: skip
    assert (
        set(ran.stdout.splitlines()[-1].split()) & {"numpy", "sklearn", "scipy", "lxml", "trafilatura", "langdetect", "ftfy", "joblib"}
        == set()
    )
