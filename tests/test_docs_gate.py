"""The commands that docs/gate.md gives to a GitHub workflow, to DVC and to make do what the page says."""

import json
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
import yaml
from conftest import article, make_tree
from gate_support import spammed
from test_docs import DOCS, PROJECT, SOURCE, fences, missing
from test_docs_examples import checkout  # noqa: F401 - a fixture

from newsfilter.gate.config import KEYS, check_table

PAGE = DOCS / "gate.md"


def foreign_commands() -> Iterator[str]:
    """Every command line that the page's YAML and make fences give to another tool."""
    for fence in fences(PAGE):
        if fence.language == "make":
            yield from re.findall(r"^\t(.*)$", fence.text, re.MULTILINE)
        elif fence.language == "yaml":
            content = yaml.safe_load(fence.text)
            for job in content.get("jobs", {}).values():
                yield from (step["run"] for step in job["steps"] if "run" in step)
            for stage in content.get("stages", {}).values():
                yield stage["cmd"]


COMMANDS = [command for command in foreign_commands() if command.startswith("newsfilter")]


def test_the_three_tools_have_a_command_each() -> None:
    assert [re.findall(r"--(format|baseline)", command) for command in COMMANDS] == [["format"], ["format"], ["baseline"]]


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("text", "status"), [(article(1), 0), (spammed(1), 1)])
def test_commands_for_other_tools_pass_and_fail(command: str, text: str, status: int, checkout: Path) -> None:  # noqa: F811 - the fixture
    """Status 0 lets the tool go on, 1 stops it; what it is to upload or keep is JSON either way."""
    make_tree(checkout, {"news/a.txt": text, "news/articles.jsonl": json.dumps({"text": text}) + "\n"})
    make_tree(checkout, {"accepted.json": '{"schema": "newsfilter/baseline/1", "findings": []}'})
    paths = {"PATH": f"{checkout / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(SOURCE.parent)}
    ran = subprocess.run(
        ["bash", "-c", command], cwd=checkout, env={**os.environ, **paths}, capture_output=True, encoding="utf-8", check=False
    )
    assert ran.returncode == status, ran.stderr
    for name in re.findall(r"> (\S+)", command):
        content = json.loads((checkout / name).read_text(encoding="utf-8"))
        assert bool(content.get("findings") or content.get("runs", [{}])[0].get("results")) is bool(status)


def test_the_settings_file_that_is_shown_is_one() -> None:
    [fence] = [fence for fence in fences(PAGE) if fence.language == "toml"]
    table = tomllib.loads(fence.text)["check"]
    assert check_table(table, Path("newsfilter.toml")).least == table["min-probability"]
    assert set(table) | {"model"} == set(KEYS)


def test_the_fix_records_schema_and_the_page_name_the_same_keys() -> None:
    schema = json.loads((PROJECT / "docs/fix-1.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    keys = [*schema["properties"], *schema["$defs"]["removed"]["properties"], *schema["$defs"]["digests"]["properties"]]
    assert missing(keys, "docs/gate.md") == []


def test_every_exit_status_of_the_gate_is_documented() -> None:
    assert all(f"\n| {status} | " in PAGE.read_text(encoding="utf-8") for status in (0, 1, 2, 130))
