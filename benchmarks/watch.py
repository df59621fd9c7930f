"""A command's use of the machine: wall and CPU seconds, and the peak memory of each of its processes."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

SECONDS_BETWEEN = 0.25  # two looks at the processes: a look takes a millisecond
_TICKS = os.sysconf("SC_CLK_TCK")
_ROLES = (
    ("newsfilter.dumps.child", "child"),
    ("resource_tracker", "tracker"),
    ("loky", "worker"),
)  # words of a command line and what they mean, first match; DataTrove's processes are all forks of one server


@dataclass(frozen=True, slots=True)
class Used:
    """What a command took."""

    wall: float  # seconds
    cpu: float  # seconds, of all its processes
    others: float  # processors that everything else on the machine kept busy meanwhile, on average
    peaks: Mapping[str, int] = field(default_factory=dict)  # role -> bytes that the largest process of that role held at its peak
    output: str = ""  # its standard output


class FailedError(Exception):
    """A command that ended with an error."""


def watched(command: Sequence[str], env: Mapping[str, str] | None = None) -> Used:
    """Run a command and watch it and its descendants.

    Raises
    ------
    FailedError
        When it ends with another status than 0; the message holds the end of what it printed.
    """
    cpu: dict[int, float] = {}
    peaks: dict[str, int] = {}
    busy_before, started = _busy(), time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", env={**os.environ, **(env or {})}
    )
    output = errors = ""
    while True:
        for one in _tree(process.pid):
            with suppress(OSError, IndexError, ValueError):  # it has ended since it was listed
                role = _role(one, process.pid)
                peaks[role] = max(peaks.get(role, 0), _peak(one))
                cpu[one] = _cpu(one)
        try:
            output, errors = process.communicate(timeout=SECONDS_BETWEEN)
            break
        except subprocess.TimeoutExpired:
            continue
    wall = time.perf_counter() - started
    if process.returncode != 0:
        raise FailedError(f"{' '.join(command)[:300]}: exit status {process.returncode}\n{output[-2000:]}{errors[-4000:]}")
    spent = sum(cpu.values())
    return Used(wall, spent, max(0.0, (_busy() - busy_before - spent) / wall), peaks, output)


def _tree(root: int) -> Iterator[int]:
    """A process and its descendants."""
    yield root
    with suppress(OSError):
        for task in Path(f"/proc/{root}/task").iterdir():
            for child in (task / "children").read_text(encoding="ascii").split():
                yield from _tree(int(child))


def _role(process: int, root: int) -> str:
    command = Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    found = next((role for word, role in _ROLES if word in command), "process")
    return "main" if process == root else found


def _peak(process: int) -> int:
    """The kernel's own count of the most bytes that a process held: a peak between two looks is not missed."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8", errors="replace")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _cpu(process: int) -> float:
    facts = Path(f"/proc/{process}/stat").read_bytes().rpartition(b") ")[2].split()
    return (int(facts[11]) + int(facts[12])) / _TICKS


def _busy() -> float:
    """CPU seconds that the machine's processors have been busy with anything."""
    user, nice, system, _idle, _wait, irq, softirq = map(int, Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:8])
    return (user + nice + system + irq + softirq) / _TICKS
