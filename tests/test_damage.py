import json
from pathlib import Path
from typing import Any

import pytest

from newsfilter.damage import find_damage
from newsfilter.records import DAMAGE_CODES, Block, Damage, Decision, Page

CASES = json.loads((Path(__file__).parents[1] / "fixtures/cases/damage.json").read_text(encoding="utf-8"))
FOUND_ELSEWHERE = {"parse-truncated", "extraction-skipped"}  # by extract


def decided(
    texts: list[str], *, kept: bool = True, label: str = "body", damage: tuple[Damage, ...] = ()
) -> tuple[Page, tuple[Decision, ...]]:
    """A page of paragraphs, each with the same decision."""
    blocks, position = [], 0
    for text in texts:
        blocks.append(Block(position, position + len(text)))
        position += len(text) + 2
    page = Page("\n\n".join(texts), tuple(blocks), html=False, damage=damage)
    return page, tuple(Decision(block.start, block.end, number, label, {label: 0.9}, kept, "model") for number, block in enumerate(blocks))


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case['code']}: {case['label']}") for case in CASES])
def test_cases(case: dict[str, Any]) -> None:
    # Each fault is found where it stands, and sound text has none of its kind.
    page, decisions = decided(case["blocks"])
    found = [page.text[damage.start : damage.end] for damage in find_damage(page, decisions) if damage.code == case["code"]]
    assert found == case["found"]


def test_every_code_both_ways() -> None:
    # Each code that is looked for in the text has cases for and against it, and no code is unknown.
    for code in DAMAGE_CODES.keys() - FOUND_ELSEWHERE:
        assert {bool(case["found"]) for case in CASES if case["code"] == code} == {True, False}
    assert {case["code"] for case in CASES} <= DAMAGE_CODES.keys()


@pytest.mark.parametrize(("kept", "label"), [(False, "body"), (True, "caption"), (False, "teaser")])
def test_only_kept_body_counts(*, kept: bool, label: str) -> None:
    # What is not in the body, or is no article text, cannot be damaged.
    page, decisions = decided(["Gazetede yer alan e göre “köprü bu yıl sonunda açılacak ve yol"], kept=kept, label=label)
    assert find_damage(page, decisions) == ()


def test_the_page_s_own_damage_comes_first() -> None:
    # What extraction reported is handed on, before what the text shows.
    own = Damage(0, 5, "parse-truncated")
    page, decisions = decided(["Gazetede yer alan e göre köprü bu yıl sonunda açılacak."], damage=(own,))
    assert [damage.code for damage in find_damage(page, decisions)] == ["parse-truncated", "lost-link-text"]


def test_in_page_order() -> None:
    # Several faults are named in the order in which a reader meets them.
    page, decisions = decided(
        ["Başkan, “Köprü açılacak dedi.", "Gazetede yer alan e göre yol çalışması bitti.", "Halk çok sevindi ve bütün gün boyunca kentte"]
    )
    found = find_damage(page, decisions)
    assert [damage.code for damage in found] == ["unbalanced-quote", "lost-link-text", "truncated"]
    assert list(found) == sorted(found, key=lambda damage: damage.start)


def test_nothing_kept() -> None:
    # A page without a body has no damage.
    assert find_damage(Page("", (), html=False), ()) == ()
