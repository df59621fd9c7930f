"""Findings that were accepted once. They are known by file, label and text, not by line, so that moved lines change nothing."""

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from newsfilter.dumps.writing import write_whole
from newsfilter.errors import SettingsError
from newsfilter.gate.findings import Finding, Report

SCHEMA = "newsfilter/baseline/1"

Key = tuple[str, str, str]  # file, relative to the baseline's folder; label; digest of the normalised text


@dataclass(frozen=True, slots=True)
class Baseline:
    """Accepted findings, by file, label and text."""

    folder: Path  # of the baseline's file
    counts: Counter[Key]

    def key(self, finding: Finding) -> Key:
        """Return what a finding is known by."""
        return (relative(finding.name, self.folder), finding.mark.label, finding.mark.digest())


def relative(name: str, folder: Path) -> str:
    """Return a file's name relative to a folder, where it lies in it, so that a baseline holds from wherever `check` is called."""
    whole, here = os.path.abspath(name), os.path.abspath(folder)  # noqa: PTH100 - follows no links, and takes out ".."
    return Path(whole).relative_to(here).as_posix() if Path(whole).is_relative_to(here) else whole


def read_baseline(path: Path) -> Baseline:
    """Read a baseline.

    Raises
    ------
    SettingsError
        When it cannot be read, or is none.
    """
    try:
        content = json.loads(path.read_bytes())
        if content["schema"] != SCHEMA:
            raise SettingsError(
                f"{path}: its schema is {content['schema']!r}, this newsfilter reads {SCHEMA}; write it anew with --write-baseline"
            )
        counts = Counter({(row["path"], row["label"], row["sha256"]): _count(row["count"]) for row in content["findings"]})
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}); write it with --write-baseline") from error
    except (ValueError, KeyError, TypeError, RecursionError):
        raise SettingsError(f"{path}: is no baseline; write it with --write-baseline") from None
    return Baseline(path.parent, counts)


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(value)
    return value


def without_accepted(report: Report, baseline: Baseline) -> tuple[Report, Counter[Key]]:
    """Take out of a report what was accepted, and count it off the baseline; return what was taken, too."""
    left, taken = [], Counter[Key]()
    for finding in report.findings:
        key = baseline.key(finding)
        if baseline.counts[key] > 0:
            baseline.counts[key] -= 1
            taken[key] += 1
        else:
            left.append(finding)
    return replace(report, findings=tuple(left)), taken


def write_baseline(path: Path, findings: Iterable[Finding]) -> int:
    """Write a baseline of all given findings, one a line and in order, so that version control shows what changed. Return how many.

    Raises
    ------
    StoppedError
        When it cannot be written.
    """
    counts = Counter((relative(finding.name, path.parent), finding.mark.label, finding.mark.digest()) for finding in findings)
    rows = [{"path": key[0], "label": key[1], "sha256": key[2], "count": counts[key]} for key in sorted(counts)]
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    write_whole(path, f'{{"schema": "{SCHEMA}", "findings": [\n{lines}\n]}}\n'.encode())
    return sum(counts.values())
