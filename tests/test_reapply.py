"""Another policy, applied to bodies and records alone, gives what cleaning with it gives."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Ran, article, files, ledger, make_tree, page, run_file

import newsfilter.audit.reapply as reapplying
from newsfilter.audit.reapply import Policy, another, policy_of
from newsfilter.audit.reapply_run import Order, _outcomes, reapply_run
from newsfilter.audit.reapply_shard import Job, Outcome
from newsfilter.cli import main
from newsfilter.document import Cleaner
from newsfilter.dumps.reading import read
from newsfilter.dumps.sources import list_sources
from newsfilter.errors import RecordError, SettingsError
from newsfilter.policy import conclude, keep_labels, with_thresholds
from newsfilter.provenance import encode_record, restore
from newsfilter.readback import read_back
from newsfilter.records import Article, Decision, Language, Source
from newsfilter.settings import Settings
from newsfilter.verdict import judge

Run = Callable[..., Ran]
FIXTURES = ROOT.parent / "fixtures/dump"
FORMATS = ("files", "jsonl", "jsonl.zst", "parquet")
POLICY = (
    "--keep",
    "caption,headline,teaser,navigation",
    "--min-words",
    "120",
    "--max-removed",
    "0.2",
    "--max-uncertain",
    "0.05",
    "--lang",
    "tr,en",
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs over all fixtures: in each format with default settings, and as files with another policy."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "newsfilter.toml").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for form in FORMATS:
            assert main(["clean", str(FIXTURES), "-o", form, "--to", form, "--quiet", "--jobs", "1", "--dedup"]) == 0
        assert main(["clean", str(FIXTURES), "-o", "wanted", "--quiet", "--jobs", "1", "--dedup", *POLICY]) == 0
        assert main(["clean", str(FIXTURES), "-o", "wanted-jsonl", "--to", "jsonl", "--quiet", "--jobs", "1", "--dedup", *POLICY]) == 0
    return folder


def everything(out: Path) -> dict[str, bytes]:
    """All that a run wrote, its markers too, but run.json."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file() and path.name != "run.json"
    }


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
def test_the_same_policy_gives_the_same_bytes(form: str, run: Run, runs: Path, tmp_path: Path) -> None:
    """Bodies, records, shards, ledger and markers; and run.json, apart from what took how long."""
    ran = run("reapply", runs / form, "-o", tmp_path / "again", "--jobs", "2")
    assert (ran.status, ran.err) == (0, "")
    assert "changed: 0 documents" in ran.out
    assert everything(tmp_path / "again") == everything(runs / form)
    before, after = run_file(runs / form), run_file(tmp_path / "again")
    for content in (before, after):
        for key in ("started", "finished", "seconds", "slowest", "restarts", "reapplied"):
            content.pop(key, None)
    assert before == after


@pytest.mark.slow
@pytest.mark.parametrize(("form", "wanted"), [("files", "wanted"), ("jsonl", "wanted-jsonl")])
def test_another_policy_gives_what_cleaning_with_it_gives(form: str, wanted: str, run: Run, runs: Path, tmp_path: Path) -> None:
    """All settings that are policy at once: bodies and ledger byte for byte; of records all but the XPaths of blocks that stood in merged entries."""
    assert run("reapply", runs / form, "-o", tmp_path / "out", *POLICY, "--jobs", "2", "--quiet").status == 0
    made, cleaned = everything(tmp_path / "out"), everything(runs / wanted)
    assert made.keys() == cleaned.keys()
    assert {Path(name).suffix for name in made if made[name] != cleaned[name]} <= {".json", ".jsonl"}
    assert [_without_digests(line) for line in ledger(tmp_path / "out")] == [_without_digests(line) for line in ledger(runs / wanted)]
    for name in made:
        if name.endswith(".txt"):
            assert made[name] == cleaned[name], name
        elif name.endswith(".provenance.json"):
            assert _comparable(made[name]) == _comparable(cleaned[name]), name
    assert run("verify", tmp_path / "out", "--no-sources", "--quiet").status == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "policy", [(), ("--keep", "caption"), ("--threshold", "spam=0.9"), ("--threshold", "teaser=0.97", "--keep", "byline")]
)
def test_what_a_policy_leaves_alone_need_not_be_taken_apart(
    policy: tuple[str, ...], run: Run, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shortcut is taken, and gives the same bytes as without."""
    taken: list[bool] = []
    stays = reapplying._stays

    def _noted(*arguments: Any) -> bool:
        taken.append(stays(*arguments))
        return taken[-1]

    monkeypatch.setattr(reapplying, "_stays", _noted)
    assert run("reapply", runs / "jsonl", "-o", tmp_path / "short", *policy, "--jobs", "1", "--quiet").status == 0
    assert any(taken)
    assert all(taken) == (not policy)
    monkeypatch.setattr(reapplying, "_stays", lambda *_: False)
    assert run("reapply", runs / "jsonl", "-o", tmp_path / "long", *policy, "--jobs", "1", "--quiet").status == 0
    assert everything(tmp_path / "short") == everything(tmp_path / "long")


def _without_digests(line: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key != "record_sha256"}


def _comparable(raw: bytes) -> dict[str, Any]:
    """A record without what only the page could say of blocks that stood in merged entries, and of removals that a policy undid."""
    record: dict[str, Any] = json.loads(raw)
    for entry in record["blocks"]:
        if entry["by"] == "policy":
            for key in ("xpath", "run", "probabilities"):
                entry.pop(key, None)
    return record


@pytest.mark.slow
def test_all_that_was_decided_can_be_read_back() -> None:
    """Of every fixture: the page's text, its decisions and its verdict, put together anew, are the record that was written."""
    cleaner, seen = Cleaner(), 0
    for entry in list_sources([str(FIXTURES)]).entries:
        source = read(entry, 0)
        if not isinstance(source, Source):
            continue
        (made,) = cleaner.clean_batch([source])
        assert isinstance(made, Article)
        record = json.loads(encode_record(made.record))
        text = restore(record, None if made.verdict.decision == "reject" else made.body)
        decided = read_back(record, text)
        verdict = judge(decided.page, decided.decisions, Language(**record["language"]), cleaner.settings, decided.kinds)
        concluded = conclude(decided.page, decided.decisions, verdict, repair=True)
        assert verdict == made.verdict, entry.uri
        assert concluded.body == made.body, entry.uri
        assert encode_record(record | concluded.as_record()) == encode_record(made.record), entry.uri
        assert [(d.start, d.end, d.block, d.label, d.kept, d.by) for d in decided.decisions] == [
            (d.start, d.end, d.block, d.label, d.kept, d.by) for d in made.decisions
        ], entry.uri
        seen += 1
    assert seen > 40


def decision(start: int, end: int, block: int, label: str, by: str = "model", **probabilities: float) -> Decision:
    named = {name.replace("_", "-"): p for name, p in probabilities.items()}
    return Decision(start, end, block, label, named, label == "body", by, () if label == "body" else ("word:x",))


@pytest.mark.parametrize(
    ("thresholds", "one", "label", "by"),
    [
        ({"spam": 0.9}, decision(0, 9, 0, "spam-adult", spam_adult=0.9, body=0.1), "spam-adult", "model"),  # reaches it
        ({"spam": 0.9}, decision(0, 9, 0, "spam-adult", spam_adult=0.89, body=0.1), "body", "policy"),
        ({"spam": 0.9}, decision(0, 9, 0, "spam-adult", spam_adult=0.6, spam_other=0.5, body=0.1), "body", "policy"),  # no other spam either
        ({"spam-adult": 0.9}, decision(0, 9, 0, "spam-adult", spam_adult=0.6, spam_other=0.5, body=0.1), "spam-other", "policy"),
        ({"spam": 0.9, "spam-adult": 0.5}, decision(0, 9, 0, "spam-adult", spam_adult=0.6, body=0.1), "spam-adult", "model"),  # its own counts
        ({"teaser": 0.8}, decision(0, 9, 0, "teaser", teaser=0.7, navigation=0.2, body=0.1), "navigation", "policy"),
        ({"teaser": 0.8}, decision(0, 9, 0, "teaser", teaser=0.7, navigation=0.1, body=0.2), "body", "policy"),
        ({"teaser": 0.8}, decision(0, 9, 0, "teaser", teaser=0.7), "body", "policy"),  # nothing else is known of it
        ({"teaser": 0.8, "navigation": 0.5}, decision(0, 9, 0, "teaser", teaser=0.7, navigation=0.3, body=0.1), "body", "policy"),
        ({"headline": 0.99}, decision(0, 9, 0, "headline", by="repeated-headline/1", headline=0.1, body=0.9), "headline", "repeated-headline/1"),
        ({"teaser": 0.8}, decision(0, 9, 0, "body", body=0.4, teaser=0.9), "body", "model"),  # a threshold never removes
        ({"notice": 0.8}, decision(0, 9, 0, "teaser", teaser=0.3, body=0.2), "teaser", "model"),  # another label's
    ],
)  # fmt: skip
def test_a_threshold_gives_back_what_is_less_likely_than_it(thresholds: dict[str, float], one: Decision, label: str, by: str) -> None:
    (new,) = with_thresholds([one], thresholds)
    assert (new.label, new.by, new.kept) == (label, by, label == "body")
    assert new.evidence == (one.evidence if new is one else ())


def test_merged_blocks_stay_whatever_the_threshold() -> None:
    """Each of them is certainly not body, and the record does not say what else it may be."""
    one = decision(0, 9, 4, "teaser", teaser=0.3)
    assert with_thresholds([one], {"teaser": 0.9}, certain={4}) == [one]


def test_spam_that_was_cut_out_goes_back_into_its_block() -> None:
    """The stretches on either side and it are one again; what reaches the threshold stays out."""
    parts = [
        decision(0, 20, 0, "body", body=0.9),
        decision(21, 30, 0, "spam-adult", spam_adult=0.6),
        decision(31, 40, 0, "body", body=0.9),
        decision(41, 50, 0, "spam-other", spam_other=0.95),
        decision(52, 60, 1, "body", body=0.8),
    ]
    found = with_thresholds(parts, {"spam": 0.9})
    assert [(d.start, d.end, d.block, d.label, d.kept, d.by) for d in found] == [
        (0, 40, 0, "body", True, "policy"),
        (41, 50, 0, "spam-other", False, "model"),
        (52, 60, 1, "body", True, "model"),
    ]
    assert found[0].probabilities == {"body": 0.9}


def test_what_a_policy_kept_is_removed_again() -> None:
    """Only the first headline is kept; what nobody wants any more goes."""
    before = keep_labels(
        [decision(0, 1, 0, "headline"), decision(2, 3, 1, "headline"), decision(4, 5, 2, "caption")], ("headline", "caption")
    )
    assert [(d.kept, d.by) for d in before] == [(True, "policy"), (False, "model"), (True, "policy")]
    assert [(d.kept, d.by) for d in keep_labels(before, ("caption",))] == [(False, "policy"), (False, "model"), (True, "policy")]


@pytest.fixture
def out(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small run as files, in the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "newsfilter.toml").touch()
    crawl: dict[str, bytes | str] = {"a.html": page(1), "b.txt": article(2), "empty.txt": b"", "cut.gz": b"\x1f\x8b\x08\0"}
    make_tree(tmp_path / "crawl", crawl)
    assert run("clean", "crawl", "-o", "out", "--quiet", "--jobs", "1", "--max-failed", "1").status == 0
    return tmp_path / "out"


@pytest.mark.slow
def test_thresholds_are_applied_and_can_be_applied_again(run: Run, runs: Path, tmp_path: Path) -> None:
    """Spam comes back, the language is told anew, records and run.json say so; the same once more changes nothing."""
    first, second = tmp_path / "first", tmp_path / "second"
    assert run("reapply", runs / "files", "-o", first, "--threshold", "spam=1", "--quiet", "--jobs", "1").status == 0
    assert run_file(first)["settings"]["threshold"] == {"spam": 1.0}
    entries = [entry for path in first.rglob("*.provenance.json") for entry in json.loads(path.read_bytes())["blocks"]]
    assert not [
        entry
        for entry in entries
        if entry["label"].startswith("spam-") and entry["by"] == "model" and entry["probabilities"][entry["label"]] < 1
    ]
    assert any(entry["by"] == "policy" and entry["kept"] for entry in entries)
    assert run("verify", first, "--no-sources", "--quiet").status == 0
    assert run("reapply", first, "-o", second, "--quiet", "--jobs", "1").status == 0
    assert everything(first) == everything(second)
    assert run("clean", FIXTURES, "-o", first, "--resume", "--quiet").status == 2  # it is no run that cleaning could go on with
    ran = run("restore", next(first.rglob("003_feribot-hediyesi.provenance.json")))
    assert ran.out.encode() == (FIXTURES / "metin/003_feribot-hediyesi.txt").read_bytes()


def test_neither_sources_nor_model_are_needed(out: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(out.parent / "crawl")
    monkeypatch.setattr("newsfilter.model_file.load_model", lambda *_: pytest.fail("the model was loaded"))
    assert run("reapply", "out", "-o", "other", "--min-words", "1000", "--quiet").status == 0
    assert run_file(out.parent / "other")["counts"]["review"] == 2
    assert {line["reason"] for line in ledger(out.parent / "other")} == {"too-short", "empty", "truncated-gzip"}


@pytest.mark.parametrize("form", ["files", "jsonl", "parquet"])
def test_what_cannot_be_judged_again_fails_and_is_named(form: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer record, a changed one and one without body: the others are done, all are accounted for, status 2."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "newsfilter.toml").touch()
    make_tree(tmp_path / "crawl", {f"{name}.txt": article(number) for number, name in enumerate("abcd")})
    assert run("clean", "crawl", "-o", "out", "--to", form, "--quiet", "--jobs", "1").status == 0
    spoil(tmp_path / "out", form)
    ran = run("reapply", "out", "-o", "other", "--min-words", "10", "--quiet", "--jobs", "1")
    assert ran.status == 2
    assert "newsfilter/provenance/7" in ran.err
    assert "the body has another sha256" in ran.err or "text" in ran.err
    lines = {line["uri"]: line for line in ledger(tmp_path / "other")}
    assert [lines[f"{name}.txt"]["status"] for name in "abcd"] == ["failed", "failed", "accepted", "accepted"]
    assert lines["a.txt"]["reason"] == "unusable-record"
    counts = run_file(tmp_path / "other")["counts"]
    assert (counts["documents"], counts["accepted"], counts["failed"]) == (4, 2, 2)
    assert run("verify", "other", "--quiet", "--no-sources").status == 0
    assert run("diff", "out", "other", "--quiet").status == 2


def spoil(out: Path, form: str) -> None:
    """Give the first document's record a newer schema, and the second's body another letter."""

    def newer(text: str) -> str:
        return text.replace("newsfilter/provenance/1", "newsfilter/provenance/7")

    def weaker(text: str) -> str:
        return text.replace("week 10", "weak 10")

    if form == "files":
        for name, change in (("a.provenance.json", newer), ("b.txt", weaker)):
            (out / name).write_text(change((out / name).read_text(encoding="utf-8")), encoding="utf-8")
        return
    for folder, number, column, change in (("records", 0, "record", newer), ("articles", 1, "text", weaker)):
        path = next((out / folder).iterdir())
        if form == "jsonl":
            rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            rows[number][column] = change(rows[number][column])
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        else:
            import pyarrow as pa
            import pyarrow.parquet as pq

            table = pq.read_table(path)
            values = table.column(column).to_pylist()
            values[number] = change(values[number])
            pq.write_table(
                table.set_column(table.schema.get_field_index(column), table.schema.field(column), pa.array(values, pa.string())), path
            )


def test_records_of_other_settings_or_without_kinds_are_not_judged(out: Path, run: Run) -> None:
    record = out / "b.provenance.json"
    content = json.loads(record.read_bytes())
    del content["kinds"]
    record.write_bytes(encode_record(content))
    ran = run("reapply", "out", "-o", "other", "--quiet")
    assert ran.status == 2
    assert "the record does not say what kind of document the page may be" in ran.err
    content["settings"]["sha256"] = "0" * 64
    record.write_bytes(encode_record(content))
    assert "made with other settings" in run("reapply", "out", "-o", "other", "--quiet", "--overwrite").err


def test_columns_of_the_input_stay_as_they_are(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what a policy decides changes in a row."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "newsfilter.toml").touch()
    rows = [{"id": f"n{k}", "text": article(k), "status": k, "mixed": [k, "x"], "big": 2**70} for k in range(3)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    import pyarrow.parquet as pq

    tables = {}
    for form in ("jsonl", "parquet"):
        assert run("clean", "in.jsonl", "-o", f"{form}-out", "--to", form, "--quiet", "--jobs", "1").status == 0
        assert run("reapply", f"{form}-out", "-o", f"{form}-new", "--min-words", "5000", "--quiet").status == 0
        for out in (f"{form}-out", f"{form}-new"):
            path = tmp_path / out / f"articles/part-000000.{form}"
            tables[out] = (
                pq.read_table(path).to_pylist() if form == "parquet" else [json.loads(line) for line in path.read_text().splitlines()]
            )
    for form in ("jsonl", "parquet"):
        changed = [{k for k in new if new[k] != old[k]} for old, new in zip(tables[f"{form}-out"], tables[f"{form}-new"], strict=True)]
        assert changed == [{"newsfilter_status", "reasons"}] * 3
        assert list(tables[f"{form}-new"][0]) == list(tables[f"{form}-out"][0])
        assert run("verify", f"{form}-new", "--quiet").status == 0


def test_remote_shards_are_reapplied(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "newsfilter.toml").touch()
    make_tree(tmp_path / "crawl", {"a.txt": article(1), "b.txt": article(2)})
    assert run("clean", "crawl", "-o", "memory://reapply/out", "--to", "parquet", "--quiet", "--jobs", "1").status == 0
    arguments = ("reapply", "memory://reapply/out", "-o", "memory://reapply/new", "--min-words", "5000", "--quiet", "--jobs", "1")
    assert run(*arguments).status == 0
    assert "not empty" in run(*arguments).err
    assert run("diff", "memory://reapply/out", "memory://reapply/new", "--quiet").status == 1
    assert run("verify", "memory://reapply/new", "--quiet").status == 0
    assert "is OUT" in run("reapply", "memory://reapply/out", "-o", "memory://reapply/out").err


REFUSED = [
    (("out", "-o", "out"), "is OUT, or lies in it"),
    (("out", "-o", "out/new"), "is OUT, or lies in it"),
    (("out", "-o", "."), "is OUT, or lies in it"),
    (("crawl", "-o", "new"), "holds no run"),
    (("out", "-o", "crawl"), "not empty"),
    (("out", "-o", "newsfilter.toml"), "not a folder"),
    (("out", "-o", "memory://new"), "remote storage takes no files"),
    (("out", "-o", "new", "--threshold", "spam"), "is no threshold"),
    (("out", "-o", "new", "--threshold", "spma=0.9"), "did you mean 'spam'"),
    (("out", "-o", "new", "--threshold", "body=0.9"), "body is what stays"),
    (("out", "-o", "new", "--threshold", "spam=1.5"), "is no probability"),
    (("out", "-o", "new", "--keep", "captoin"), "did you mean 'caption'"),
    (("out", "-o", "new", "--max-spam", "2"), "no share"),
    (("out", "-o", "new", "--no-repair"), "knows no option"),
    (("out", "more", "-o", "new"), "takes one folder"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_makes_no_sense_is_refused_before_anything_is_written(arguments: tuple[str, ...], message: str, out: Path, run: Run) -> None:
    before = files(out.parent)
    ran = run("reapply", *arguments)
    assert ran.status == 2
    assert message in ran.err
    assert files(out.parent) == before


def test_an_unfinished_run_is_refused(out: Path, run: Run) -> None:
    (out / "run.json").write_text((out / "run.json").read_text().replace('"status": "finished"', '"status": "interrupted"'))
    assert "did not finish" in run("reapply", "out", "-o", "new").err


@pytest.mark.parametrize(("jobs", "many", "wanted"), [("0", 2, 3), ("0", 1_000, 1), ("2", 1_000, 2)])
def test_few_documents_take_one_process(out: Path, run: Run, monkeypatch: pytest.MonkeyPatch, jobs: str, many: int, wanted: int) -> None:
    """Starting others takes longer, unless the user asks for them."""
    asked: list[int] = []

    def outcomes(job: Job, numbers: list[int], jobs: int) -> Iterator[Outcome]:
        asked.append(jobs)
        return _outcomes(job, numbers, 1)

    monkeypatch.setattr("newsfilter.audit.reapply_run.MANY", many)
    monkeypatch.setattr("newsfilter.audit.reapply_run.processors", lambda: 3)
    monkeypatch.setattr("newsfilter.audit.reapply_run._outcomes", outcomes)
    assert run("reapply", out, "-o", "other", "--jobs", jobs, "--quiet").status == 0
    assert asked == [wanted]


def test_overwrite_replaces_a_run_and_leaves_what_is_not_ours(out: Path, run: Run) -> None:
    assert run("reapply", "out", "-o", "new", "--min-words", "5000", "--quiet").status == 0
    (out.parent / "new/mine.txt").write_text("mine", encoding="utf-8")
    assert run("reapply", "out", "-o", "new", "--overwrite", "--quiet").status == 0
    assert files(out.parent / "new") == {**files(out), "mine.txt": b"mine"}


def test_an_interrupted_run_says_so(out: Path) -> None:
    """What is written is whole, and the next one starts afresh."""

    def stop(done: int, _total: int) -> None:
        if done:
            raise KeyboardInterrupt

    order = Order("out", "new", {}, {})
    with pytest.raises(KeyboardInterrupt):
        reapply_run(order, pytest.fail, stop)
    assert run_file(out.parent / "new")["status"] == "interrupted"
    assert reapply_run(replace(order, overwrite=True), pytest.fail).content["status"] == "finished"
    assert files(out.parent / "new") == files(out)


def test_policies() -> None:
    """Settings that need the page are refused; the digest is the settings' own where there are no thresholds."""
    plain = Policy(Settings(), {})
    assert plain.sha256 == Settings().sha256()
    assert another(plain, {}, {"spam": 0.9}).sha256 not in (plain.sha256, another(plain, {}, {"spam": 0.8}).sha256)
    with pytest.raises(SettingsError, match="needs the sources"):
        another(plain, {"repair": False}, {})
    with pytest.raises(SettingsError, match="no table"):
        policy_of({"settings": {"threshold": 3}})
    with pytest.raises(SettingsError, match="languages cannot be accepted"):
        another(Policy(Settings(language=False), {}), {"lang": "tr"}, {})


def test_a_record_whose_blocks_stand_elsewhere_is_refused() -> None:
    (made,) = Cleaner().clean_batch([Source(page(1))])
    assert isinstance(made, Article)
    record = json.loads(encode_record(made.record))
    text = restore(record, made.body)
    record["blocks"][-1]["block"] += 1
    with pytest.raises(RecordError, match="does not stand where"):
        read_back(record, text)
