import json
import time
from pathlib import Path
from typing import Any

import pytest

from newsfilter.records import Block, Decision, Metadata, Page
from newsfilter.rules import dateline_lines, find_headline, repeated_headline

CASES = json.loads((Path(__file__).parents[1] / "fixtures/cases/rules.json").read_text(encoding="utf-8"))
PARAGRAPH = (
    "Belediye Başkanı, üç yılda tamamlanan köprünün bugün törenle trafiğe açıldığını ve ilk gün on bin aracın geçtiğini herkese söyledi."
)


def labelled(
    rows: list[tuple[str, str]], *, html: bool = False, title: str | None = None, headline: float = 0.9
) -> tuple[Page, list[Decision]]:
    """A page of blocks with the labels that a model might have given."""
    blocks, decisions, position = [], [], 0
    for number, (text, label) in enumerate(rows):
        blocks.append(Block(position, position + len(text)))
        decisions.append(Decision(position, position + len(text), number, label, {label: headline}, label == "body", "model"))
        position += len(text) + 1
    return Page("\n".join(text for text, _ in rows), tuple(blocks), html=html, metadata=Metadata(title=title)), decisions


@pytest.mark.parametrize("case", [pytest.param(case, id=case["label"]) for case in CASES])
def test_cases(case: dict[str, Any]) -> None:
    # A rule overrules the model on lines of its form, under its own name, and leaves all others as they were.
    page, decisions = labelled([(text, label) for text, label in case["blocks"]], html=case["html"])
    result = repeated_headline(page, dateline_lines(page, decisions), case["title"])
    assert [[decision.label, decision.by] for decision in result] == case["result"]
    for before, after in zip(decisions, result, strict=True):
        assert (after.start, after.end, after.block) == (before.start, before.end, before.block)
        assert after is before or not after.kept


def test_every_rule_has_a_case() -> None:
    # Each rule's name is reached by a case, so that none is dead.
    names = {by for case in CASES for _, by in case["result"]} - {"model"}
    assert names == {"repeated-headline/1", "breadcrumb/1", "dateline/1"}


def test_headline_from_metadata() -> None:
    # An HTML page that says its title is believed.
    page, decisions = labelled([("Köprü bugün açıldı", "headline"), (PARAGRAPH, "body")], html=True, title="Köprü bugün açıldı")
    assert find_headline(page, decisions) == "Köprü bugün açıldı"


def test_headline_that_the_model_calls_one() -> None:
    # In plain text it is the line that the model calls a headline, its white space made single blanks.
    page, decisions = labelled([("Kent Postası", "navigation"), ("Köprü  bugün\nnihayet açıldı", "headline"), (PARAGRAPH, "body")])
    assert find_headline(page, decisions) == "Köprü bugün nihayet açıldı"


def test_headline_that_is_repeated() -> None:
    # Of two lines that the model calls headlines, the one that the page repeats is it.
    rows = [
        ("Bugünün en çok okunanları", "headline"),
        ("Köprü bugün açıldı", "headline"),
        (PARAGRAPH, "body"),
        ("KÖPRÜ BUGÜN AÇILDI", "caption"),
    ]
    page, decisions = labelled(rows)
    assert find_headline(page, decisions) == "Köprü bugün açıldı"


def test_headline_that_ends_the_breadcrumb() -> None:
    # A line that the breadcrumb ends in is the headline, whatever the model took it for.
    rows = [("Ana Sayfa > Gündem > Köprü bugün açıldı", "navigation"), ("Köprü bugün açıldı", "body"), (PARAGRAPH, "body")]
    page, decisions = labelled(rows)
    assert find_headline(page, decisions) == "Köprü bugün açıldı"


def test_no_headline_among_paragraphs() -> None:
    # Prose alone has none.
    page, decisions = labelled([(PARAGRAPH, "body"), (PARAGRAPH + " Bitti.", "body")])
    assert find_headline(page, decisions) is None


def test_no_headline_on_an_empty_page() -> None:
    # Nor has a page without blocks.
    assert find_headline(Page("", (), html=False), []) is None


@pytest.mark.slow
@pytest.mark.parametrize("filling", [" ", " > ", "a", "."], ids=["blanks", "crumbs", "letters", "full stops"])
def test_linear_time(filling: str) -> None:
    # Eight times the text takes about eight times as long, not sixty: a scrape may hold a megabyte of blanks.
    def seconds(times: int) -> float:
        page, decisions = labelled([(f"Köprü{filling * times}açıldı", "body")])
        started = time.process_time()
        repeated_headline(page, decisions, find_headline(page, decisions) or "Köprü bugün açıldı")
        return time.process_time() - started

    small = max(min(seconds(4_000) for _ in range(3)), 0.005)
    assert seconds(32_000) < 25 * small
