"""One frozen tuple of settings, and where it is read from."""

import difflib
import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from newsfilter.errors import SettingsError
from newsfilter.records import LABELS

# ISO 639-1 codes of the languages that langdetect has profiles for, and Azerbaijani, which is told by its letters.
LANGUAGES = tuple(
    "af ar az bg bn ca cs cy da de el en es et fa fi fr gu he hi hr hu id it ja kn ko lt lv mk ml mr ne nl no pa pl pt ro ru sk sl so sq sv sw ta te "
    "th tl tr uk ur vi zh".split()
)


POLICY = ("keep", "lang", "min_words", "max_removed", "max_spam", "max_uncertain")
"""Settings that are about what is done with what the model said, so that records alone are enough to apply others (``newsfilter reapply``)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that changes what comes out, apart from the model.

    The same names stand in ``newsfilter.toml`` and ``[tool.newsfilter]``, and, with dashes, on the command line.
    """

    keep: tuple[str, ...] = field(
        default=(), metadata={"help": "labels to keep in the body beside 'body', such as caption, byline, headline"}
    )
    lang: tuple[str, ...] = field(
        default=(), metadata={"help": "accept these languages only (ISO 639-1); others are rejected as other-language. Empty: accept all"}
    )
    language: bool = field(
        default=True,
        metadata={"help": "tell each body's language. Off, it is unknown, and texts that were extracted already are cleaned faster"},
    )
    min_words: int = field(
        default=40, metadata={"help": "fewer words in the body go to review as too-short. Off (0), stubs and photo pages are accepted"}
    )
    max_removed: float = field(
        default=0.5,
        metadata={
            "help": "a larger share of the words that look like an article removed goes to review as mostly-removed. Off (1), a misread article is lost unseen"
        },
    )
    max_spam: float = field(
        default=0.5,
        metadata={
            "help": "a larger share of spam among the words that are body or spam is rejected as mostly-spam. Off (1), spam with an honest line is accepted"
        },
    )
    max_uncertain: float = field(
        default=0.25,
        metadata={
            "help": "a larger share of the body's words in blocks that the model is unsure of goes to review as uncertain. Off (1), guesses are accepted"
        },
    )
    max_bytes: int = field(
        default=20_000_000,
        metadata={"help": "a larger document is rejected as too-large, unread. Off (0), one document can take all memory"},
    )
    repair: bool = field(
        default=True, metadata={"help": "mend mojibake with ftfy and compose letters (NFC). Off, 'Ä±' stays as it was scraped"}
    )
    date_search: bool = field(
        default=False, metadata={"help": "search the whole page for a date where its metadata has none; costs about 10 ms a page"}
    )

    def __post_init__(self) -> None:
        for name in ("keep", "lang"):
            if isinstance(getattr(self, name), str):  # "caption" would else be seven labels of a letter each
                raise SettingsError(f"{name}: {getattr(self, name)!r} is one string; give a tuple of strings")
        if self.lang and not self.language:
            raise SettingsError("lang: languages cannot be accepted or rejected with language off; leave one of the two out")
        for code in self.lang:
            if code not in LANGUAGES:
                raise SettingsError(f"lang: no language {code!r} that can be told; {nearest(code, LANGUAGES)}")
        for name in self.keep:
            if name not in LABELS and not name.startswith("spam-"):
                raise SettingsError(f"keep: no label {name!r}; {nearest(name, LABELS)}")
        for name in ("max_removed", "max_spam", "max_uncertain"):
            object.__setattr__(self, name, float(getattr(self, name)))  # 1 and 1.0 are one setting, with one digest
            if not 0 <= getattr(self, name) <= 1:
                raise SettingsError(f"{name}: {getattr(self, name)} is no share; give a number from 0 to 1")
        for name in ("min_words", "max_bytes"):
            if getattr(self, name) < 0:
                raise SettingsError(f"{name}: {getattr(self, name)} is negative; give 0 to switch it off")

    def sha256(self) -> str:
        """Digest of all values, for records: equal settings have equal digests, wherever they were read from."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def nearest(name: str, known: "tuple[str, ...] | list[str]") -> str:
    """Say which known name was probably meant, or name them all."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"


def with_values(settings: Settings, values: Mapping[str, Any], where: str) -> Settings:
    """Return `settings` with `values` put in, each checked.

    Raises
    ------
    SettingsError
        For an unknown key (naming the nearest known one) or a value of the wrong type; `where` opens the message.
    """
    known = {f.name: f for f in fields(Settings)}
    new: dict[str, Any] = {}
    for raw_key, raw_value in values.items():
        key, value = raw_key.replace("-", "_"), raw_value
        if key not in known:
            raise SettingsError(f"{where}: unknown setting {raw_key!r}; {nearest(key, list(known))}")
        default = known[key].default
        if isinstance(default, tuple):
            value = tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
            if not isinstance(value, list | tuple) or not all(isinstance(part, str) for part in value):
                raise SettingsError(f"{where}: {raw_key} takes a list of strings, not {raw_value!r}")
            value = tuple(value)
        elif isinstance(default, bool):
            if not isinstance(value, bool):
                raise SettingsError(f"{where}: {raw_key} takes true or false, not {raw_value!r}")
        elif isinstance(value, bool) or not isinstance(value, int | float) or (isinstance(default, int) and not isinstance(value, int)):
            raise SettingsError(
                f"{where}: {raw_key} takes {'a whole number' if isinstance(default, int) else 'a number'}, not {raw_value!r}"
            )
        elif isinstance(default, float):
            value = float(value)
        new[key] = value
    try:
        return replace(settings, **new)
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from None


def read_settings(path: Path) -> Settings:
    """Read ``newsfilter.toml``, or the table ``[tool.newsfilter]`` of a ``pyproject.toml``; its table ``check`` is left to `check`.

    Raises
    ------
    SettingsError
        When the file cannot be read, is no TOML, or holds an unknown key or a wrong value.
    """
    return with_values(Settings(), {key: value for key, value in read_table(path).items() if key != "check"}, str(path))


def read_table(path: Path) -> dict[str, Any]:
    """Read all that a settings file says of newsfilter, unchecked. Raises as `read_settings` does, but for keys and values."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}); give the path of a newsfilter.toml") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not valid TOML: {error}; mend that line") from error
    if path.name == "pyproject.toml":
        data = data.get("tool", {})
        data = data.get("newsfilter", {}) if isinstance(data, dict) else data
    if not isinstance(data, dict):
        raise SettingsError(f"{path}: [tool.newsfilter] is no table but {data!r}; make it one")
    if not isinstance(data.get("check", {}), dict):
        raise SettingsError(f"{path}: [check] is no table but {data['check']!r}; make it one")
    return data


def _own_table(data: dict[str, Any]) -> Any:
    """What a pyproject.toml holds under tool.newsfilter; None where it holds nothing."""
    tool = data.get("tool")
    return tool.get("newsfilter") if isinstance(tool, dict) else None


def find_settings(folder: Path) -> Path | None:
    """Find the settings file that holds for `folder`: the nearest upwards, ``newsfilter.toml`` before ``pyproject.toml``, as ruff does."""
    for place in (folder, *folder.parents):
        own, project = place / "newsfilter.toml", place / "pyproject.toml"
        if own.is_file():
            return own
        if project.is_file():
            try:
                if _own_table(tomllib.loads(project.read_text(encoding="utf-8"))) is not None:
                    return project
            except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError):
                continue  # somebody else's broken file: theirs to report
    return None
