"""`newsfilter check --format sarif`: a SARIF 2.1.0 log that the library for it reads, with fingerprints that stay when lines move."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest
from conftest import Ran, article, make_tree, page
from gate_support import FOOTER, spammed
from pydantic import BaseModel
from sarif_pydantic import Sarif

from newsfilter import __version__
from newsfilter.gate.labels import FOUND

Run = Callable[..., Ran]

pytestmark = pytest.mark.usefixtures("workplace")

# What the standard has (sections 3.14.17 and 3.20.21) and the library's models do not.
BEYOND_THE_LIBRARY = {"columnKind", "$schema", "toolExecutionNotifications"}


def _object(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": {**required, **optional}, "additionalProperties": False}


def _list(of: Any, **limits: int) -> dict[str, Any]:
    return {"type": "array", "items": of, **limits}


# The library lets numbers below 1, unknown levels and missing parts pass; here is what the standard says of the parts that we write.
_TEXT, _FROM_1 = {"type": "string", "minLength": 1}, {"type": "integer", "minimum": 1}
_LEVEL = {"enum": ["none", "note", "warning", "error"]}
_MESSAGE = _object({"text": _TEXT})
_REGION = _object({"startLine": _FROM_1}, startColumn=_FROM_1, endLine=_FROM_1, endColumn=_FROM_1)
_LOCATION = _object(
    {"physicalLocation": _object({"artifactLocation": _object({"uri": {"type": "string", "format": "uri-reference"}})}, region=_REGION)}
)
_RULE = _object({"id": _TEXT}, name=_TEXT, shortDescription=_MESSAGE, help=_MESSAGE, defaultConfiguration=_object({"level": _LEVEL}))
_RESULT = _object(
    {"message": _MESSAGE, "ruleId": _TEXT, "level": _LEVEL, "locations": _list(_LOCATION, minItems=1, maxItems=1)},
    ruleIndex={"type": "integer", "minimum": 0},
    partialFingerprints={"type": "object", "additionalProperties": {"type": "string"}},
    properties={"type": "object"},
)
_NOTE = _object({"message": _MESSAGE}, level=_LEVEL, locations=_list(_LOCATION))
_DRIVER = _object({"name": _TEXT}, version=_TEXT, semanticVersion={"type": "string", "pattern": r"^\d+\.\d+\.\d+$"}, rules=_list(_RULE))
_RUN = _object(
    {"tool": _object({"driver": _DRIVER}), "results": _list(_RESULT)},
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    invocations=_list(_object({"executionSuccessful": {"type": "boolean"}}, toolExecutionNotifications=_list(_NOTE))),
)
WRITTEN = _object({"version": {"const": "2.1.0"}, "runs": _list(_RUN, minItems=1, maxItems=1)}, **{"$schema": _TEXT})


def unknown(value: Any) -> Iterator[str]:
    """Keys that the library's models do not know, anywhere below; it lets them pass."""
    if isinstance(value, BaseModel):
        yield from value.model_extra or {}
        for name in type(value).model_fields:
            yield from unknown(getattr(value, name))
    elif isinstance(value, list):
        for one in value:
            yield from unknown(one)


def log_of(ran: Ran) -> dict[str, Any]:
    """A log that the library reads, with every key one that SARIF has."""
    log: dict[str, Any] = json.loads(ran.out)
    model = Sarif.model_validate(log)
    assert set(unknown(model)) <= BEYOND_THE_LIBRARY
    jsonschema.validate(log, WRITTEN)
    assert log["$schema"].endswith("/sarif-schema-2.1.0.json")
    return log


@pytest.fixture
def mixed(tmp_path: Path) -> list[str]:
    """Files of every kind with something to find, and one with a row that cannot be judged."""
    html = page(2).replace("</article>", f"</article>\n<p>{FOOTER}</p>")
    rows = f"{json.dumps({'text': spammed(3)})}\n[]\n"
    make_tree(tmp_path, {"a b/köy.txt": spammed(1), "p.html": html, "t.jsonl": rows, "c:d.txt": spammed(4), "[x](y).txt": spammed(5)})
    return ["a b/köy.txt", "p.html", "t.jsonl", "c:d.txt", "[x](y).txt"]


def test_the_log_is_sarif(run: Run, mixed: list[str]) -> None:
    ran = run("check", *mixed, "--format", "sarif")
    [only] = log_of(ran)["runs"]
    driver = only["tool"]["driver"]
    assert (driver["name"], driver["version"], only["columnKind"]) == ("newsfilter", __version__, "unicodeCodePoints")
    assert [rule["id"] for rule in driver["rules"]] == list(FOUND)
    assert all(rule["help"]["text"].startswith(rule["shortDescription"]["text"]) for rule in driver["rules"])
    results = only["results"]
    assert len(results) == 5
    for result in results:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "spam-adult"
        assert result["level"] == "error"
        assert re.fullmatch(r"[0-9a-f]{64}", result["partialFingerprints"]["newsfilter/v1"])
    assert ran.status == 2


def test_places_are_relative_uris_and_regions_from_1(run: Run, mixed: list[str]) -> None:
    """An editor opens the file that the URI names, at the very characters."""
    [only] = log_of(run("check", *mixed, "--format", "sarif"))["runs"]
    places = [result["locations"][0]["physicalLocation"] for result in only["results"]]
    uris = [place["artifactLocation"]["uri"] for place in places]
    assert [unquote(uri).removeprefix("./") for uri in uris] == mixed
    assert all(re.fullmatch(r"(?:\./)?[A-Za-z0-9/._~%-]+(?::?[A-Za-z0-9/._~%-]+)?", uri) and not re.match(r"[a-z]+:", uri) for uri in uris)
    assert places[0]["region"] == {"startLine": 11, "startColumn": 1, "endLine": 11, "endColumn": len(FOOTER) + 1}
    assert places[1]["region"] == {"startLine": 2}
    assert places[2]["region"] == {"startLine": 1}


def test_what_could_not_be_judged_is_a_notification(run: Run, mixed: list[str]) -> None:
    [only] = log_of(run("check", *mixed, "--format", "sarif"))["runs"]
    [invocation] = only["invocations"]
    assert invocation["executionSuccessful"] is False
    [note] = invocation["toolExecutionNotifications"]
    assert note["message"]["text"] == "the line is JSON, but no object"
    assert note["locations"][0]["physicalLocation"]["region"] == {"startLine": 2}


def test_an_empty_log_is_one_too(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path, {"a.txt": article(1)})
    ran = run("check", "a.txt", "--format", "sarif")
    [only] = log_of(ran)["runs"]
    assert (ran.status, only["results"], only["invocations"][0]["executionSuccessful"]) == (0, [], True)


def test_fingerprints_stay_when_lines_move_and_tell_two_of_one_text_apart(run: Run, tmp_path: Path) -> None:
    def prints(text: str) -> list[str]:
        make_tree(tmp_path, {"a.txt": text})
        [only] = log_of(run("check", "a.txt", "--format", "sarif", "--select", "spam"))["runs"]
        return [result["partialFingerprints"]["newsfilter/v1"] for result in only["results"]]

    first = prints(spammed(1))
    twice = prints(f"{article(2)}\n{FOOTER}\n\n{article(3)}\n{FOOTER.upper()}\n")
    assert first == twice[:1]
    assert len(set(twice)) == 2


def test_scraped_links_are_no_links_of_the_message(run: Run, tmp_path: Path) -> None:
    """Viewers make [text](address) in a message a link (section 3.11.6)."""
    make_tree(tmp_path, {"a.txt": f"{article(1)}\n[escort](https://evil.example/a) {FOOTER}\n"})
    [only] = log_of(run("check", "a.txt", "--format", "sarif"))["runs"]
    text = " ".join(result["message"]["text"] for result in only["results"])
    assert "escort" in text
    assert re.search(r"(?<!\\)[\[\]]", text) is None
