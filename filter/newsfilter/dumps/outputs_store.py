"""Where outputs go: a local folder, or remote storage by fsspec. A file appears under its name whole or not at all."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from newsfilter.dumps.remote import is_url, storage
from newsfilter.dumps.writing import StoppedError, stopped_by
from newsfilter.errors import InputError, OutputError

WHOLE_OBJECTS = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "oss", "r2", "memory"})
"""Storage whose objects appear when their upload is complete. Elsewhere a file is uploaded under a temporary name and renamed."""


class Store(Protocol):
    """What both kinds of storage can do. Names are relative to OUT, with forward slashes. What cannot be done is a StoppedError."""

    def name(self, name: str) -> str:
        """Return the whole name, for messages."""

    spools: Path | None  # the folder for spools, where they outlive a process; None: in `scratch`

    def scratch(self, name: str) -> Path:
        """Return a new path on this machine for what `put` will take, or for a spool. Who writes there removes it where `put` does not."""

    def put(self, scratch: Path, name: str) -> None:
        """Move a complete file from a scratch path to its name."""

    def read(self, name: str) -> bytes | None:
        """Return a small file's bytes; None where there is no such file."""

    def fetch(self, name: str, path: Path) -> None:
        """Bring a file to a path of this machine; a link will do. FileNotFoundError where there is no such file."""

    def size(self, name: str) -> int | None:
        """Return a file's size in bytes; None where there is no such file."""

    def names(self, folder: str) -> list[str]:
        """Return the names of the files in a folder, sorted; none where there is no such folder."""

    def remove(self, name: str) -> None:
        """Remove a file. One that is gone already is no error."""

    def remove_folder(self, folder: str) -> None:
        """Remove a folder if it is empty; no worker may be writing there. Object stores have none."""

    def close(self) -> None:
        """Let go of what was made on this machine besides scratch files."""


def write(store: Store, name: str, data: bytes) -> None:
    """Write a small file whole.

    Raises
    ------
    StoppedError
        When it cannot be written. Nothing is left of it.
    """
    path = store.scratch(name)
    try:
        path.write_bytes(data)
        store.put(path, name)
    except OSError as error:
        raise stopped_by(error, Path(store.name(name))) from error
    finally:
        with suppress(OSError):
            path.unlink()


def open_store(out: str) -> Store:
    """Return the storage that OUT names.

    Raises
    ------
    OutputError
        When a library for it is missing; names the extra to install.
    """
    if out.startswith("file://"):
        out = out.removeprefix("file://")
    if not is_url(out):
        return LocalStore(Path(out))
    try:
        system, root = storage(out)
    except InputError as error:
        raise OutputError(str(error)) from None
    return RemoteStore(out, system, root)


class LocalStore:
    """A folder. Scratch files lie beside what they become, so that renaming them copies nothing."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.spools: Path | None = root / "_work"

    def name(self, name: str) -> str:
        """Do as `Store` says."""
        return str(self.root / name)

    def scratch(self, name: str) -> Path:
        """Do as `Store` says."""
        path = self.root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise stopped_by(error, path) from error
        return path.parent / f".newsfilter-{secrets.token_hex(8)}.tmp"  # a name that writing.remove_temporaries knows

    def put(self, scratch: Path, name: str) -> None:
        """Do as `Store` says."""
        try:
            scratch.replace(self.root / name)
        except OSError as error:
            raise stopped_by(error, self.root / name) from error

    def read(self, name: str) -> bytes | None:
        """Do as `Store` says."""
        try:
            return (self.root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StoppedError(_unreadable(str(self.root / name), error)) from error

    def fetch(self, name: str, path: Path) -> None:
        """Do as `Store` says."""
        try:
            path.hardlink_to(self.root / name)
        except FileNotFoundError:
            raise
        except OSError:  # another file system, or one without links
            shutil.copyfile(self.root / name, path)

    def size(self, name: str) -> int | None:
        """Do as `Store` says."""
        try:
            return (self.root / name).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StoppedError(_unreadable(str(self.root / name), error)) from error

    def names(self, folder: str) -> list[str]:
        """Do as `Store` says."""
        try:
            return sorted(path.name for path in (self.root / folder).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise StoppedError(_unreadable(str(self.root / folder), error)) from error

    def remove(self, name: str) -> None:
        """Do as `Store` says."""
        path = self.root / name
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StoppedError(f"{path}: cannot be removed ({error.strerror or error}); make OUT writable and run again") from error

    def remove_folder(self, folder: str) -> None:
        """Do as `Store` says."""
        with suppress(OSError):
            (self.root / folder).rmdir()

    def close(self) -> None:
        """Do as `Store` says."""


class RemoteStore:
    """Remote storage. Scratch files lie in a temporary folder of this machine, which goes with the process."""

    spools: Path | None = None

    def __init__(self, url: str, system: Any, root: str) -> None:
        self._url, self._system, self._root = url.rstrip("/"), system, root.rstrip("/")
        protocols = {system.protocol} if isinstance(system.protocol, str) else set(system.protocol)
        self._whole = bool(protocols & WHOLE_OBJECTS)
        self._folder: Path | None = None

    def name(self, name: str) -> str:
        """Do as `Store` says."""
        return f"{self._url}/{name}"

    def scratch(self, name: str) -> Path:
        """Do as `Store` says."""
        try:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="newsfilter-"))
        except OSError as error:
            raise stopped_by(error, Path(tempfile.gettempdir())) from error
        return self._folder / f"{secrets.token_hex(8)}-{PurePosixPath(name).name}"

    def put(self, scratch: Path, name: str) -> None:
        """Do as `Store` says."""
        with self._asked(name, "written"):
            target = self._path(name)
            if self._whole:
                self._system.put_file(str(scratch), target)
            else:
                self._put_and_rename(scratch, target)
        scratch.unlink()

    def _put_and_rename(self, scratch: Path, target: str) -> None:
        parent = target.rpartition("/")[0]
        temporary = f"{parent}/.newsfilter-{secrets.token_hex(8)}.tmp"
        self._system.makedirs(parent, exist_ok=True)
        try:
            self._system.put_file(str(scratch), temporary)
            self._system.mv(temporary, target)
        except BaseException:
            with suppress(Exception):
                self._system.rm_file(temporary)
            raise

    def read(self, name: str) -> bytes | None:
        """Do as `Store` says."""
        with self._asked(name, "read"):
            try:
                return bytes(self._system.cat_file(self._path(name)))
            except FileNotFoundError:
                return None

    def fetch(self, name: str, path: Path) -> None:
        """Do as `Store` says."""
        if self.size(name) is None:
            raise FileNotFoundError(name)
        with self._asked(name, "read"):
            self._system.get_file(self._path(name), str(path))

    def copy(self, source: "RemoteStore", name: str) -> bool:
        """Have the storage copy a file of another of its folders; False where it cannot do that whole or not at all."""
        if source._system is not self._system or not self._whole:  # noqa: SLF001 - of its own kind
            return False
        if source.size(name) is None:
            raise FileNotFoundError(name)
        with self._asked(name, "written"):
            self._system.cp_file(source._path(name), self._path(name))  # noqa: SLF001 - of its own kind
        return True

    def size(self, name: str) -> int | None:
        """Do as `Store` says."""
        with self._asked(name, "read"):
            self._system.invalidate_cache()  # another worker may have written it since the folder was listed
            try:
                return int(self._system.info(self._path(name))["size"])
            except FileNotFoundError:
                return None

    def names(self, folder: str) -> list[str]:
        """Do as `Store` says."""
        with self._asked(folder, "read"):
            self._system.invalidate_cache()
            try:
                found = self._system.ls(self._path(folder), detail=False)
            except FileNotFoundError:
                return []
            return sorted(str(path).rstrip("/").rpartition("/")[2] for path in found)

    def remove(self, name: str) -> None:
        """Do as `Store` says."""
        with self._asked(name, "removed"), suppress(FileNotFoundError):
            self._system.rm_file(self._path(name))

    def remove_folder(self, folder: str) -> None:
        """Do as `Store` says."""
        if not self._whole:
            with suppress(Exception):  # not empty, or not there
                self._system.rmdir(self._path(folder))

    def close(self) -> None:
        """Do as `Store` says."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _asked(self, name: str, what: str) -> Iterator[None]:
        """Each kind of storage raises errors of its own, many of which are no OSError."""
        try:
            yield
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise StoppedError(
                f"{self._url}/{name}: cannot be {what} ({reason[:200]}); see that the storage can be reached and written to, and run the same "
                "command again with --resume"
            ) from error


def _unreadable(path: str, error: OSError) -> str:
    return f"{path}: cannot be read ({error.strerror or error}); make OUT readable and run the same command again with --resume"
