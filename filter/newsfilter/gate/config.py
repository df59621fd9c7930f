"""The table ``[check]`` of a settings file, and which model it may choose."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from newsfilter.errors import ModelError, SettingsError
from newsfilter.gate.labels import LEAST
from newsfilter.settings import nearest

LISTS = ("select", "ignore")
KEYS = (*LISTS, "min-probability", "baseline", "model")


@dataclass(frozen=True, slots=True)
class CheckTable:
    """What a settings file says of `check`."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    least: float = LEAST
    baseline: Path | None = None
    model: Path | None = None


def check_table(data: Mapping[str, Any], path: Path) -> CheckTable:
    """Read the table.

    A checked repository may hold the file. So what it names must lie below the file's folder, and its model is not loaded for being named.

    Raises
    ------
    SettingsError
        For an unknown key, which it names the nearest known one for, a value of the wrong type, or a path that leads out.
    """
    values = {key.replace("_", "-"): value for key, value in data.items()}
    for key in values:
        if key not in KEYS:
            raise SettingsError(f"{path}: [check] has no key {key!r}; {nearest(key, list(KEYS))}")
    for key in LISTS:
        value = values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
            raise SettingsError(f"{path}: [check] {key} takes a list of strings, not {value!r}")
    least = values.get("min-probability", LEAST)
    if isinstance(least, bool) or not isinstance(least, int | float):
        raise SettingsError(f"{path}: [check] min-probability takes a number from 0 to 1, not {least!r}")
    return CheckTable(
        tuple(values.get("select", ())),
        tuple(values.get("ignore", ())),
        float(least),
        _inside(values, "baseline", path),
        _inside(values, "model", path),
    )


def _inside(values: Mapping[str, Any], key: str, path: Path) -> Path | None:
    value = values.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise SettingsError(f"{path}: [check] {key} takes a path, not {value!r}")
    named = path.parent / value
    if not named.resolve().is_relative_to(path.parent.resolve()):
        raise SettingsError(f"{path}: [check] {key} leads out of the folder of this file; name it on the command line instead")
    return named


def shipped_model() -> Path:
    """Return the folder of the model that comes with newsfilter."""
    package = Path(__file__).parents[1]
    inside = package / "_model"
    return inside if inside.is_dir() else package.parents[1] / "models" / "shipped"


def model_digest(folder: Path) -> str:
    """Return the sha256 of a model's file, and load nothing of it.

    Raises
    ------
    ModelError
        When it cannot be read.
    """
    path = folder if folder.is_file() else folder / "model.npz"
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); give --model the folder that holds the model") from error


def trusted_digest(model: Path, trusted: str | None, path: Path) -> str:
    """Return the digest of the model that a settings file names, if the command line names it too.

    Raises
    ------
    SettingsError
        When it does not.
    """
    digest = model_digest(model)
    if trusted is None or trusted.lower() != digest:
        raise SettingsError(
            f"{path}: [check] names a model of its own; to use it, give --trust-model {digest}; to use the shipped one, --model shipped"
        )
    return digest
