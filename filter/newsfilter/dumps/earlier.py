"""What OUT holds before anything is written to it."""

from pathlib import Path
from typing import Any

from newsfilter.dumps.outputs_store import Store
from newsfilter.dumps.runfile import read_run
from newsfilter.dumps.writing import StoppedError
from newsfilter.errors import OutputError


def earlier_run(store: Store, local: Path | None, *, resume: bool, overwrite: bool) -> dict[str, Any] | None:
    """Look at what OUT holds, and return the ``run.json`` there, if there is one.

    Parameters
    ----------
    store
        OUT.
    local
        Its folder; None on remote storage.
    resume, overwrite
        What the user allows for an OUT that is not empty.

    Raises
    ------
    OutputError
        When what is there is in the way.
    """
    out = store.name("").rstrip("/")
    if local is not None and local.exists() and not local.is_dir():
        raise OutputError(f"{out}: not a folder; give -o a folder")
    try:
        if not store.names(""):
            return None
    except StoppedError as error:
        raise OutputError(f"{out}: cannot be listed ({error}); give -o another folder") from None
    if not (resume or overwrite):
        raise OutputError(
            f"{out}: not empty; use --resume to go on with the run there, --overwrite to replace it, or give -o another folder"
        )
    earlier = read_run(store)
    if earlier is None and resume:
        raise OutputError(f"{out}: not empty, and holds no run to resume (no run.json); give -o another folder, or use --overwrite")
    return earlier
