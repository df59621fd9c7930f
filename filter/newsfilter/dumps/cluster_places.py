"""What a run on many machines must name so that all of them mean the same."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from newsfilter.dumps.cluster_worker import Common, libraries
from newsfilter.dumps.outputs_store import Store
from newsfilter.dumps.remote import is_url
from newsfilter.dumps.runfile import NAME as RUN_FILE
from newsfilter.dumps.sources import STDIN, Entry, Listing
from newsfilter.errors import InputError


def same_everywhere(listing: Listing) -> Listing:
    """Return a listing whose paths mean the same on all machines, if they share storage; URIs stay as they are.

    Raises
    ------
    InputError
        When an input is in the memory of this process alone.
    """
    return Listing(tuple(replace(entry, path=_absolute(entry.path)) for entry in listing.entries), listing.skipped)


def _absolute(path: str) -> str:
    if path == STDIN:
        return path
    if not is_url(path):
        return str(Path(path).absolute())
    if path.lower().startswith("memory://"):
        raise InputError(f"{path}: in the memory of this process, where no worker sees it; give a path or URL that all machines share")
    return path


def everywhere(place: str) -> str:
    """Return the name of OUT, or of a model, for all machines.

    Raises
    ------
    InputError
        As `same_everywhere` does.
    """
    return _absolute(place.removeprefix("file://"))


def common(store: Store, entries: Sequence[Entry]) -> Common:
    """Return what all workers must find as this process does."""
    digest = hashlib.sha256(store.read(RUN_FILE) or b"").hexdigest()
    samples: dict[int, Entry] = {}
    for entry in entries:
        if entry.fault is None and entry.raw is None:
            samples.setdefault(entry.place, entry)
    return Common(digest, tuple(samples.values()), libraries())
