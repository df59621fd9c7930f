"""Labelled documents: JSONL of ordered blocks, each with its label."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from newsfilter.errors import InputError
from newsfilter.records import LABELS
from newsfilter.settings import nearest


@dataclass(frozen=True, slots=True)
class LabelledDocument:
    """One document whose blocks somebody labelled."""

    id: str
    lang: str
    site: str
    kind: str
    blocks: tuple[tuple[str, str], ...]  # (text, label), in page order


def read_labelled(path: Path) -> Iterator[LabelledDocument]:
    """Read labelled documents from a JSONL file, or from every ``*.jsonl`` of a folder in order of name.

    Raises
    ------
    InputError
        For a line that is not JSON, lacks a key, or has an unknown label; the message names file and line.
    """
    for file in sorted(path.glob("*.jsonl")) if path.is_dir() else [path]:
        with file.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _document(line, f"{file}:{number}")


def _document(line: str, where: str) -> LabelledDocument:
    try:
        row = json.loads(line)
        blocks = tuple((str(block["text"]), str(block["label"])) for block in row["blocks"])
        document = LabelledDocument(
            str(row["id"]), str(row.get("lang", "")), str(row.get("site", "")), str(row.get("kind", "article")), blocks
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{where}: no labelled document ({error!r}); each line is an object with 'id' and 'blocks' of 'text' and 'label'"
        ) from error
    for text, label in blocks:
        if label not in LABELS and not label.startswith("spam-"):
            raise InputError(f"{where}: unknown label {label!r}; {nearest(label, LABELS)}")
        if not text.strip():
            raise InputError(f"{where}: a block with an empty text; remove it")
    return document
