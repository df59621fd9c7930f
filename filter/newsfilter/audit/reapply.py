"""Another policy for documents that were cleaned already: from bodies and records, without sources or model."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from newsfilter.audit.reading import line_of, read_provenance
from newsfilter.dumps.ledger import Line
from newsfilter.dumps.results import Stored
from newsfilter.dumps.writing import STATUSES
from newsfilter.errors import RecordError, SettingsError
from newsfilter.policy import conclude, keep_labels, language_of, limit_of, verdict_row, with_thresholds
from newsfilter.provenance import encode_record, restore
from newsfilter.readback import read_back
from newsfilter.records import LABELS, Decision, Language
from newsfilter.settings import POLICY, Settings, nearest, with_values
from newsfilter.verdict import judge

_LONG = ("blocks", "edits", "damage")  # neighbouring keys of a record that hold most of it
FAMILIES = ("spam",)  # names that stand for all labels that begin with them and a dash


@dataclass(frozen=True)
class Policy:
    """What is done with what the model said."""

    settings: Settings
    thresholds: Mapping[str, float]  # label, or family of labels -> probability from which on a removal is believed

    @cached_property
    def sha256(self) -> str:
        """What records name as their settings' digest; without thresholds that of the settings themselves."""
        if not self.thresholds:
            return self.settings.sha256()
        values = {**asdict(self.settings), "threshold": dict(self.thresholds)}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """Return it as ``run.json`` has it among its settings."""
        content: dict[str, Any] = json.loads(json.dumps(asdict(self.settings)))
        return content | ({"threshold": dict(sorted(self.thresholds.items()))} if self.thresholds else {})


def policy_of(content: Mapping[str, Any]) -> Policy:
    """Return the policy of a run, given what its ``run.json`` holds.

    Raises
    ------
    SettingsError
        When settings are missing or hold what no setting takes.
    """
    values = content["settings"]
    known = {name: values[name] for name in asdict(Settings()) if name in values}
    thresholds = values.get("threshold", {})
    if not isinstance(thresholds, dict):
        raise SettingsError(f"run.json: threshold is {thresholds!r}, no table of labels")
    return Policy(with_values(Settings(), known, "run.json"), {name: _checked(name, value) for name, value in thresholds.items()})


def another(policy: Policy, settings: Mapping[str, Any], thresholds: Mapping[str, float]) -> Policy:
    """Return a policy with some settings and thresholds changed.

    Raises
    ------
    SettingsError
        For a setting that is not policy, a label that is never removed or not known, or a value out of range.
    """
    for name in settings:
        if name not in POLICY:
            raise SettingsError(f"command line: {name} needs the sources; clean them again with it. reapply takes {', '.join(POLICY)}")
    new = {name: _checked(name, value) for name, value in thresholds.items()}
    return Policy(with_values(policy.settings, settings, "command line"), {**policy.thresholds, **new})


def _checked(name: str, value: object) -> float:
    if name == "body":
        raise SettingsError("threshold: body is what stays; name the label of what was removed, such as spam=0.9")
    if name not in (*LABELS, *FAMILIES) and not name.startswith("spam-"):
        raise SettingsError(f"threshold: no label {name!r}; {nearest(name, (*FAMILIES, *LABELS))}")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise SettingsError(f"threshold: {value!r} is no probability; give a number from 0 to 1, such as {name}=0.9")
    return float(value)


@dataclass(frozen=True, slots=True)
class Reapplied:
    """What a document comes to under another policy."""

    line: Line  # the ledger's, its ``output`` still None
    record: bytes
    body: str  # "" where it is rejected


def reapply(document: Stored, before: Policy, after: Policy) -> Reapplied:
    """Apply a policy to one document.

    The labels are what the record says, and so are title, byline, date and site. The language is told anew only where other paragraphs stay.

    Parameters
    ----------
    before
        What it was cleaned with.

    Raises
    ------
    RecordError
        When body or record are missing, were changed, or do not say enough.
    """
    if document.trouble is not None or document.record is None:
        raise RecordError(document.trouble or "the record is missing")
    record = read_provenance(document.record)
    try:
        if record["settings"]["sha256"] != before.sha256:
            raise RecordError("the record was made with other settings than run.json says; one of the two was changed")
        _check_is(record, document.line)
        if _stays(record, before, after) and _fits(record, document):
            encoded = _encoded(document.record, record, record | {"settings": {"sha256": after.sha256}})
            line = document.line | {"record_sha256": hashlib.sha256(encoded).hexdigest(), "output": None}
            return Reapplied(line, encoded, "" if document.body is None else document.body.decode())
        return _reapplied(document.record, record, None if document.body is None else document.body.decode(), after)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise RecordError(f"no provenance record, or one that was changed: {error!r}") from error


def _check_is(record: dict[str, Any], line: Line) -> None:
    if (record["id"], record["source"]["uri"]) != (line["id"], line["uri"]):
        raise RecordError("the record is of another document than the ledger says; one of the two was changed")


def _stays(record: dict[str, Any], before: Policy, after: Policy) -> bool:
    """Whether a policy leaves all of a document as it is, so far as can be told without taking it apart: most documents are such, for most policies."""
    if "kinds" not in record or replace(after.settings, keep=before.settings.keep) != before.settings:
        return False
    kept_otherwise = set(before.settings.keep) ^ set(after.settings.keep)
    for entry in record["blocks"]:
        label = entry["label"]
        likely = entry.get("probabilities", {}).get(label, 0.0)
        believed = entry["by"] != "model" or label == "body" or "merged" in entry or likely >= limit_of(label, after.thresholds)
        if label in kept_otherwise or not believed:
            return False
    return True


def _fits(record: dict[str, Any], document: Stored) -> bool:
    """Whether body, record and ledger line are as they were written.

    Raises
    ------
    RecordError
        When body and record do not fit.
    """
    assert document.record is not None
    line, status = document.line, STATUSES[record["verdict"]["decision"]]
    if (line.get("record_sha256"), line["status"]) != (hashlib.sha256(document.record).hexdigest(), status):
        return False
    restore(record, None if document.body is None else document.body.decode())
    return True


def _reapplied(raw: bytes, record: dict[str, Any], body: str | None, policy: Policy) -> Reapplied:
    text = restore(record, body)
    new, new_body = dict(record), ""
    decisions: list[Decision] = []
    if record["source"]["charset"]["how"] != "not-read":  # what was too large stays so
        decided = read_back(record, text)
        decisions = with_thresholds(decided.decisions, policy.thresholds, certain=decided.certain)
        decisions = keep_labels(decisions, policy.settings.keep)
        language = Language(**record["language"])
        if _body(decisions) != _body(decided.decisions):
            language = language_of(decided.page, decisions, policy.settings)
        was_rejected = record["verdict"]["decision"] == "reject"
        verdict = judge(decided.page, decisions, language, policy.settings, decided.kinds)
        new["verdict"] = verdict_row(verdict)
        if decisions == list(decided.decisions) and (verdict.decision == "reject") == was_rejected:
            new_body = body or ""  # the same stretches stay, and are written as before: there is nothing to assemble
        else:
            concluded = conclude(decided.page, decisions, verdict, repair=policy.settings.repair)
            new_body = concluded.body
            new |= {"language": asdict(language)} | concluded.as_record()
    new["settings"] = {"sha256": policy.sha256}
    encoded = _encoded(raw, record, new)
    return Reapplied(line_of(new, encoded, decisions), encoded, new_body)


def _encoded(raw: bytes, old: dict[str, Any], new: dict[str, Any]) -> bytes:
    """Encode a record. Where its blocks are the old one's, they are not encoded anew, which is most of the work."""
    if any(new[key] is not old[key] for key in _LONG):
        return encode_record(new)
    before, after = _ends(old)
    if not (raw.startswith(before) and raw.endswith(after)):
        return encode_record(new)
    head, tail = _ends(new)
    return head + raw[len(before) : len(raw) - len(after)] + tail


def _ends(record: dict[str, Any]) -> tuple[bytes, bytes]:
    """What stands in an encoded record before the first of `_LONG`, and behind the last."""
    keys = list(record)
    place = keys.index(_LONG[0])
    first, last = keys[:place], keys[place + len(_LONG) :]
    return encode_record({key: record[key] for key in first})[:-2] + b",", b"," + encode_record({key: record[key] for key in last})[1:]


def _body(decisions: Sequence[Decision]) -> list[tuple[int, int]]:
    return [(d.start, d.end) for d in decisions if d.kept and d.label == "body"]
