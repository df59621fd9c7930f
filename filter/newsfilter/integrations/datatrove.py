"""A step for DataTrove: documents of HTML or plain text go in, cleaned ones come out. ``pip install 'newsfilter[datatrove]'``."""

from collections.abc import Sequence
from pathlib import Path

from newsfilter.document import BATCH_SIZE, clean_many
from newsfilter.integrations import PREFIX, facts_of
from newsfilter.model_file import load_model
from newsfilter.records import Article, Source
from newsfilter.settings import Settings

try:
    from datatrove.data import Document
    from datatrove.pipeline.filters.base_filter import BaseFilter
    from datatrove.pipeline.writers.disk_base import DiskWriter
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(f"{error.name} is missing; pip install 'newsfilter[datatrove]'", name=error.name) from None


class NewsFilter(BaseFilter):  # type: ignore[misc]  # DataTrove has no types
    """Clean each document's text, and drop the documents that are rejected or fail.

    A document keeps its id and metadata, to which the facts of `newsfilter.integrations.FACTS` are added. One that is dropped keeps its text, too,
    for the exclusion writer.

    Counted beside DataTrove's own ``total``, ``forwarded``, ``dropped`` and ``dropped_REASON`` (a reason of ``docs/verdicts.md``, or ``failed``):
    ``accepted``, ``review``, ``rejected`` and ``failed``.

    Parameters
    ----------
    settings
        Defaults where not given.
    model
        A model's folder; the shipped one where not given.
    url_key
        The metadata that holds the document's address, where it has one.
    exclusion_writer
        A DataTrove writer for what is dropped.
    batch_size
        Documents that the model scores together.

    Raises
    ------
    ModelError
        When the model cannot be loaded.
    """

    name = "newsfilter"

    def __init__(
        self,
        settings: Settings | None = None,
        model: Path | None = None,
        *,
        url_key: str = "url",
        exclusion_writer: DiskWriter | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> None:
        super().__init__(exclusion_writer, batch_size)
        self.settings, self.model, self.url_key = settings, model, url_key
        self.labels = load_model(model).labels  # the model itself is loaded once a process, and does not travel with the step

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        """Do `filter_batch` with one document."""
        return self.filter_batch([doc])[0]

    def filter_batch(self, batch: Sequence[Document]) -> list[bool | tuple[bool, str]]:
        """Clean documents in place, and say of each whether it stays or why it goes."""
        sources = [Source(doc.text, url=doc.metadata.get(self.url_key)) for doc in batch]
        results = clean_many(sources, settings=self.settings, model=load_model(self.model), batch_size=self.batch_size)
        return [self._take(doc, result) for doc, result in zip(batch, results, strict=True)]

    def _take(self, doc: Document, result: Article | Exception) -> bool | tuple[bool, str]:
        facts = facts_of(result, self.labels)
        text, status = facts.pop(f"{PREFIX}text"), facts[f"{PREFIX}status"]
        doc.metadata |= facts
        self.stat_update(status)
        if text is None:
            return False, status if status == "failed" else facts[f"{PREFIX}reasons"][0]
        doc.text = text
        return True
