from newsfilter.records import Block, Decision, Page
from newsfilter.rules import teaser_boxes

RELATED = "Mahalleli yeni köprünün yerini değiştirmek için imza topladı"
PARAGRAPH = "Belediye meclisi köprünün yerini uzun tartışmalardan sonra belirledi."


def marked(*lines: tuple[str, str, float], html: bool = False) -> list[str]:
    """Which of the lines (text, label, probability of teaser) the rule marks."""
    text = "\n\n".join(line for line, _, _ in lines)
    blocks, decisions, position = [], [], 0
    for number, (line, label, teaser) in enumerate(lines):
        blocks.append(Block(position, position + len(line)))
        decisions.append(Decision(position, position + len(line), number, label, {"body": 0.8, "teaser": teaser}, label == "body", "model"))
        position += len(line) + 2
    result = teaser_boxes(Page(text, tuple(blocks), html=html), decisions)
    return [text[found.start : found.end] for found in result if found.by == "teaser-box/1"]


def test_a_headline_between_a_box_heading_and_a_subhead_is_related_news() -> None:
    # A subhead has a paragraph below it; this line has none.
    assert marked(
        ("İlgili Haberler", "teaser", 0.95), (RELATED, "body", 0.4), ("Esnaf endişeli", "body", 0.1), (PARAGRAPH, "body", 0.0)
    ) == [RELATED]


def test_a_subhead_behind_a_box_stays() -> None:
    # Its paragraph follows.
    assert marked(("İlgili Haberler", "teaser", 0.95), (RELATED, "body", 0.4), (PARAGRAPH, "body", 0.0)) == []


def test_a_list_of_winners_behind_a_doubtful_heading_stays() -> None:
    # "Kazananlar" reads like a box's heading; the model must be sure that it is one.
    winners = [(f"{place}: Sümeyye Alkan ve arkadaşları, Erzincan", "body", 0.5) for place in ("Birinci", "İkinci", "Üçüncü")]
    assert marked(("KAZANANLAR", "teaser", 0.7), *winners) == []


def test_what_the_model_does_not_find_likely_stays() -> None:
    # Place alone decides nothing.
    assert marked(("İlgili Haberler", "teaser", 0.95), (RELATED, "body", 0.1), ("Esnaf endişeli", "body", 0.1)) == []


def test_a_long_teaser_is_no_heading_and_a_page_with_markup_needs_no_rule() -> None:
    # Markup says where a box ends.
    assert marked((RELATED, "teaser", 0.99), (RELATED, "body", 0.4), ("Esnaf endişeli", "body", 0.1)) == []
    assert marked(("İlgili Haberler", "teaser", 0.95), (RELATED, "body", 0.4), ("Esnaf endişeli", "body", 0.1), html=True) == []
