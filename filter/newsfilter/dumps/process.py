"""A child process as its worker sees it: started, talked to, measured, ended. And what the two say to each other.

Imports nothing that takes time or memory, so that a job is one busy process.
"""

import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from newsfilter.dumps.writing import StoppedError

POLL_SECONDS = 0.05  # between two looks at the child; in that time it can fill some 200 MB
STALL_SECONDS = 5 * POLL_SECONDS  # counted at most between two looks: a worker that was stopped, or a machine that slept, is no hang
NOISE_BYTES = 4_000  # of what libraries print: the end is kept, to say why a child did not start
READ_BYTES = 1 << 20

HEADER = struct.Struct("<cIQ")  # kind, number of the document in its batch, bytes that follow
ORDER, BATCH = b"o", b"b"  # to the child: settings and model; sources to clean
READY, REFUSED = b"y", b"n"  # from the child, once: CPU seconds of its start, or why it cannot work
READING, SCORING, FINISHING = b"r", b"s", b"f"  # signs of life, each when that begins
ANSWER, DONE = b"a", b"d"  # a document's Result; CPU seconds of the batch by stage
_KNOWN = frozenset({READY, REFUSED, READING, SCORING, FINISHING, ANSWER, DONE})

Message = tuple[bytes, int, bytes]  # kind, number, payload
_PAGE_BYTES, _TICKS = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Trouble(Exception):  # noqa: N818 - no error of the program: a child that hung, died, or grew too large
    """What happened to a child, in the words of a ledger line: `reason` and `detail`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


def frame(kind: bytes, number: int = 0, payload: bytes = b"") -> bytes:
    """Return one message as it goes through a pipe."""
    return HEADER.pack(kind, number, len(payload)) + payload


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the system says of a process."""

    resident: int  # bytes
    cpu: float  # seconds since it began
    waits: bool  # for anything but a processor


def vitals(process: int) -> Vitals:
    """Look at a process. One that is gone, and where there is no ``/proc`` every one, holds nothing and waits: there, no memory limit holds."""
    try:
        facts = Path(f"/proc/{process}/stat").read_bytes().rpartition(b") ")[2].split()  # behind a name that may hold anything
        return Vitals(int(facts[21]) * _PAGE_BYTES, (int(facts[11]) + int(facts[12])) / _TICKS, waits=facts[0] != b"R")
    except (OSError, IndexError):
        return Vitals(0, 0.0, waits=True)


class Child:
    """A process that runs ``child.py``, in a session of its own.

    Four pipes lead to it: for requests, for messages, for what libraries print, and one that nobody writes to, whose end tells it that its worker
    is gone.

    Raises
    ------
    StoppedError
        When the system has no room for another process.
    """

    def __init__(self) -> None:
        hears, self._requests = os.pipe()
        self._messages, speaks = os.pipe()
        lives, self._life = os.pipe()
        theirs = (hears, speaks, lives)
        try:
            self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                # -P, and the path as it is here: a file named numpy.py in the folder of a dump must not be imported
                [sys.executable, "-P", "-m", "newsfilter.dumps.child", *map(str, theirs)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                pass_fds=theirs,
                start_new_session=True,
                env={**os.environ, **_ONE_THREAD, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        except OSError as error:
            self._close()
            raise StoppedError(
                f"the process that cleans cannot be started ({error.strerror}); run the same command again with --resume and fewer --jobs"
            ) from error
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        assert self.process.stdout is not None
        self._noise, self._printed = self.process.stdout.fileno(), b""
        self._poller = select.poll()
        for descriptor in (self._messages, self._noise):
            self._poller.register(descriptor, select.POLLIN)
        for descriptor in (self._requests, self._noise):
            os.set_blocking(descriptor, False)
        self._unsent = memoryview(b"")
        self._heard = bytearray()

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    @property
    def resident(self) -> int:
        """Bytes of memory that it holds."""
        return vitals(self.process.pid).resident

    def talk(self, request: bytes, seconds: float, most_bytes: int = 0) -> Iterator[Message]:
        """Send a request and yield the child's messages. The caller stops listening at the last.

        Raises
        ------
        Trouble
            When the child dies, holds more than `most_bytes` (0: no limit), or has worked or waited for `seconds` without a message; it must be
            ended then. While it wants a processor and gets none, as on an overcrowded machine, its time stands still.
        """
        self._unsent = memoryview(request)
        self._poller.register(self._requests, select.POLLOUT)
        looked, before = time.monotonic(), vitals(self.process.pid)
        silent, lives = 0.0, False
        while True:
            # All that was said is heard before the clock is read: a worker that was stopped for a while finds its child done, not hanging.
            for descriptor, _ in self._poller.poll(POLL_SECONDS * 1000):
                if descriptor == self._noise:
                    self._listen()
                    continue
                if descriptor == self._messages:
                    self._receive()
                else:
                    self._send()
                lives = True  # it speaks, or listens
            yield from self._complete()
            passed = time.monotonic() - looked
            if passed < POLL_SECONDS:
                continue
            looked += passed
            now = vitals(self.process.pid)
            # Between two looks of a starved worker may lie much work on many documents: a sign of life anywhere there starts the clock at the second.
            silent = 0.0 if lives else silent + (min(passed, STALL_SECONDS) if now.waits else now.cpu - before.cpu)
            before, lives = now, False
            if most_bytes and now.resident > most_bytes:
                raise Trouble("memory", f"{most_bytes / 1e6:.0f} MB")
            if silent > seconds:
                raise Trouble("timeout", f"{seconds:g} s")

    def _send(self) -> None:
        try:
            self._unsent = self._unsent[os.write(self._requests, self._unsent[:READ_BYTES]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # it has died; the end of its messages says so next
            self._unsent = memoryview(b"")
        if not self._unsent:
            self._poller.unregister(self._requests)

    def _receive(self) -> None:
        heard = os.read(self._messages, READ_BYTES)
        if not heard:
            raise Trouble("crashed", self._ending())
        self._heard += heard

    def _complete(self) -> Iterator[Message]:
        while len(self._heard) >= HEADER.size:
            kind, number, size = HEADER.unpack_from(self._heard)
            if kind not in _KNOWN:
                raise Trouble("crashed", "garbled answer")
            end = HEADER.size + size
            if len(self._heard) < end:
                return
            payload = bytes(memoryview(self._heard)[HEADER.size : end])
            del self._heard[:end]
            yield kind, number, payload

    def _listen(self) -> bool:
        """Read what was printed, and return whether there may be more."""
        try:
            printed = os.read(self._noise, READ_BYTES)
        except BlockingIOError:
            return False
        if not printed:
            self._poller.unregister(self._noise)
        self._printed = (self._printed + printed)[-NOISE_BYTES:]
        return bool(printed)

    def last_words(self) -> str:
        """Return the last line that it printed; "" for none."""
        while self._listen():
            pass
        lines = self._printed.decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def _ending(self) -> str:
        """Say what a child died of whose pipe has closed: its signal's name, or its exit status."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)  # its files are closed a moment before it is gone
        self._kill()
        status = self.process.returncode
        if status >= 0:
            return f"exit status {status}"
        try:
            return signal.Signals(-status).name
        except ValueError:
            return f"signal {-status}"

    def _kill(self) -> None:
        if self.alive:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def _close(self) -> None:
        for descriptor in (self._requests, self._messages, self._life):
            os.close(descriptor)

    def end(self) -> None:
        """Kill it, with all that it started, and close the pipes. It holds nothing that would have to be put in order."""
        self._kill()
        self._close()
        assert self.process.stdout is not None
        self.process.stdout.close()
