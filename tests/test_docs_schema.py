"""docs/provenance-1.schema.json describes real records, and nothing else; docs/provenance.md and docs/cli.md name every key of what a run writes."""

import inspect
import json
import re
import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from test_docs import PROJECT, missing, text_of

import newsfilter
from newsfilter import decode as decoding
from newsfilter.cli import main
from newsfilter.dumps.failures import FAILURES
from newsfilter.dumps.magic import SKIPPED
from newsfilter.dumps.names import RESERVED
from newsfilter.records import DAMAGE_CODES, EDIT_KINDS, LABELS
from newsfilter.settings import Settings
from newsfilter.verdict import REASONS

# A dozen documents and what may come of them: of every verdict, HTML and text, several charsets, and damage. Which verdict a document gets is for
# the model to say; that all three occur is what the schema's test needs.
DOCUMENTS = (
    "metin/000_baraj-gorusmesi.txt",
    "metin/001_tahil-koridoru.txt",
    "metin/004_escort-sitesi-operasyonu.txt",
    "metin/005_bahis-baskini.txt",
    "metin/007_buyuk-harf-spor.txt",
    "metin/009_duvar-ustalari-forum.txt",
    "metin/011_kisa-duyuru.txt",
    "metin/012_ajans-bulteni.txt.gz",
    "text/fr-ecole-bateau.txt",
    "ulusal/soylesi-harita-ressami.html",
    "world/el-sfoungarades.html",
    "world/ja-washi.html",
    "yerel/404-haber-bulunamadi.html",
    "yerel/detay_4417.html",
)
# Made here, since no fixture needs them for anything else.
MADE = {
    "nested.html": "<html><body>" + "<div>" * 500 + "<p>The council voted to keep the ferry running for two more winters.</p>",
    "empty.txt": "",
    "blank.txt": " \n\n ",
    "large.txt": "a word and another one " * 4000,
    "noise.txt": "ab\0cd " * 50,
}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run made of the documents, those that no fixture has among them."""
    folder = tmp_path_factory.mktemp("docs")
    crawl, result = folder / "crawl", folder / "out"
    for name in DOCUMENTS:
        target = crawl / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / "fixtures/dump" / name, target)
    for name, text in MADE.items():
        (crawl / name).write_bytes(text.encode())
    (crawl / "damaged.html.gz").write_bytes(b"\x1f\x8b\x08abc")
    (crawl / "logo.html").write_bytes(b"GIF89a")
    empty = folder / "newsfilter.toml"
    empty.touch()
    arguments = [str(crawl), "-o", str(result), "--config", str(empty), "--quiet", "--max-failed", "1", "--max-bytes", "50000"]
    assert main(["clean", *arguments]) == 0
    return result


@pytest.fixture(scope="module")
def records(out: Path) -> dict[str, dict[str, Any]]:
    """The records of that run, by source."""
    found = [json.loads(path.read_bytes()) for path in sorted(out.rglob("*.provenance.json"))]
    return {record["source"]["uri"]: record for record in found}


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(text_of("docs/provenance-1.schema.json"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture(scope="module")
def definitions(validator: jsonschema.Draft202012Validator) -> dict[str, Any]:
    schema = validator.schema
    assert isinstance(schema, dict)
    found: dict[str, Any] = schema["$defs"]
    return found


def test_every_count_and_key_of_a_run_is_documented(out: Path) -> None:
    """docs/cli.md names each key of run.json and each count in it, and each key of a ledger line."""
    run = json.loads((out / "run.json").read_bytes())
    lines = [json.loads(line) for line in (out / "ledger.jsonl").read_bytes().splitlines()]
    keys = {key for line in lines for key in line}
    assert {line["status"] for line in lines} == {"accepted", "review", "rejected", "failed"}
    assert not missing([*run, *run["counts"], *run["characters"], *keys, *SKIPPED, *FAILURES, *RESERVED], "docs/cli.md")


def test_every_way_of_decoding_is_documented(definitions: dict[str, Any]) -> None:
    """Each value of `how` stands in docs/provenance.md, and the schema knows it."""
    described = (inspect.getdoc(decoding.decode) or "").partition("``how`` is one of")[2]
    ways = re.findall(r"``([\w-]+)``", described)
    assert len(ways) >= 10
    assert not missing([*ways, "not-read"], "docs/provenance.md")
    assert set(definitions["source"]["properties"]["charset"]["properties"]["how"]["enum"]) == {*ways, "not-read"}


def test_real_records_fit_the_schema(records: dict[str, dict[str, Any]], validator: jsonschema.Draft202012Validator) -> None:
    """Records of every verdict, of HTML and text, with edits, damage, merged furniture or nothing in them, are what the schema says."""
    assert len(records) == len(DOCUMENTS) + len(MADE)
    assert {record["verdict"]["decision"] for record in records.values()} == {"accept", "review", "reject"}
    assert {edit["kind"] for record in records.values() for edit in record["edits"]} == set(EDIT_KINDS)
    for uri, record in records.items():
        assert [error.message for error in validator.iter_errors(record)] == [], uri


def test_records_of_kept_furniture_fit_the_schema(validator: jsonschema.Draft202012Validator) -> None:
    """A policy, a user's id and a source with all its facts are within the schema."""
    raw = (PROJECT / "fixtures/dump/yerel/detay_4417.html").read_bytes()
    source = newsfilter.Source(
        raw, uri="a/b.html", media_type="text/html", charset="windows-1254", url="https://ornek.example/4417", fetched_at="2024-06-19T08:00:00Z", member="b.html", offset=512, id="4417"
    )  # fmt: skip
    (article,) = newsfilter.clean_many([source], settings=Settings(keep=("headline", "byline", "spam-mine")))
    assert not isinstance(article, Exception)
    assert "policy" in {entry["by"] for entry in article.record["blocks"]}
    validator.validate(json.loads(json.dumps(article.record)))


def test_the_keys_stand_in_the_order_of_the_schema(records: dict[str, dict[str, Any]], validator: jsonschema.Draft202012Validator) -> None:
    """Records are compared as bytes, so that the order of their keys is part of the format."""
    schema = validator.schema
    assert isinstance(schema, dict)
    for record in records.values():
        assert list(record) == list(schema["properties"])
        assert list(record["source"]) == list(schema["$defs"]["source"]["properties"])
        order = list(schema["$defs"]["entry"]["properties"])
        for entry in record["blocks"]:
            assert list(entry) == sorted(entry, key=order.index)


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where each object of a record stands; of a list only the first item, and no maps from label to probability."""
    if isinstance(value, dict) and path[-1:] != ("probabilities",):
        yield path
        for key, item in value.items():
            yield from paths_of(item, (*path, key))
    elif isinstance(value, list) and value:
        yield from paths_of(value[0], (*path, 0))


def at(record: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    found: Any = record
    for step in path:
        found = found[step]
    assert isinstance(found, dict)
    return found


def test_the_schema_is_strict(records: dict[str, dict[str, Any]], validator: jsonschema.Draft202012Validator) -> None:
    """Take any required key out of a record, or put an unknown one in, at any depth: it is no record any more."""
    checked = set()
    for record in (records["metin/000_baraj-gorusmesi.txt"], records["metin/009_duvar-ustalari-forum.txt"]):
        for path in paths_of(record):
            checked.add(path)
            more = deepcopy(record)
            at(more, path)["unheard"] = 1
            assert not validator.is_valid(more), path
            for key in at(record, path):
                if key in ("evidence", "xpath", "run", "merged"):
                    continue
                less = deepcopy(record)
                del at(less, path)[key]
                assert not validator.is_valid(less), (*path, key)
    assert {(), ("source", "charset"), ("blocks", 0), ("edits", 0), ("verdict", "reasons", 0), ("software",)} <= checked


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        ((), "schema", "newsfilter/provenance/2"),
        (("verdict",), "decision", "accepted"),
        (("verdict",), "reasons", [{"code": "dull", "value": None, "limit": None}]),
        (("blocks", 0), "label", "spam"),
        (("blocks", 0), "by", "somebody"),
        (("blocks", 0), "probabilities", {"body": 1.2}),
        (("blocks", 0), "probabilities", {"spam": 0.5}),
        (("blocks", 0), "text", "both in the body and here"),
        (("blocks", 0), "kept", False),
        (("edits", 0), "kind", "improved"),
        (("page",), "sha256", "0"),
        (("language",), "code", "Turkish"),
        ((), "published", "19 Haziran 2024"),
    ],
)
def test_wrong_values_do_not_fit_the_schema(
    path: tuple[Any, ...], key: str, value: object, records: dict[str, dict[str, Any]], validator: jsonschema.Draft202012Validator
) -> None:
    """The schema names what a record may say, not only which keys it has."""
    record = deepcopy(records["metin/000_baraj-gorusmesi.txt"])
    assert "at" in record["blocks"][0]
    at(record, path)[key] = value
    assert not validator.is_valid(record)


def test_labels_of_ones_own_fit_the_schema(records: dict[str, dict[str, Any]], validator: jsonschema.Draft202012Validator) -> None:
    """A user's kind of spam needs no change to the schema."""
    record = deepcopy(records["metin/009_duvar-ustalari-forum.txt"])
    record["blocks"][0] |= {"label": "spam-horoscope", "probabilities": {"spam-horoscope": 0.9}}
    assert validator.is_valid(record)


def test_the_schema_has_the_tables_of_the_code(definitions: dict[str, Any]) -> None:
    """Labels, reasons, edit kinds and damage codes are closed, and are those of the code."""
    assert tuple(definitions["label"]["anyOf"][0]["enum"]) == LABELS
    assert definitions["reason"]["properties"]["code"]["enum"] == list(REASONS)
    assert definitions["edit"]["properties"]["kind"]["enum"] == list(EDIT_KINDS)
    assert definitions["damage"]["properties"]["code"]["enum"] == list(DAMAGE_CODES)


def test_every_key_of_the_schema_is_documented(validator: jsonschema.Draft202012Validator) -> None:
    """docs/provenance.md names each key that the schema names."""

    def keys(node: object) -> Iterator[str]:
        if isinstance(node, dict):
            if node.get("additionalProperties") is False:
                yield from node["properties"]
            for item in node.values():
                yield from keys(item)
        elif isinstance(node, list):
            for item in node:
                yield from keys(item)

    assert not missing(sorted(set(keys(validator.schema))), "docs/provenance.md")
