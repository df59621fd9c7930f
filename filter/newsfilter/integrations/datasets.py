"""A function for ``datasets.map``: rows of HTML or plain text gain columns with the cleaned text and what became of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from newsfilter import __version__
from newsfilter.document import clean_many
from newsfilter.errors import InputError
from newsfilter.integrations import FACTS, PREFIX, facts_of
from newsfilter.model_file import load_model
from newsfilter.records import Source
from newsfilter.settings import Settings

if TYPE_CHECKING:
    from datasets import Features


@dataclass(frozen=True, slots=True)
class CleanRows:
    """What ``dataset.map(CleanRows(), batched=True)`` calls with each batch. No row is dropped.

    Each row gains the facts of `newsfilter.integrations.FACTS`, the text under the name of `out_field`.

    Raises
    ------
    ModelError
        When the model cannot be loaded.
    """

    text_field: str = "text"  # the column with HTML or plain text, as str or bytes
    url_field: str = "url"  # the column with the address, where there is one
    out_field: str = f"{PREFIX}text"  # the cleaned text's column; one of the input's is replaced
    settings: Settings = field(default_factory=Settings)
    model: Path | None = None  # a model's folder; None: the shipped one
    made_by: tuple[str, str] = field(init=False)  # version and model's sha256: datasets' cache must not give rows of an older one

    def __post_init__(self) -> None:
        object.__setattr__(self, "made_by", (__version__, load_model(self.model).sha256))

    def __call__(self, batch: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        """Return the new columns of a batch.

        Raises
        ------
        InputError
            When the batch has no column `text_field`.
        """
        if self.text_field not in batch:
            raise InputError(f"no column {self.text_field!r} among {', '.join(batch)}; give CleanRows the text_field")
        model, texts = load_model(self.model), batch[self.text_field]
        urls = batch[self.url_field] if self.url_field in batch else [None] * len(texts)
        sources = [Source(text, url=url) for text, url in zip(texts, urls, strict=True)]
        columns: dict[str, list[Any]] = {self._renamed(PREFIX + name): [] for name in FACTS}
        for result in clean_many(sources, settings=self.settings, model=model):
            for name, value in facts_of(result, model.labels).items():
                columns[self._renamed(name)].append(value)
        return columns

    def _renamed(self, name: str) -> str:
        return self.out_field if name == f"{PREFIX}text" else name

    def features(self, features: "Features | None" = None) -> "Features":
        """Return the dataset's features with the new columns', for ``map(features=...)``.

        Without them ``datasets`` takes the types from its first rows, and fails where a column had no value in those.
        """
        try:
            from datasets import Features, Value  # noqa: PLC0415 - an extra
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(f"{error.name} is missing; pip install 'newsfilter[datasets]'", name=error.name) from None
        text = Value("string")
        removed = {label: Value("int64") for label in load_model(self.model).labels}
        typed = {"reasons": [text], "removed": removed}
        ours = {self._renamed(PREFIX + name): typed.get(name, text) for name in FACTS}
        return Features({**(features or {}), **ours})
