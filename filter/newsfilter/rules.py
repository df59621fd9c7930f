"""Named rules: what a line is by its form alone, whatever the model thinks. Each says what it does in general, and what it loses."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from newsfilter.dateline import read_dateline
from newsfilter.metadata import SEPARATORS, normal_form
from newsfilter.records import Decision, Page

MAX_HEADLINE_WORDS = 30
UNLIKELY = 0.3  # probability of a label below which the model does not know what a line is
MIN_PARAGRAPH_WORDS = 15  # of the first paragraph, above which a headline stands
_CRUMB = re.compile(r"[>›»/|→]")
_SENTENCE_END = re.compile(r"[.。؟]$")


def find_headline(page: Page, decisions: Sequence[Decision]) -> str | None:
    """Find the headline: the page's metadata, else what the model calls one, else a line above the article that reads as one.

    Where several could be it, the one that the page repeats wins (as a breadcrumb's end, too), then the likelier, then the first.
    """
    texts = [page.text_of(block) for block in page.blocks]
    forms = [normal_form(text) for text in texts]
    if page.html and (title := page.metadata.title):
        parts = [] if normal_form(title) in forms else [part for part in SEPARATORS.split(title) if normal_form(part) in forms]
        return max(parts, key=len, default=title)  # "Site - Headline", where the headline stands on the page and the whole does not
    seen = Counter(forms)
    tails = {normal_form(_CRUMB.split(text)[-1]) for text in texts[:8] if len(_CRUMB.split(text)) > 2}
    first_body = next((d.block for d in decisions if d.label == "body" and _reads_as_paragraph(texts[d.block])), -1)
    found: list[tuple[bool, bool, float, int]] = []
    for decision in decisions:
        number, text = decision.block, texts[decision.block]
        above = number < first_body and 3 <= len(text.split()) <= MAX_HEADLINE_WORDS and not _SENTENCE_END.search(text)
        called = decision.label == "headline"
        repeated = forms[number] in tails or seen[forms[number]] > 1
        open_question = decision.label in ("body", "caption", "teaser") or decision.probability < UNLIKELY
        if called or (above and (open_question or forms[number] in tails)):
            found.append((not repeated, not called, -decision.probabilities.get("headline", 0.0), number))
    return " ".join(texts[min(found)[3]].split()) if found else None


def _reads_as_paragraph(text: str) -> bool:
    words = len(text.split())
    return words >= MIN_PARAGRAPH_WORDS or (words >= MIN_PARAGRAPH_WORDS // 2 and _SENTENCE_END.search(text) is not None)


def repeated_headline(page: Page, decisions: Sequence[Decision], title: str | None) -> list[Decision]:
    """Mark every copy of the headline, so that the body never holds it, and every breadcrumb that ends in it.

    Scrapers that read the whole page write the headline two or three times: as title, as the breadcrumb's end, as an image's alternative text.
    Source: 17 in 100 development pages hold it in two blocks or more, apart from breadcrumbs. Cost: a subhead that repeats the headline word for word.
    """
    wanted = normal_form(title or "")
    if len(wanted) < 3:
        return list(decisions)
    result = []
    for decision in decisions:
        text = page.text[decision.start : decision.end]
        form = normal_form(text)
        parts = _CRUMB.split(text)
        if form == wanted:
            result.append(replace(decision, label="headline", kept=False, by="repeated-headline/1"))
        elif (
            len(parts) > 1
            and len(parts[0].split()) <= 4
            and (normal_form(parts[-1]) == wanted or (len(parts) > 2 and form.endswith(wanted)))
        ):
            result.append(replace(decision, label="navigation", kept=False, by="breadcrumb/1"))
        else:
            result.append(decision)
    return result


def dateline_lines(page: Page, decisions: Sequence[Decision]) -> list[Decision]:
    """Mark lines that are nothing but a date, an agency or an author line.

    Source: of 884 such lines on the development pages, 30 stand in a gold body, most of them dates that those gold texts keep. Cost: a source line
    under a table ("Source: Bureau of Labor Statistics"), and in plain text the heading of a chronology.
    """
    result = []
    for decision in decisions:
        if decision.label not in ("body", "headline", "caption", "teaser", "navigation"):
            result.append(decision)
            continue
        text = page.text[decision.start : decision.end]
        dateline = read_dateline(text) if len(text) <= 160 else None
        # On a page, a bare date may be a table's cell; with a time of day it is a dateline.
        plain = (
            dateline is not None and dateline.whole and (dateline.byline is not None or not page.html or "T" in (dateline.published or ""))
        )
        result.append(replace(decision, label="byline", kept=False, by="dateline/1") if plain else decision)
    return result
