"""The documentation names what the program has: each command, option, setting, label, reason, code, key and file."""

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import newsfilter
from newsfilter.integrations import FACTS, PREFIX
from newsfilter.model_file import load_model, shipped_model_folder
from newsfilter.options import parser
from newsfilter.records import DAMAGE_CODES, EDIT_KINDS, LABELS
from newsfilter.settings import Settings
from newsfilter.verdict import REASONS

PROJECT = Path(__file__).parents[1]
DOCS = PROJECT / "docs"
PAGES = sorted([*PROJECT.glob("*.md"), *DOCS.rglob("*.md"), PROJECT / "models/README.md", PROJECT / "fixtures/README.md"])
SOURCE = Path(newsfilter.__file__).parent


def text_of(name: str) -> str:
    return (PROJECT / name).read_text(encoding="utf-8")


def code_spans(name: str) -> set[str]:
    """Everything that a page writes as `code`, table cells' escaped bars undone."""
    outside = re.sub(r"^```.*?^```", "", text_of(name), flags=re.MULTILINE | re.DOTALL)
    return {span.replace("\\|", "|") for span in re.findall(r"`([^`\n]+)`", outside)}


def missing(names: "Iterator[str] | list[str]", page: str) -> list[str]:
    spans = code_spans(page)
    return sorted(name for name in names if name not in spans)


class Fence(NamedTuple):
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    above: str  # the line above it


def fences(page: Path) -> Iterator[Fence]:
    lines = page.read_text(encoding="utf-8").splitlines(keepends=True)
    opened: int | None = None
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if opened is None:
            opened = number
        else:
            above = lines[opened - 1].strip() if opened else ""
            yield Fence(page, opened + 2, lines[opened].strip("`\n "), "".join(lines[opened + 1 : number]), above)
            opened = None


def test_every_command_and_option_is_documented() -> None:
    """A user who reads docs/cli.md knows every command and every option."""
    top, commands = parser()
    text = text_of("docs/cli.md")
    listed = set(re.findall(r"`(-[\w-]+)", "\n".join(re.findall(r"^\| (`-.*?`) \| ", text, re.MULTILINE))))
    for name, command in commands.items():
        assert f"\n## `newsfilter {name}`\n" in text
        assert set(command._option_string_actions) - {"-h", "--help"} <= listed
    for option in top._option_string_actions:
        assert f"newsfilter {option}\n" in text or f"`{option}`" in text, option


def test_no_option_is_documented_that_does_not_exist() -> None:
    """Docs name no option that the command line does not have."""
    top, commands = parser()
    known = {option for command in (top, *commands.values()) for option in command._option_string_actions} | {
        "--labelled",
        "--name",
        "--editable",
    }
    for page in (
        "README.md",
        "docs/cli.md",
        "docs/settings.md",
        "docs/verdicts.md",
        "docs/labels.md",
        "docs/provenance.md",
        "docs/model.md",
    ):
        named = {match for span in code_spans(page) for match in re.findall(r"(?<![\w-])--[a-z][a-z-]+", span)}
        assert named <= known, page


@pytest.mark.parametrize("status", ["0", "1", "2", "130"])
@pytest.mark.parametrize("page", ["README.md", "docs/cli.md"])
def test_every_exit_status_is_documented(page: str, status: str) -> None:
    """Scripts rest on the exit status."""
    assert f"\n| {status} | " in text_of(page)


def test_every_setting_is_documented_with_its_option_and_default() -> None:
    """Each setting has a section that names its option and its default."""
    sections = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^### |\Z)", text_of("docs/settings.md"), re.MULTILINE | re.DOTALL))
    assert list(sections) == [setting.name for setting in fields(Settings)]
    for setting in fields(Settings):
        default = setting.default
        shown = str(default).lower() if isinstance(default, bool) else "none" if default == () else str(default)
        section = sections[setting.name]
        assert f"default {shown}." in section, setting.name
        assert f"--{setting.name.replace('_', '-')}" in section
        assert "Off" in section or "Without it" in section, f"{setting.name}: what goes wrong when it is off"


def test_every_label_is_documented() -> None:
    """Each label has a row and a section with examples in two languages at least."""
    text = text_of("docs/labels.md")
    sections = dict(re.findall(r"^## `([\w-]+)`\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert tuple(sections) == LABELS
    for label, section in sections.items():
        assert f"\n| `{label}` | {'yes' if label == 'body' else 'no'} | " in text
        assert len(set(re.findall(r"^- ([a-z]{2}): ", section, re.MULTILINE))) >= 2, label
        assert "Confused with" in section, label


def test_every_reason_is_documented_with_decision_limit_and_source() -> None:
    """Each reason has the row that the code's table gives it, and a case for and against."""
    text = text_of("docs/verdicts.md")
    sections = dict(re.findall(r"^## `([\w-]+)`\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert list(sections) == list(REASONS)
    for code, kind in REASONS.items():
        row = re.search(rf"^\| \[`{code}`\]\(#{code}\) \| (\w+) \| (.+?) \| (.+) \|$", text, re.MULTILINE)
        assert row is not None, code
        assert row.group(1) == kind.decision, code
        assert row.group(2) == (f"`--{kind.limit.replace('_', '-')}`" if kind.limit else row.group(2)), code
        assert row.group(3) == kind.source, f"{code}: docs/verdicts.md and verdict.py name different sources for the limit"
        assert sections[code].lstrip().startswith("Rejects." if kind.decision == "reject" else "Goes to review."), code
        assert "\n- For: " in sections[code], code
        assert "\n- Against: " in sections[code], code


def test_every_edit_kind_and_damage_code_is_documented() -> None:
    """Who reads a record finds each of its codes in docs/provenance.md."""
    assert not missing([*EDIT_KINDS, *DAMAGE_CODES], "docs/provenance.md")


def test_every_rule_that_decides_is_documented() -> None:
    """Every `by` that the code can write is explained."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in SOURCE.glob("*.py"))
    rules = set(re.findall(r'"([a-z-]+/[0-9]+)"', code)) - {"newsfilter/provenance/1"}
    assert rules >= {"repeated-headline/1", "dateline/1"}
    assert not missing([*rules, "model", "policy"], "docs/provenance.md")


def test_every_public_name_is_documented() -> None:
    """docs/python.md names everything that the package exports, and has a section for each function."""
    text = text_of("docs/python.md")
    absent = [name for name in newsfilter.__all__ if not re.search(rf"`(?:newsfilter\.)?{name}[`(]", text)]
    assert absent == []
    for name in newsfilter.__all__:
        if inspect.isroutine(getattr(newsfilter, name)):
            assert re.search(rf"^## .*`{name}`", text, re.MULTILINE), name


def test_every_fact_of_the_integrations_is_documented() -> None:
    """Who reads a pipeline's output finds each name in docs/pipelines.md."""
    assert not missing([PREFIX + name for name in FACTS], "docs/pipelines.md")


def test_the_model_file_is_documented() -> None:
    """docs/model.md gives each array's type and shape, and each key of the manifest."""
    text = text_of("docs/model.md")
    folder = shipped_model_folder()
    n_labels = len(load_model().labels)
    with np.load(folder / "model.npz", allow_pickle=False) as arrays:
        sizes = {"n_labels": n_labels, "n_trees": len(arrays["tree_label"]), "n_bytes": len(arrays["facts"])}
        sizes |= {f"n_{forest}_trees": len(arrays[f"{forest}_label"]) for forest in ("context", "cut", "kind")}
        for name in arrays.files:
            row = re.search(rf"^\| `{name}` \| (\w+) \| \((.+)\) \| ", text, re.MULTILINE)
            assert row is not None, name
            shape = [sizes.get(part, part) for part in re.findall(r"\w+", row.group(2))]
            assert (row.group(1), tuple(map(int, shape))) == (str(arrays[name].dtype), arrays[name].shape), name
    assert not missing(list(json.loads((folder / "manifest.json").read_bytes())), "docs/model.md")


def test_every_make_target_is_documented() -> None:
    """CONTRIBUTING.md lists what `make help` lists."""
    targets = re.findall(r"^([a-z]+):.*## ", text_of("Makefile"), re.MULTILINE)
    assert "acceptance" in targets
    assert not missing([f"make {target}" for target in targets], "CONTRIBUTING.md")


def test_every_fixture_folder_and_index_key_is_documented() -> None:
    """fixtures/README.md names each folder and each key of an index row."""
    rows = [json.loads(line) for path in (PROJECT / "fixtures/gold").glob("*.jsonl") for line in path.read_bytes().splitlines()]
    folders = [f"{path.name}/" for path in (PROJECT / "fixtures").iterdir() if path.is_dir()]
    folders += [f"{path.name}/" for path in (PROJECT / "fixtures/dump").iterdir() if path.is_dir()]
    assert not missing([*folders, *{key for row in rows for key in row}], "fixtures/README.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link leads to a file, and each anchor to a heading."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings], target


def test_the_changelog_names_this_version() -> None:
    """A release without an entry is an accident."""
    text = text_of("CHANGELOG.md")
    assert re.search(rf"^## {re.escape(newsfilter.__version__)} - ", text, re.MULTILINE)
    assert "### Known gaps" in text
