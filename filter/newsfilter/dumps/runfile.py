"""``run.json``: what a run was asked, with what, and what it came to; written when it starts and when it ends."""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from newsfilter.dumps.outputs_store import Store, write
from newsfilter.errors import OutputError

NAME = "run.json"
SCHEMA = "newsfilter/run/1"


def now() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def as_json(value: Any) -> Any:
    """Return settings as JSON gives them back, for comparing."""
    return json.loads(json.dumps(asdict(value)))


def read_run(store: Store) -> dict[str, Any] | None:
    """Read an earlier run's file, or None where there is none.

    Raises
    ------
    OutputError
        When there is a ``run.json`` that newsfilter did not write, or cannot read.
    """
    data = store.read(NAME)
    if data is None:
        return None
    try:
        content = json.loads(data)
    except ValueError:
        content = None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise OutputError(f"{store.name(NAME)}: not written by this version of newsfilter; give -o another folder, or remove that file")
    return content


def read_json(store: Store, name: str, schema: str) -> dict[str, Any] | None:
    """Read a small file of ours; None where it is missing, damaged, or of another schema."""
    try:
        content = json.loads(store.read(name) or b"")
    except ValueError:
        return None
    return content if isinstance(content, dict) and content.get("schema") == schema else None


def write_run(store: Store, content: Mapping[str, Any]) -> None:
    """Write ``run.json`` whole."""
    write(store, NAME, json.dumps(content, ensure_ascii=False, indent=2).encode("utf-8", "replace") + b"\n")


def differences(earlier: Mapping[str, Any], wanted: Mapping[str, Any], which: tuple[str, str] = ("then", "now")) -> list[str]:
    """Name what makes two runs different ones: other sources, other settings, another model. `which` tells them apart in words.

    >>> differences({"sources": ["a"], "settings": {"min_words": 40}}, {"sources": ["a"], "settings": {"min_words": 20}})
    ['min_words (40 then, 20 now)']
    """
    found = []
    if earlier.get("sources") != wanted.get("sources"):
        found.append(f"sources ({' '.join(earlier.get('sources') or ())} {which[0]}, {' '.join(wanted.get('sources') or ())} {which[1]})")
    then, today = earlier.get("settings") or {}, wanted.get("settings") or {}
    found += [
        f"{name} ({then.get(name)} {which[0]}, {today.get(name)} {which[1]})"
        for name in sorted(then.keys() | today.keys())
        if then.get(name) != today.get(name)
    ]
    models = [(content.get("model") or {}).get("sha256") or "none" for content in (earlier, wanted)]
    if models[0] != models[1]:
        found.append(f"model ({models[0][:12]} {which[0]}, {models[1][:12]} {which[1]})")
    return found
