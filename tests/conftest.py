"""What several test files share: a dump made of names and bytes, and a run of the command line."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, settings

import newsfilter
from newsfilter.cli import main
from newsfilter.cli_check import Order
from newsfilter.dumps.keeper import Keeper
from newsfilter.dumps.worker import close_keepers
from newsfilter.gate.judging import Clean

# By the clock, a crowded machine fails examples of which nothing is wrong.
settings.register_profile("newsfilter", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("newsfilter")

ROOT = Path(newsfilter.__file__).parent.parent
PARAGRAPH = (
    "The council of Harrow Bridge voted on Tuesday evening to keep the old ferry running for two more winters, after a debate that lasted four hours. "
    "Members from both banks said that the new bridge would not be open before the spring, and that nobody should have to drive forty miles to school."
)


class Ran(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


def article(number: int, paragraphs: int = 4) -> str:
    """A plain-text article that no other number gives."""
    return (
        "\n\n".join(
            [
                f"Ferry number {number} stays for the winter",
                *(f"In week {number * 10 + k} it was so. {PARAGRAPH}" for k in range(paragraphs)),
            ]
        )
        + "\n"
    )


def page(number: int) -> str:
    """The same as HTML."""
    title, *paragraphs = article(number).strip().split("\n\n")
    body = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    return f"<!DOCTYPE html><html><head><title>{title}</title></head><body><article><h1>{title}</h1>{body}</article></body></html>"


def make_tree(folder: Path, files: Mapping[str, bytes | str]) -> Path:
    """Write files below a folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def small_shards(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Cut containers as if they were larger: ranges of `size` bytes, and streams by that too."""
    monkeypatch.setattr("newsfilter.dumps.plan.SMALLEST_BYTES", size)
    monkeypatch.setattr("newsfilter.dumps.plan.PARTS", 10**9)
    monkeypatch.setattr("newsfilter.dumps.plan.GIVEN_BYTES", size)


def ledger(out: Path) -> list[dict[str, Any]]:
    """The ledger's lines."""
    return [json.loads(line) for line in (out / "ledger.jsonl").read_text(encoding="utf-8").splitlines()]


def run_file(out: Path) -> dict[str, Any]:
    """The content of run.json."""
    content: dict[str, Any] = json.loads((out / "run.json").read_text(encoding="utf-8"))
    return content


def files(out: Path) -> dict[str, bytes]:
    """Everything below a folder but run.json and what is kept for resuming, by name."""
    return {
        name: path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and not (name := path.relative_to(out).as_posix()).startswith(("run.json", "_done/", "_work/"))
    }


def command(*arguments: str | Path, **options: Any) -> "subprocess.Popen[str]":
    """Start newsfilter as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "newsfilter", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        encoding="utf-8",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


@pytest.fixture(autouse=True)
def _child_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in this process share the process that cleans, which takes longer to start than most tests take; each run as a command has its own.

    For that they must work in this process where no test asks for more of them by --jobs.
    """
    monkeypatch.setattr("newsfilter.dumps.pool.processors", lambda: 1)
    monkeypatch.setattr("newsfilter.dumps.run.close_keepers", lambda: None)
    monkeypatch.setattr("newsfilter.cli_check.judge", _shared_judge)


_judges: dict[tuple[str, str], Keeper] = {}  # at most one: what the last check in this process judged with


@contextmanager
def _shared_judge(order: Order) -> Iterator[Clean]:
    key = (order.settings.sha256(), order.digest)
    if key not in _judges:
        _end_judges()
        _judges[key] = Keeper(order.settings, order.model, order.digest)
    yield _judges[key].clean


def _end_judges() -> None:
    while _judges:
        _judges.popitem()[1].close()


@pytest.fixture(scope="session", autouse=True)
def _last_child_is_ended() -> Iterator[None]:
    yield
    close_keepers()
    _end_judges()


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder whose newsfilter.toml is empty, so that no settings file above it counts."""
    (tmp_path / "newsfilter.toml").touch()
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """A dump of six articles in two folders, of which one is empty and one no document."""
    return make_tree(
        tmp_path / "crawl",
        {
            "a/one.html": page(1),
            "a/two.txt": article(2),
            "b/three.htm": page(3),
            "b/four.txt": article(4),
            "b/empty.txt": b"",
            "b/logo.html": b"\x89PNG\r\n\x1a\n\0",
        },
    )


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Forty documents, which make three shards, a few of them odd."""
    names: dict[str, bytes | str] = {
        f"site{k % 3}/{k:02d}.{'html' if k % 2 else 'txt'}": page(k) if k % 2 else article(k) for k in range(37)
    }
    return make_tree(
        tmp_path / "many", {**names, "site0/empty.txt": b"", "site1/cut.html.gz": b"\x1f\x8b\x08\0", "site2/03.png": b"\x89PNG\r\n\x1a\n"}
    )


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run a command line in this process."""

    def _run(*arguments: str | Path) -> Ran:
        status = main([str(argument) for argument in arguments])
        return Ran(status, *capsys.readouterr())

    return _run
