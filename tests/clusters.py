"""A real Dask cluster for tests: a scheduler and workers, each a process of its own, on loopback."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from children import harm_folder, wait_until
from conftest import ROOT

START_SECONDS = 60  # a crowded machine imports slowly


class Dask:
    """A scheduler, and workers that understand the markers of ``children.py``. All of them end with it."""

    def __init__(self, folder: Path, *, allowed_failures: int = 3) -> None:
        self.folder = folder
        path = os.pathsep.join(map(str, (harm_folder(folder / "harm"), Path(__file__).parent, ROOT)))
        self._environment = {
            **os.environ,
            "PYTHONPATH": path,
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(allowed_failures),
        }
        self.file = folder / "scheduler.json"
        self.workers: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start("scheduler", "--port", "0", "--scheduler-file", str(self.file))
        assert wait_until(self.file.exists, START_SECONDS), self.log("scheduler")
        assert wait_until(lambda: self.file.read_text().endswith("}"), START_SECONDS)
        self.address: str = json.loads(self.file.read_bytes())["address"]

    def add_worker(self, *options: str) -> "subprocess.Popen[bytes]":
        """Start a worker, and do not wait for it."""
        name = f"worker{len(self.workers)}"
        local = ("--local-directory", str(self.folder / name))
        self.workers.append(self._start("worker", self.address, "--nthreads", "1", *local, *options, log=name))
        return self.workers[-1]

    def _start(self, role: str, *options: str, log: str = "") -> "subprocess.Popen[bytes]":
        command: Sequence[str] = [
            *(sys.executable, "-m", f"distributed.cli.dask_{role}", *options),
            *("--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"),
        ]
        with (self.folder / f"{log or role}.log").open("ab") as stream:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=self._environment,
                stdout=stream,
                stderr=stream,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def log(self, name: str) -> str:
        """What a process said so far."""
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in (*self.workers, self.scheduler):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # a nanny's worker is in its session
            process.wait()
