"""The hooks of .pre-commit-hooks.yaml, run by the real pre-commit in a git repository of their own, from the working tree."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT, article, make_tree
from gate_support import FOOTER, spammed

from newsfilter.dumps.plan import SUFFIXES
from newsfilter.gate.fix_record import restore_fix
from newsfilter.gate.targets import TABLES, find_targets

PROJECT = Path(__file__).parents[1]
MANIFEST = PROJECT / ".pre-commit-hooks.yaml"
HOOKS: dict[str, dict[str, Any]] = {hook["id"]: hook for hook in yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))}


class Repository:
    """A git repository with pre-commit installed, in an environment that knows nothing of this machine: no home, no identity, no network."""

    def __init__(self, folder: Path, hooks: list[str]) -> None:
        self.folder = folder / "repo"
        shim = folder / "bin/newsfilter"
        make_tree(folder, {"bin/newsfilter": f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -m newsfilter "$@"\n', "home/.keep": ""})
        shim.chmod(0o755)
        person = {
            f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "A"), ("EMAIL", "a@b.example"))
        }
        self.environment = {
            "PATH": os.pathsep.join([str(shim.parent), str(Path(sys.executable).parent), os.environ["PATH"]]),
            "HOME": str(folder / "home"),
            "PRE_COMMIT_HOME": str(folder / "cache"),
            "PYTHONPATH": str(ROOT),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
            "LC_ALL": "C.UTF-8",
            "PIP_NO_INDEX": "1",
            **person,
        }
        # The hooks as they are published, but taken from this working tree: a cloned repository would be tested as it was committed.
        local = [{**HOOKS[hook], "language": "system"} for hook in hooks]
        config = {"repos": [{"repo": "local", "hooks": local}]}
        make_tree(self.folder, {".pre-commit-config.yaml": json.dumps(config), "newsfilter.toml": "", ".gitignore": ".newsfilter/\n"})
        self.must("git", "init", "--quiet", "--initial-branch", "main")
        self.must(sys.executable, "-m", "pre_commit", "install")
        self.must("git", "add", ".")
        self.must("git", "commit", "--quiet", "--message", "begin")

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            arguments,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )

    def must(self, *arguments: str) -> str:
        ran = self.run(*arguments)
        assert ran.returncode == 0, ran.stdout
        return ran.stdout

    def commit(self) -> "subprocess.CompletedProcess[str]":
        self.must("git", "add", ".")
        return self.run("git", "commit", "--message", "news")


@pytest.mark.slow
def test_a_commit_with_an_escort_footer_is_refused_fixed_and_passes(tmp_path: Path) -> None:
    repository = Repository(tmp_path, ["newsfilter-fix", "newsfilter-check"])
    make_tree(repository.folder, {"news/a.txt": spammed(1), "news/b.txt": article(2), "code.py": f"# {FOOTER}\n"})
    refused = repository.commit()
    assert refused.returncode == 1
    assert re.search(rf"^news/a\.txt:11:1: spam-adult \d\.\d\d {FOOTER}$", refused.stdout, re.MULTILINE)
    assert "fixed: news/a.txt: 1 stretch removed" in refused.stdout
    assert "files were modified by this hook" in refused.stdout
    assert "code.py" not in refused.stdout
    assert (repository.folder / "news/a.txt").read_text() == article(1)
    [record] = (repository.folder / ".newsfilter/fixes").rglob("*.fix.json")
    assert restore_fix(json.loads(record.read_text(encoding="utf-8")), article(1).encode()) == spammed(1).encode()
    passed = repository.commit()
    assert passed.returncode == 0, passed.stdout
    assert repository.must("git", "show", "HEAD:news/a.txt") == article(1)


@pytest.mark.slow
def test_the_check_alone_refuses_and_changes_nothing(tmp_path: Path) -> None:
    """All files of a commit go to one process, whose summary stands once."""
    repository = Repository(tmp_path, ["newsfilter-check"])
    make_tree(repository.folder, {f"news/{number}.txt": spammed(number) if number == 7 else article(number) for number in range(20)})
    make_tree(repository.folder, {"rows.jsonl": json.dumps({"text": spammed(3)}) + "\n"})
    refused = repository.commit()
    assert refused.returncode == 1
    assert refused.stdout.count("newsfilter: 2 findings in 2 of 21 files") == 1
    assert (repository.folder / "news/7.txt").read_text() == spammed(7)
    make_tree(repository.folder, {"news/7.txt": article(7), "rows.jsonl": json.dumps({"text": article(3)}) + "\n"})
    assert repository.commit().returncode == 0


@pytest.mark.slow
def test_a_link_in_a_commit_is_not_followed(tmp_path: Path) -> None:
    repository = Repository(tmp_path, ["newsfilter-check"])
    make_tree(tmp_path, {"secret.txt": spammed(1)})
    (repository.folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    passed = repository.commit()
    assert (passed.returncode, FOOTER in passed.stdout) == (0, False)


def test_the_manifest_is_valid() -> None:
    """As pre-commit sees it when somebody names this repository in a configuration."""
    subprocess.run([sys.executable, "-m", "pre_commit", "validate-manifest", str(MANIFEST)], check=True)
    assert set(HOOKS) == {"newsfilter-check", "newsfilter-fix"}
    assert all(hook["language"] == "python" and hook["require_serial"] for hook in HOOKS.values())


def test_the_hooks_take_what_check_takes_from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that a folder's walk looks at is one that the hook is given, and the other way round; the fix takes those that it can rewrite."""
    monkeypatch.chdir(tmp_path)
    endings = {ending for kind in TABLES for ending in SUFFIXES[kind]} | {
        f".{plain}" for plain in "txt text md markdown html htm xhtml shtml".split()
    }
    names = {f"a{ending}" for ending in endings} | {
        "b.TXT",
        "c.txt.gz",
        "d.md.gz",
        "e.py",
        "f",
        "g.json",
        "h.png",
        "i.txt.zip",
        "j.warc.gz",
        "k.provenance.json",
    }
    make_tree(tmp_path, dict.fromkeys(names, ""))
    walked = {target.path.removeprefix("./") for target in find_targets(["."]).files}
    assert {name for name in names if re.search(HOOKS["newsfilter-check"]["files"], name)} == walked
    fixable = {name for name in names if re.search(HOOKS["newsfilter-fix"]["files"], name)}
    assert fixable == {name for name in walked if not name.endswith((".gz", ".zst", ".csv", ".tsv", ".parquet", ".pq", "html", ".htm"))}
