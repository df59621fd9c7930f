import io
import json
import os
import pty
import re
import subprocess
import sys
import time
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import pytest
from conftest import ROOT, Ran, article, command, ledger, make_tree, page, run_file

from newsfilter.cli import main
from newsfilter.options import max_failed, parse, settings_of
from newsfilter.provenance import restore
from newsfilter.settings import Settings
from newsfilter.terminal import Progress, columns, shortened, visible, wants_colour

pytestmark = pytest.mark.usefixtures("workplace")  # a folder of the test's own, with no settings file above it

Run = Callable[..., Ran]
HEAVY = ("numpy", "sklearn", "scipy", "trafilatura", "lxml", "joblib", "tqdm", "langdetect", "ftfy")


def test_help_imports_nothing_heavy() -> None:
    """What a user sees in a tenth of a second must not wait for a model."""
    code = f"import sys; from newsfilter.cli import main; main(['clean', '--help']); sys.exit(' '.join(name for name in {HEAVY!r} if name in sys.modules) or 0)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_help_is_there_in_a_third_of_a_second() -> None:
    """The best of five, because other tests run beside."""
    code = "import resource, subprocess, sys; subprocess.run([sys.executable, '-m', 'newsfilter', '--help'], check=True, stdout=subprocess.DEVNULL); "
    code += "used = resource.getrusage(resource.RUSAGE_CHILDREN); print(used.ru_utime + used.ru_stime)"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    times = [
        float(subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout) for _ in range(5)
    ]
    assert min(times) < 0.3


def test_the_help_names_every_option_and_setting(run: Run) -> None:
    ran = run("clean", "--help")
    assert ran.status == 0
    for flag in (
        "--out",
        "--jobs",
        "--to",
        "--out-field",
        "--text-field",
        "--timeout",
        "--max-memory",
        "--shard",
        "--max-failed",
        "--resume",
        "--overwrite",
        "--quiet",
        "--json",
        "--config",
        "--model",
    ):
        assert flag in ran.out
    for setting in fields(Settings):
        assert f"--{setting.name.replace('_', '-')} " in ran.out + " "


def test_the_version_is_printed(run: Run) -> None:
    ran = run("--version")
    assert ran.status == 0
    assert re.fullmatch(r"newsfilter \d+\.\d+\S*\n", ran.out)


USAGE_ERRORS = [
    ([], ""),
    (["claen", "x", "-o", "out"], "did you mean clean?"),
    (["--jobs", "2"], "no command"),
    (["clean", "crawl", "-o", "out", "--min-wrods", "3"], "did you mean --min-words?"),
    (["clean", "crawl", "-o", "out", "--jbos=3"], "did you mean --jobs?"),
    (["clean", "crawl", "-o", "out", "--over"], "--over"),  # no abbreviations
    (["clean", "crawl"], "-o/--out"),
    (["clean", "-o", "out"], "SRC"),
    (["clean", "crawl", "-o", "out", "--jobs", "-1"], "--jobs"),
    (["clean", "crawl", "-o", "out", "--timeout", "0"], "no number of seconds"),
    (["clean", "crawl", "-o", "out", "--max-memory", "20"], "whole number from 300 up"),
    (["clean", "crawl", "-o", "out", "--shard", "3/2"], "no slice"),
    (["clean", "crawl", "-o", "out", "--to", "xml"], "--to"),
    (["clean", "crawl", "-o", "memory://test-cli/out"], "takes no --to files"),
    (["clean", "crawl", "-o", "out", "--min-words", "many"], "'many' is no whole number"),
    (["clean", "crawl", "-o", "out", "--min-words", "-1"], "negative"),
    (["clean", "crawl", "-o", "out", "--max-spam", "2"], "no share"),
    (["clean", "crawl", "-o", "out", "--keep", "captoin"], "did you mean 'caption'?"),
    (["clean", "crawl", "-o", "out", "--max-failed", "2%%"], "count nor a share"),
    (["clean", "crawl", "-o", "out", "--max-failed", "120%"], "count nor a share"),
    (["clean", "crawl", "-o", "out", "--resume", "--overwrite"], "not allowed with"),
    (["clean", "crawl", "nowhere", "-o", "out"], "nowhere: does not exist"),
    (["clean", "crawl", "-o", "crawl/out"], "inside SRC"),
    (["clean", "crawl", "-o", "crawl/a/one.html"], "inside SRC"),
    (["clean", "crawl", "-o", "newsfilter.toml"], "not a folder"),
    (["clean", "crawl", "-o", "out", "--config", "nowhere.toml"], "nowhere.toml: cannot be read"),
    (["clean", "crawl", "-o", "out", "--model", "nowhere"], "nowhere"),
    (["explain"], "FILE"),
    (["explain", "crawl"], "takes one file"),
    (["explain", "nowhere.html"], "does not exist"),
    (["explain", "crawl/a/one.html", "crawl/a/two.txt"], "takes one file"),
    (["explain", "crawl/b/logo.html"], "no document (image)"),
    (["tarin", "crawl"], "did you mean train?"),
    (["train", "labels.jsonl"], "-o/--out"),
    (["train", "-o", "model"], "LABELS"),
    (["train", "labels.jsonl", "-o", "model", "--bsae", "shipped"], "did you mean --base?"),
    (["train", "labels.jsonl", "-o", "model", "--map", "spam"], "'spam' is no renaming; give OLD=NEW"),
    (["train", "labels.jsonl", "-o", "model", "--map", "=spam-other"], "no renaming"),
    (["train", "labels.jsonl", "-o", "model", "--map", "a=body", "--map", "a=notice"], "'a' is to be 'body' and 'notice'"),
    (["train", "labels.jsonl", "-o", "model", "--seed", "-1"], "--seed"),
    (["evaluate"], "LABELS"),
    (["evaluate", "labels.jsonl", "--agianst", "shipped"], "did you mean --against?"),
    (["evaluate", "labels.jsonl", "--model", "nowhere"], "nowhere: does not exist; give --model the folder"),
    (["sample"], "OUT"),
    (["sample", "crawl", "more"], "sample takes one folder, not also more"),
    (["sample", "crawl", "--uncertian", "3"], "did you mean --uncertain?"),
    (["sample", "crawl", "--uncertain", "0"], "--uncertain"),
    (["sample", "crawl"], "holds no records"),
    (["sample", "nowhere"], "nowhere: no folder"),
    (["sample", "crawl", "-o", "labels.csv"], "does not end in .jsonl"),
]


@pytest.mark.usefixtures("dump")
@pytest.mark.parametrize(("arguments", "message"), USAGE_ERRORS, ids=[" ".join(arguments) or "nothing" for arguments, _ in USAGE_ERRORS])
def test_wrong_usage_is_status_2_with_a_message_and_writes_nothing(run: Run, tmp_path: Path, arguments: list[str], message: str) -> None:
    before = set(tmp_path.rglob("*"))
    ran = run(*arguments)
    assert ran.status == 2
    assert message in ran.err
    assert "Traceback" not in ran.err
    assert set(tmp_path.rglob("*")) == before


def test_sources_may_stand_on_both_sides_of_an_option() -> None:
    assert parse(["clean", "a", "-o", "out", "b", "-"]).sources == ["a", "b", "-"]


@pytest.mark.parametrize("command_name", ["train", "evaluate"])
def test_labels_may_stand_on_both_sides_of_an_option(command_name: str) -> None:
    known = parse([command_name, "a.jsonl", "--seed", "2", "b.csv", "c", *(["-o", "out"] if command_name == "train" else [])])
    assert known.labels == [Path("a.jsonl"), Path("b.csv"), Path("c")]


def test_labels_can_be_renamed_more_than_once() -> None:
    """The last = parts old and new, since new labels have none."""
    known = parse(["evaluate", "a.jsonl", "--map", "spam=spam-other", "--map", "x=y = notice", "--map", "spam=spam-other"])
    assert known.mapping == {"spam": "spam-other", "x=y": "notice"}
    assert parse(["evaluate", "a.jsonl"]).mapping == {}


@pytest.mark.parametrize("command_name", ["train", "evaluate", "sample"])
def test_the_help_of_what_needs_scikit_learn_waits_for_nothing(command_name: str) -> None:
    code = f"import sys; from newsfilter.cli import main; main([{command_name!r}, '--help']); sys.exit(' '.join(name for name in {HEAVY!r} if name in sys.modules) or 0)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@dataclass(frozen=True)
class Order:
    """Stands for `TrainOrder`."""

    labels: tuple[Path, ...]
    out: Path
    base: str | None
    mapping: Mapping[str, str]
    name: str | None
    seed: int
    overwrite: bool


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> list[Order]:
    """The orders that a training in place of the real one was given; it says one line and returns a card of two."""
    given: list[Order] = []

    def train(order: Order, say: Callable[[str], None]) -> str:
        given.append(order)
        say("fitting \x1b[31m")
        return "card\nmodel \x1b[31m"

    module = types.ModuleType("newsfilter.training.train")
    module.__dict__.update(TrainOrder=Order, train=train)
    monkeypatch.setitem(sys.modules, "newsfilter.training.train", module)
    return given


def test_train_is_given_what_the_command_line_says(run: Run, orders: list[Order]) -> None:
    """Progress goes to standard error, the card to standard output, neither with what could steer a terminal."""
    arguments = ["a.jsonl", "-o", "model", "--base", "shipped", "--map", "spam=spam-other", "--name", "mine", "--seed", "7", "--overwrite"]
    assert run("train", *arguments, "b.csv") == (0, "card\nmodel \\x1b[31m\n", "newsfilter: fitting \\x1b[31m\n")
    assert run("train", "a.jsonl", "-o", "model", "--quiet") == (0, "", "")
    assert orders == [
        Order((Path("a.jsonl"), Path("b.csv")), Path("model"), "shipped", {"spam": "spam-other"}, "mine", 7, True),
        Order((Path("a.jsonl"),), Path("model"), None, {}, None, 1, False),
    ]


def test_a_source_whose_name_begins_with_a_dash_stands_behind_two() -> None:
    assert parse(["clean", "-o", "out", "--", "-a.html"]).sources == ["-a.html"]


def test_every_setting_is_an_option() -> None:
    """The value that the command line gives is the one that holds."""
    values = {
        "keep": ("caption", "byline"), "lang": ("tr", "en"), "min_words": 3, "max_removed": 0.25, "max_spam": 0.125, "max_uncertain": 0.75,
        "max_bytes": 1000, "repair": False, "date_search": True, "language": True,
    }  # fmt: skip
    assert values.keys() == {setting.name for setting in fields(Settings)}
    arguments = ["clean", "a", "-o", "out"]
    for name, value in values.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            arguments.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            arguments += [f"--{flag}", ",".join(value) if isinstance(value, tuple) else str(value)]
    assert settings_of(parse(arguments)) == Settings(**values)  # type: ignore[arg-type]


def test_a_language_that_nobody_asks_for_is_not_told(run: Run, dump: Path, tmp_path: Path) -> None:
    run("clean", dump, "-o", "told")
    run("clean", dump, "-o", "out", "--no-language")
    assert {line["language"] for line in ledger(tmp_path / "out")} == {"unknown"}
    record = json.loads((tmp_path / "out/a/one.provenance.json").read_text(encoding="utf-8"))
    assert record["language"] == {"code": "unknown", "probability": 0.0, "by": "off"}
    assert (tmp_path / "out/a/one.txt").read_bytes() == (tmp_path / "told/a/one.txt").read_bytes()


def test_options_win_over_the_settings_file(tmp_path: Path) -> None:
    (tmp_path / "newsfilter.toml").write_text("min-words = 5\nmax_spam = 0.1\n")
    settings = settings_of(parse(["clean", "a", "-o", "out", "--min-words", "6"]))
    assert (settings.min_words, settings.max_spam) == (6, 0.1)


def test_a_named_settings_file_wins_over_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "newsfilter.toml").write_text("min_words = 5\n")
    (tmp_path / "other.toml").write_text("max_spam = 0.1\n")
    settings = settings_of(parse(["clean", "a", "-o", "out", "--config", "other.toml"]))
    assert (settings.min_words, settings.max_spam) == (Settings().min_words, 0.1)


def test_an_unknown_key_in_the_settings_file_names_the_nearest(run: Run, dump: Path, tmp_path: Path) -> None:
    (tmp_path / "newsfilter.toml").write_text("min_wrods = 5\n")
    ran = run("clean", dump, "-o", "out")
    assert (ran.status, "'min_words'" in ran.err, "newsfilter.toml" in ran.err) == (2, True, True)


FAILURES = [
    ([], 1),
    (["--max-failed", "1"], 1),
    (["--max-failed", "2"], 0),
    (["--max-failed", "20%"], 1),
    (["--max-failed", "0.5"], 0),
    (["--max-failed", "1.0"], 0),
]


@pytest.mark.parametrize(("arguments", "status"), FAILURES)
def test_more_failed_documents_than_allowed_are_status_1_each_named_with_its_reason(
    run: Run, tmp_path: Path, arguments: list[str], status: int
) -> None:
    make_tree(tmp_path / "crawl", {"a.txt": article(1), "b.txt": article(2), "x.gz": b"\x1f\x8b\x08\0", "y\x1b[2J.gz": b"\x1f\x8b\x08\0"})
    ran = run("clean", "crawl", "-o", "out", *arguments)
    assert ran.status == status
    assert ("failed: x.gz: truncated-gzip" in ran.err) is bool(status)
    assert ("failed: y\\x1b[2J.gz: truncated-gzip" in ran.err) is bool(status)
    assert "\x1b" not in ran.err + ran.out
    assert run_file(tmp_path / "out")["counts"] == {"documents": 4, "accepted": 2, "review": 0, "rejected": 0, "failed": 2, "skipped": 0}


@pytest.mark.parametrize(
    ("text", "limit"), [("0", (0, None)), ("12", (12, None)), ("1%", (None, 0.01)), ("0.5", (None, 0.5)), ("1.0", (None, 1.0))]
)
def test_the_limit_of_failures_is_a_count_or_a_share(text: str, limit: tuple[int | None, float | None]) -> None:
    assert max_failed(text) == limit


def test_the_summary_says_what_became_of_all(run: Run, dump: Path) -> None:
    ran = run("clean", dump, "-o", "out")
    assert re.search(r"^documents +5$", ran.out, re.MULTILINE)
    assert re.search(r"^ +accepted +4 +80 %$", ran.out, re.MULTILINE)
    assert re.search(r"^ +rejected +1 +20 %$", ran.out, re.MULTILINE)
    assert re.search(r"^skipped +1 +image 1$", ran.out, re.MULTILINE)
    assert "empty 1" in ran.out
    assert "slowest" in ran.out
    assert "characters kept" in ran.out
    assert ran.err == ""


def test_a_scraped_name_never_reaches_the_terminal_as_it_is(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path / "crawl", {"evil\x1b]0;owned\x07\u202e\n.txt": article(1)})
    ran = run("clean", "crawl", "-o", "out")
    assert "evil\\x1b]0;owned\\x07\\u202e\\x0a.txt" in ran.out
    assert not set(ran.out) & set("\x1b\x07\u202e")


def test_quiet_prints_nothing(run: Run, dump: Path) -> None:
    assert run("clean", dump, "-o", "out", "--quiet") == (0, "", "")


@pytest.mark.parametrize("quiet", [[], ["--quiet"]])
def test_json_prints_the_run_file(run: Run, dump: Path, tmp_path: Path, quiet: list[str]) -> None:
    ran = run("clean", dump, "-o", "out", "--json", *quiet)
    assert json.loads(ran.out) == run_file(tmp_path / "out")


def test_an_empty_folder_is_a_run_of_no_documents(run: Run, tmp_path: Path) -> None:
    (tmp_path / "crawl").mkdir()
    ran = run("clean", "crawl", "-o", "out")
    assert (ran.status, "no documents were found" in ran.out, ledger(tmp_path / "out")) == (0, True, [])


def test_standard_input_is_one_document(tmp_path: Path) -> None:
    process = command("clean", "-", "-o", "out", "--quiet", cwd=tmp_path, stdin=subprocess.PIPE)
    assert process.communicate(page(1), timeout=60) == ("", "")
    assert process.returncode == 0
    assert [line["uri"] for line in ledger(tmp_path / "out")] == ["stdin"]
    assert (tmp_path / "out/stdin.txt").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [["clean", "crawl", "-o", "out", "--json"], ["explain", "crawl/a/one.html"], ["explain", "crawl/a/one.html", "--json"]]
)
def test_a_reader_who_leaves_early_gets_no_traceback(dump: Path, tmp_path: Path, arguments: list[str]) -> None:
    process = command(*arguments, cwd=tmp_path)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait(60) == 0
    process.stderr.close()
    assert dump.exists()


def test_explain_shows_each_block_with_what_was_decided(run: Run, dump: Path) -> None:
    ran = run("explain", dump / "a/one.html")
    assert ran.status == 0
    lines = ran.out.splitlines()
    assert any(line.startswith("verdict") and "accept" in line for line in lines)
    assert any(line.startswith("title") and "Ferry number 1" in line for line in lines)
    assert sum(bool(re.match(r"\+ +\d+  body \d\.\d\d  kept by ", line)) for line in lines) >= 4
    assert any("In week 10 it was so." in line for line in lines)
    assert "\x1b" not in ran.out


def test_explain_prints_the_record_and_the_body_as_json(run: Run, dump: Path, tmp_path: Path) -> None:
    """The same as a run would write, but for more evidence, which keeps furniture from being merged."""
    content = json.loads(run("explain", "crawl/a/one.html", "--json").out)
    run("clean", "crawl/a/one.html", "-o", "out")
    written = json.loads((tmp_path / "out/one.provenance.json").read_text(encoding="utf-8"))
    assert list(content["record"]) == list(written)
    assert {key: value for key, value in content["record"].items() if key != "blocks"} == {
        key: value for key, value in written.items() if key != "blocks"
    }
    assert restore(content["record"], content["body"]) == restore(written, content["body"])
    assert content["body"] == (tmp_path / "out/one.txt").read_text(encoding="utf-8")
    assert dump.exists()


def test_explain_shows_what_a_page_hides_and_obeys_none_of_it(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path, {"evil.txt": article(1).replace("council", "coun\x9bcil\u202e")})
    ran = run("explain", "evil.txt")
    assert not set(ran.out) & set("\x1b\x9b\u202e")


@pytest.mark.parametrize(("data", "limit", "code"), [(b"", "1000", "empty"), (b"x" * 2000, "1000", "too-large")])
def test_explain_tells_why_a_document_was_rejected(run: Run, tmp_path: Path, data: bytes, limit: str, code: str) -> None:
    make_tree(tmp_path, {"a.txt": data})
    ran = run("explain", "a.txt", "--max-bytes", limit)
    assert ran.status == 0
    assert re.search(rf"^verdict +reject: {code}", ran.out, re.MULTILINE)


def at_a_terminal(*arguments: str, **environment: str) -> str:
    """What a command shows on a terminal 60 columns wide."""
    ours, theirs = pty.openpty()
    env = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | {
        "PYTHONPATH": str(ROOT),
        "TERM": "xterm",
        "COLUMNS": "60",
        **environment,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "newsfilter", *arguments], env=env, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:
        pass  # how Linux says that the other end was closed
    os.close(ours)
    assert process.wait(60) == 0
    return shown.decode()


@pytest.mark.slow
def test_explain_colours_at_a_terminal_within_its_width(dump: Path) -> None:
    shown = at_a_terminal("explain", str(dump / "a/one.html"))
    assert "\x1b[32m" in shown
    plain = re.sub(r"\x1b\[\d+m", "", shown)
    assert "\x1b" not in plain
    assert all(columns(line) <= 60 for line in plain.splitlines())
    assert "…" in plain


@pytest.mark.slow
@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_explain_leaves_colour_out_where_the_user_wants_none(dump: Path, environment: dict[str, str]) -> None:
    assert "\x1b[32m" not in at_a_terminal("explain", str(dump / "a/one.html"), **environment)


@pytest.mark.slow
def test_json_at_a_terminal_is_plain_ascii(tmp_path: Path) -> None:
    """JSON escapes nothing above U+001F by itself, and terminals obey U+009B."""
    make_tree(tmp_path / "crawl", {"evil\u009b31m.txt": article(1)})
    shown = at_a_terminal("clean", "crawl", "-o", "out", "--json", "--quiet")
    assert shown.isascii()
    assert "evil\\u009b31m.txt" in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain İstanbul ağ", "plain İstanbul ağ"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x9b\x7f", "\\x9b\\x7f"),
        ("a\nb\r\t", "a\\x0ab\\x0d\\x09"),
        ("\u202e\u2066\u200b\ufeff\u2028", "\\u202e\\u2066\\u200b\\ufeff\\u2028"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("می\u200cخواهم", "می\u200cخواهم"),
    ],
)
def test_control_and_bidi_characters_are_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("text", "width", "cut"),
    [
        ("haber", 5, "haber"),
        ("haberler", 5, "habe…"),
        ("日本語", 6, "日本語"),
        ("日本語", 5, "日本…"),
        ("e\u0301e\u0301e", 3, "e\u0301e\u0301e"),
    ],
)
def test_text_is_cut_to_columns_not_characters(text: str, width: int, cut: str) -> None:
    assert shortened(text, width) == cut
    assert columns(cut) <= width


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_without_a_terminal_progress_is_a_line_every_thirty_seconds() -> None:
    now, stream = [0.0], io.StringIO()
    progress = Progress(stream, clock=lambda: now[0])
    for second in range(100):
        now[0] = float(second)
        progress(100 + second, 300)
    progress.close()
    assert stream.getvalue().splitlines() == [
        "newsfilter: 130 of 300 documents (43 %), 1.0 a second, about 3 min left",
        "newsfilter: 160 of 300 documents (53 %), 1.0 a second, about 2 min left",
        "newsfilter: 190 of 300 documents (63 %), 1.0 a second, about 2 min left",
    ]


def test_progress_without_a_known_end_promises_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of files that hold many documents nobody knows how many: a share of the bytes where that is known, and no time left."""
    now, stream = [0.0], io.StringIO()
    progress = Progress(stream, clock=lambda: now[0])
    for second in range(100):
        now[0] = float(second)
        progress(100 + 20 * second, 0, None if second < 40 else second / 100)
    progress.close()
    assert stream.getvalue().splitlines() == [
        "newsfilter: 700 documents, 20.0 a second",
        "newsfilter: 1,300 documents (60 % of the input), 20.0 a second",
        "newsfilter: 1,900 documents (90 % of the input), 20.0 a second",
    ]
    monkeypatch.setattr("newsfilter.terminal.BAR_SECONDS", 0)
    terminal = Terminal()
    progress = Progress(terminal)
    for done in range(0, 500, 100):
        progress(done, 0, done / 1000)
        time.sleep(0.12)  # tqdm draws ten times a second
    progress.close()
    assert "40 % of the input" in terminal.getvalue()
    assert (re.search(r"[0-9]/[0-9]|\|", terminal.getvalue()), "<" in terminal.getvalue()) == (
        None,
        False,
    )  # no bar of a total, no time left


def test_a_short_run_shows_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    progress = Progress(stream)
    for done in range(10):
        progress(done, 10)
    progress.close()
    assert stream.getvalue() == ""
    monkeypatch.setattr("newsfilter.terminal.BAR_SECONDS", 0)
    progress = Progress(stream)
    progress(5, 10)
    progress(6, 10)
    progress.close()
    assert "documents" in stream.getvalue()


def test_colour_is_for_terminals_whose_user_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert (wants_colour(Terminal()), wants_colour(io.StringIO())) == (True, False)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_colour(Terminal())


def test_no_arguments_print_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: newsfilter" in capsys.readouterr().out
