"""Newsfilter as a step of other people's pipelines: DataTrove and Hugging Face ``datasets``. Each module needs the library of its name."""

import traceback
from collections.abc import Iterable
from typing import Any

from newsfilter.dumps.documents import Failed
from newsfilter.dumps.ledger import article_line, failed_line
from newsfilter.records import Article, Source

PREFIX = "newsfilter_"  # before every name that is added to a user's row, so that nothing of theirs is overwritten
FACTS = ("text", "status", "reasons", "title", "byline", "published", "site", "language", "removed", "error")
"""What is said of each document. ``docs/pipelines.md`` describes each."""


def facts_of(result: Article | Exception, labels: Iterable[str]) -> dict[str, Any]:
    """Return what became of a document, by the names of `FACTS` with `PREFIX`. The text is None where the document was rejected or failed.

    Parameters
    ----------
    result
        As `newsfilter.clean_many` yields it. An exception is a document that failed: ``error`` says of what.
    labels
        The model's. ``removed`` has all of them, also those of which nothing was removed: a table's column needs the same fields in each row.
    """
    if isinstance(result, Exception):
        line = failed_line(Failed("", "", "error", "".join(traceback.format_exception_only(result))))
        text = byline = published = site = None
        error = line["reasons"][0]["value"]
    else:
        line, error = article_line(result, Source(b"")), None
        text = None if line["status"] == "rejected" else result.body
        byline, published, site = result.byline, result.published, result.site
    facts = {
        "text": text,
        "status": line["status"],
        "reasons": [reason["code"] for reason in line["reasons"]],
        "title": line["title"],
        "byline": byline,
        "published": published,
        "site": site,
        "language": line["language"],
        "removed": dict.fromkeys(labels, 0) | line["labels"],
        "error": error,
    }
    return {PREFIX + name: value for name, value in facts.items()}
