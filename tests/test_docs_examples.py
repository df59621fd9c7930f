"""What the documentation shows is what happens: Python examples, commands, settings files, the README's screen."""

import doctest
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from test_docs import DOCS, PAGES, PROJECT, SOURCE, Fence, fences

import newsfilter
from newsfilter.settings import Settings, with_values

EXAMPLES = [page for page in PAGES if any(fence.language == "python" and ">>>" in fence.text for fence in fences(page))]


@pytest.mark.slow
@pytest.mark.parametrize("page", EXAMPLES, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_python_examples_run(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the docs show of Python comes out as shown; a page's examples share their names."""
    monkeypatch.chdir(PROJECT)
    names: dict[str, Any] = {"__name__": "__main__"}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    said: list[str] = []
    for fence in fences(page):
        if fence.language == "python" and ">>>" in fence.text:
            test = doctest.DocTestParser().get_doctest(fence.text, names, page.name, str(page), fence.line - 1)
            runner.run(test, out=said.append, clear_globs=False)
            names = test.globs
    assert runner.tries > 0
    assert runner.failures == 0, "".join(said)


def test_pages_with_examples_are_found() -> None:
    """The README and the four pages that show Python are among those that run."""
    assert {page.name for page in EXAMPLES} >= {"README.md", "pipelines.md", "python.md", "provenance.md", "verdicts.md"}


RUNNABLE = [
    (fence, int(match.group(1)))
    for page in PAGES
    for fence in fences(page)
    if (match := re.fullmatch(r"<!-- runnable: exit (\d+) -->", fence.above))
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder like a fresh clone after installation: the fixtures, and `newsfilter` on the path."""
    (tmp_path / "fixtures").mkdir()
    for name in ("dump", "dumps"):
        (tmp_path / "fixtures" / name).symlink_to(PROJECT / "fixtures" / name)
    (tmp_path / "newsfilter.toml").touch()  # so that no settings file above it counts
    (tmp_path / "bin").mkdir()
    for name in ("newsfilter", "dask"):
        command = tmp_path / "bin" / name
        command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m {name} "$@"\n', encoding="utf-8")
        command.chmod(0o755)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fence", "status"), RUNNABLE, ids=lambda value: f"{value.page.name}:{value.line}" if isinstance(value, Fence) else ""
)
def test_commands_run(fence: Fence, status: int, checkout: Path) -> None:
    """A command that is marked runnable ends as its mark says, and prints the lines that are shown below it."""
    assert fence.language in ("console", "sh")
    paths = {"PATH": f"{checkout / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(SOURCE.parent)}
    script = ["trap 'kill $(jobs -p) 2> /dev/null || true' EXIT"]  # what a page leaves running, such as a cluster, ends with it
    shown: list[str] = []
    for line in fence.text.splitlines():
        (script if line.startswith("$ ") else shown).append(line.removeprefix("$ "))
    assert len(script) > 1
    assert not any(line.startswith("make") for line in script)
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(script)],
        cwd=checkout,
        env={**os.environ, **paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    assert ran.returncode == status, ran.stdout
    assert ran.stdout.splitlines() == shown


def test_the_readme_has_runnable_commands() -> None:
    """The marks are found: the README has one that succeeds and one that does not."""
    assert {status for fence, status in RUNNABLE if fence.page.name == "README.md"} == {0, 2}


def test_the_readme_shows_the_two_commands_first() -> None:
    """`make demo` and `make test` come before everything else that a shell can do."""
    first = next(fence for fence in fences(PROJECT / "README.md") if fence.language in ("sh", "console"))
    assert [line.split("#")[0].strip() for line in first.text.splitlines()] == ["make demo", "make test"]


def test_the_readme_shows_the_fixture_as_it_is() -> None:
    """The input that the README shows is the document's own; what was left out is marked."""
    shown = next(fence for fence in fences(PROJECT / "README.md") if fence.language == "text")
    document = (PROJECT / "fixtures/dump/metin/003_feribot-hediyesi.txt").read_text(encoding="utf-8")
    for part in shown.text.split("…\n"):
        assert part in document


@pytest.mark.slow
def test_the_readme_shows_the_record_as_it_is() -> None:
    """Every entry of the record that the README shows is in the real one: its place, label, rule and beginning."""
    raw = (PROJECT / "fixtures/dump/metin/003_feribot-hediyesi.txt").read_bytes()
    record = newsfilter.clean(raw).record
    shown = next(fence.text for fence in fences(PROJECT / "README.md") if '"schema": "newsfilter/provenance/1"' in fence.text)
    rows = re.findall(
        r'\{"start": (\d+), "end": (\d+), "block": (\d+), "label": "([\w-]+)", "kept": (true|false)(?:, "by": "([^"]+)")?', shown
    )
    assert len(rows) == 4
    for start, end, block, label, kept, by in rows:
        entry = next(entry for entry in record["blocks"] if entry["block"] == int(block))
        assert (str(entry["start"]), str(entry["end"]), entry["label"], json.dumps(entry["kept"])) == (start, end, label, kept)
        assert by in ("", entry["by"])
        if entry["kept"]:
            assert f'"at": {entry["at"]}' in shown
    for key in ("title", "byline"):
        assert f'"{key}": {json.dumps(record[key], ensure_ascii=False)}' in shown
    for edit in record["edits"]:
        assert json.dumps(edit) in shown


def test_examples_of_settings_files_are_settings() -> None:
    """The TOML that docs/settings.md shows is read without an error."""
    examples = [fence for fence in fences(DOCS / "settings.md") if fence.language == "toml"]
    assert len(examples) == 2
    for fence in examples:
        data = tomllib.loads(fence.text)
        assert with_values(Settings(), data.get("tool", {}).get("newsfilter", data), "docs") != Settings()
