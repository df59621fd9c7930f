"""Which files are checked: those that were named, and those below named folders that look like texts, pages or tables."""

import os
import shlex
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from newsfilter.dumps.plan import format_of
from newsfilter.dumps.remote import is_url
from newsfilter.dumps.sources import STDIN, Entry, as_uri, list_sources
from newsfilter.errors import InputError, SettingsError
from newsfilter.records import MediaType

TABLES = ("jsonl", "csv", "parquet")
_TEXTS = ("txt", "text", "md", "markdown", "html", "htm", "xhtml", "shtml")
_MARKDOWN = (".md", ".markdown")
_MANY = "holds many documents in a form that check does not read; clean it with: newsfilter clean FILE -o OUT"


@dataclass(frozen=True, slots=True)
class Target:
    """One file to check."""

    path: str  # to open
    name: str  # to show: relative to the working folder where it lies in it, with forward slashes
    kind: str  # "text" for one document, of whatever markup; else one of `TABLES`
    named: bool  # by the user, and not found in a folder
    media_type: MediaType | None = None  # None: told by content

    def entry(self) -> Entry:
        """Return it as the readers of dumps take it."""
        return Entry(self.name, self.path)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a file, or a row of it, could not be judged, or not be fixed."""

    name: str
    message: str  # ends with what to do, where anything can be done
    line: int | None = None  # from 1


@dataclass(slots=True)
class Targets:
    """What was found."""

    files: list[Target]
    problems: list[Problem]
    skipped: Counter[str]  # files below named folders that are not checked, by kind


def find_targets(paths: Sequence[str]) -> Targets:
    """List the files to check, in the order in which they were named, those of a folder by name. A file is listed once.

    No symbolic link is followed, in folders or as a FILE: a commit can hold links to anywhere.

    Raises
    ------
    SettingsError
        For a URL or standard input: `check` opens no network, and its findings have a place in a file.
    """
    for path in paths:
        if is_url(path):
            raise SettingsError(f"{path}: check reads local files only; clean it with: newsfilter clean {path} -o OUT")
        if path == STDIN:
            raise SettingsError("check does not read standard input; give files or folders")
    found = Targets([], [], Counter())
    seen: set[str] = set()
    for path in paths:
        for target in _below(path, found):
            here = os.path.abspath(target.path)  # noqa: PTH100 - does not follow links
            if here not in seen:
                seen.add(here)
                found.files.append(target)
    return found


def _below(path: str, found: Targets) -> Iterator[Target]:
    name = shown_name(path)
    try:
        mode = os.lstat(path).st_mode
    except OSError as error:
        why = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        found.problems.append(Problem(name, f"{why}; give files or folders"))
        return
    if stat.S_ISREG(mode):
        if (target := _target(path, named=True)) is not None:
            yield target
        else:
            found.problems.append(Problem(name, _MANY.replace("FILE", shlex.quote(name))))
    elif stat.S_ISDIR(mode):
        yield from _folder(path, found)
    elif stat.S_ISLNK(mode):
        found.problems.append(Problem(name, "is a symbolic link, and check follows none; give the file that it leads to"))
    else:
        found.problems.append(Problem(name, "is no regular file; give files or folders"))


def _folder(path: str, found: Targets) -> Iterator[Target]:
    try:
        listing = list_sources([path])
    except InputError as error:
        found.problems.append(Problem(shown_name(path), str(error).removeprefix(f"{path}: ")))
        return
    found.skipped.update({kind: count for kind, count in listing.skipped.items() if kind != "repeated"})
    for entry in listing.entries:
        if entry.fault:
            found.problems.append(Problem(shown_name(entry.path), "the folder cannot be listed; make it readable"))
        elif Path(entry.path).is_symlink():
            found.skipped["symlink"] += 1
        elif any(part.startswith(".") for part in entry.uri.split("/")):
            found.skipped["hidden"] += 1
        elif (target := _target(entry.path, named=False)) is not None:
            yield target
        else:
            found.skipped["other"] += 1


def _target(path: str, *, named: bool) -> Target | None:
    """The target at a path; None for archives and, unless they were named, files that look like no document."""
    name, lower = shown_name(path), path.lower()
    kind = format_of(path)
    if kind in TABLES:
        return Target(path, name, kind, named)
    plain = lower.removesuffix(".gz")
    if kind is not None or (not named and plain.rpartition(".")[2] not in _TEXTS):
        return None
    return Target(path, name, "text", named, "text/plain" if plain.endswith(_MARKDOWN) else None)


def shown_name(path: str) -> str:
    """Return a path as it is shown: relative to the working folder where it lies in it."""
    whole = os.path.abspath(path)  # noqa: PTH100 - does not follow links
    here = Path.cwd()
    return as_uri(Path(whole).relative_to(here).as_posix() if Path(whole).is_relative_to(here) else whole)
