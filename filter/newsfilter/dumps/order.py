"""What a run is asked to do, and how it ended."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from newsfilter.dumps.keeper import Limits
from newsfilter.dumps.outputs_rows import Format
from newsfilter.dumps.readers import ReadOptions
from newsfilter.settings import Settings

Watch = Callable[[int, int, float | None], None]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What a run is asked to do."""

    sources: tuple[str, ...]  # files, folders, URLs, "-"
    out: str  # a local folder, or a URL that fsspec opens
    settings: Settings
    options: ReadOptions
    to: Format = "files"
    out_field: str | None = None
    model_path: Path | None = None  # None: the shipped model
    jobs: int = 1  # processes; 1 works in this one, with a child. On a cluster: shards that are handed out at a time, 0: as it has threads
    scheduler: str | None = None  # of a Dask cluster, such as tcp://host:8786; None: this machine
    limits: Limits = field(default_factory=Limits)
    part: tuple[int, int] = (1, 1)  # (3, 40): the third of forty slices
    resume: bool = False
    overwrite: bool = False
    dedup: bool = False  # list exact repeats of bodies when all is done


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended."""

    content: dict[str, Any]  # as run.json has it
    stopped: str | None = None  # why it ended early, other than by an interrupt
    interrupted: bool = False
    imbalance: str | None = None  # what does not add up
    notes: tuple[str, ...] = ()  # what the user should know besides
