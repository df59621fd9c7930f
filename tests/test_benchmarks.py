import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import lxml.html
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.gate import FEW, SMALL_CHARACTERS, Cost, cost, pages, rates, texts
from benchmarks.injection import (
    GoldPage,
    HeldOut,
    Injected,
    Stock,
    as_visible_text,
    draw_lines,
    in_turn,
    inject,
    make_stock,
    normal,
    outside,
    places,
    put,
    read_held_out,
)
from benchmarks.peers import peers
from benchmarks.spam import BINS, Tally, wilson

from newsfilter.errors import InputError
from newsfilter.training.scoring import calibration_error, visible_text

PARAGRAPHS = (
    "The council of Harrow Bridge voted on Tuesday evening to keep the old ferry running for two more winters.",
    "Members from both banks said that the new bridge would not be open before the spring of next year.",
    "Nobody, they added, should have to drive forty miles to a school that can be seen across the water.",
    "The ferry carried eleven thousand people last winter, a third of them children with a season ticket.",
)
MARKUP = {
    "paragraphs": "<article>{}</article>".format("".join(f'<p class="text">{text}</p>\n' for text in PARAGRAPHS)),
    "nested": "<div><div><section>{}</section></div></div>".format("".join(f"<div><p>{text}</p></div>" for text in PARAGRAPHS)),
    "breaks": f"<div><div id=text>{'<br><br>'.join(PARAGRAPHS)}</div></div>",
    "single breaks": f"<div>{'<br>'.join(PARAGRAPHS)}</div>",
    "loose": f"<div>{PARAGRAPHS[0]}<p>{PARAGRAPHS[1]}</p>{PARAGRAPHS[2]}<p>{PARAGRAPHS[3]}</p></div>",
    "one paragraph with breaks": f"<div><p>{'<br><br>'.join(PARAGRAPHS)}</p></div>",
    "list": "<div><ul>{}</ul></div>".format("".join(f"<li>{text}</li>" for text in PARAGRAPHS)),
    "table": "<table><tr><td>menu</td><td>{}</td></tr></table>".format("".join(f"<p>{text}</p>" for text in PARAGRAPHS)),
    "inline": "<main>{}</main>".format("".join(f"<p>{text.replace('the ', '<b>the</b> <i>', 1)}</i></p>" for text in PARAGRAPHS)),
    "in the page's body": "".join(f"<p>{text}</p>" for text in PARAGRAPHS) + "tail",
}
STOCK = Stock(
    {"en": [f"cheap tickets number{n} casino" for n in range(12)]},
    {"en": [f"Share this story with {n} friends" for n in range(12)]},
    {},
)


def gold_page(markup: str, lang: str = "en", name: str = "1") -> GoldPage:
    """A page with a menu and a footer around an article."""
    html = (
        "<!DOCTYPE html><html><head><title>Ferry</title></head><body><ul><li><a href='/'>Home page</a></li></ul>"
        f"{markup}<footer>All rights reserved</footer></body></html>"
    )
    return GoldPage("made-up", name, lang, "https://ferry.example/1", html, "\n".join(PARAGRAPHS), "")


@pytest.mark.parametrize(
    ("line", "output", "left"),
    [
        ("vip escort", "Before.\n\nVIP  Escort!\n\nAfter.", True),
        ("vip escort", "vip, then escort", False),
        ("vip escort", "the vip escorted", False),
        ("escort vip", "vip escort", False),
        ("es\u200bc\u00adort", "escort", True),
        ("ｃａｓｉｎｏ 77", "casino 77", True),
        ("e\u0336s\u0336cort", "escort", True),
        ("BAHİS SİTESİ", "bahis sitesi", True),
        ("免留車借款", "。免留車借款！", True),
        ("casino", "", False),
    ],
)
def test_line_left(line: str, output: str, left: bool) -> None:
    # A line is left when its words stand together and in order, however they are cased and whatever invisible signs were mended.
    assert (normal(line) in normal(output)) is left


@pytest.mark.parametrize("markup", [pytest.param(markup, id=name) for name, markup in MARKUP.items()])
@pytest.mark.parametrize("seed", range(8))
def test_injection(markup: str, seed: int) -> None:
    # Every word of the page stays, in order; what is new are the injected lines, each whole.
    item = inject(gold_page(markup), STOCK, random.Random(seed))
    assert item is not None
    before, after = (normal(visible_text(html)).split() for html in (item.before, item.after))
    assert before == normal(visible_text(gold_page(markup).text)).split()
    rest = iter(after)
    assert all(word in rest for word in before)
    lines = item.spam + item.widgets
    assert Counter(after) - Counter(before) == sum((Counter(normal(line).split()) for line in lines), Counter())
    assert all(normal(line) in normal(visible_text(item.after)) for line in lines)
    assert 2 <= len(item.spam) <= 6
    assert 2 <= len(item.widgets) <= 6


@pytest.mark.parametrize("markup", [pytest.param(MARKUP[name], id=name) for name in ("paragraphs", "breaks", "table")])
def test_injection_stands_in_the_article(markup: str) -> None:
    # The lines come behind a paragraph, before the footer, and no paragraph is cut in two.
    for seed in range(20):
        item = inject(gold_page(markup), STOCK, random.Random(seed))
        assert item is not None
        text = normal(visible_text(item.after))
        assert all(normal(paragraph) in text for paragraph in PARAGRAPHS)
        for line in item.spam + item.widgets:
            assert text.index(normal(PARAGRAPHS[0])) < text.index(normal(line)) < text.index(normal("All rights reserved"))


def test_injection_again() -> None:
    # The same seed gives the same page.
    first, second = (inject(gold_page(MARKUP["paragraphs"]), STOCK, random.Random("1:x")) for _ in range(2))
    assert first == second


def test_no_place() -> None:
    # A page without its gold text gets no lines.
    assert inject(gold_page("<p>Please turn on scripts.</p>"), STOCK, random.Random(1)) is None


def test_places_are_in_the_fullest_container() -> None:
    # One container takes the lines: the one whose children hold most words.
    root = lxml.html.document_fromstring("<body><div><p>a</p></div><section><p>b</p><ul><li>c</li></ul><p>d</p></section></body>")
    paths = [("/html/body/div/p", 9), ("/html/body/section/p[1]", 5), ("/html/body/section/ul/li", 3), ("/html/body/section/p[2]", 3)]
    assert [place.tag for place in places(root, paths)] == ["p", "ul", "p"]
    assert {place.getparent().tag for place in places(root, paths)} == {"section"}
    assert places(root, []) == []


def test_spam_links_outward_and_hides_at_times() -> None:
    # Spam's links name another host, widgets' the page's own; only spam is hidden; a class is a paragraph's or none.
    rng = random.Random(3)
    for spam in (True, False):
        root: Any = lxml.html.document_fromstring('<body><p class="text">a</p></body>')
        for _ in range(200):
            put("cheap tickets", root.body[0], rng, spam=spam)
        new = root.body[1:]
        assert {href.startswith("https://") for href in root.xpath("//a/@href")} == {spam}
        assert {element.get("class") for element in new} == {None, "text"}
        assert any(element.get("style") for element in new) is spam
        assert {element.tag for element in root.iter()} >= {"p", "div", "span", "ul", "li", "a"}


def test_drawn_lines_are_new() -> None:
    # A line that is short, stands in the page, or is part of another one is not drawn.
    spam = ["bet 365", "OLD FERRY running", "cheap casino tickets", "casino tickets", "buy followers today", "essay writing help"]
    stock = Stock({"en": spam * 2}, STOCK.widgets, {})
    for seed in range(20):
        lines = [line for line, is_spam in draw_lines(stock, "en", PARAGRAPHS[0], random.Random(seed)) if is_spam]
        assert len(lines) == len(set(lines)) > 1
        assert not {"bet 365", "OLD FERRY running"} & set(lines)
        assert not {"cheap casino tickets", "casino tickets"} <= set(lines)


def test_drawn_languages() -> None:
    # A language with lines enough is drawn from alone; else Turkish and English ones help out, and so do their templates.
    stock = Stock(
        {"en": [f"english spam {n}" for n in range(9)], "de": ["deutscher spam"]},
        {"en": ["english widget"], "tr": ["Bu haberi paylaşın"]},
        {"tr": lambda rng: f"{rng.randint(1, 999)} masaj salonu"},
    )
    drawn = {line for seed in range(40) for line in draw_lines(stock, "de", "", random.Random(seed))}
    assert {("deutscher spam", True), ("english spam 3", True), ("english widget", False), ("Bu haberi paylaşın", False)} <= drawn
    assert any("masaj salonu" in line for line, _ in drawn)
    assert "Bu haberi paylaşın" in {line for seed in range(40) for line, _ in draw_lines(stock, "en", "", random.Random(seed))}
    assert "deutscher spam" not in {line for seed in range(40) for line, _ in draw_lines(stock, "en", "", random.Random(seed))}


def test_stock() -> None:
    # Spam and widgets are told apart by label; body and headline are neither.
    blocks = tuple((f"text {label}", label, ()) for label in ("body", "headline", "spam-adult", "spam-other", "teaser", "notice"))
    stock = make_stock([HeldOut("1", "tr", False, blocks)], Path("no such folder"))
    assert stock == Stock({"tr": ["text spam-adult", "text spam-other"]}, {"tr": ["text teaser", "text notice"]}, {})


def test_in_turn() -> None:
    # Each set and language comes once before any comes twice, until it has no more.
    pages = [gold_page("", lang, str(number)) for lang, count in (("en", 5), ("tr", 2), ("ru", 1)) for number in range(count)]
    drawn = [page.lang for page in in_turn(pages, random.Random(1))]
    assert sorted(drawn[:3]) == ["en", "ru", "tr"]
    assert drawn[3:] == ["en", "tr", "en", "en", "en"]


def test_tally() -> None:
    # Words that the system never held are not lost by the injection, and words that it adds make up for none.
    page = GoldPage("made-up", "1", "en", None, "", "one two two three four", "")
    tally = Tally()
    tally.add(Injected(page, "", "", ("buy now", "bet now"), ("share this",)), "one two two three", "one two five five buy now")
    assert (tally.gold_words, tally.held_words, tally.lost_words) == (5, 4, 2)
    assert tally.percent() == {"spam strings left %": 50.0, "widget strings left %": 0.0, "body words lost %": 40.0}


def test_visible_text_counts_what_it_holds() -> None:
    # A line that the page's visible text does not hold says nothing about a system that gets this text.
    item = Injected(gold_page(""), "<p>a</p>", "<p>a</p><p>buy now</p><noscript><p>bet now</p></noscript>", ("buy now", "bet now"), ())
    assert as_visible_text(item).spam == ("buy now",)
    assert as_visible_text(item).after == "a\nbuy now"


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
        (0, 0, 0, 1),
    ],
)
def test_wilson(successes: int, trials: int, low: float, high: float) -> None:
    # The values of Newcombe (1998), "Two-sided confidence intervals for the single proportion", method 3, and a mirrored one.
    assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


def test_calibration_error() -> None:
    # Known numbers: one bin, two bins of equal mass in any order, one block a bin, and none.
    nine = np.full(10, 0.9)
    seven_right = np.arange(10) < 7
    assert calibration_error(nine, seven_right, bins=1) == pytest.approx(0.2)
    assert calibration_error(nine, seven_right) == pytest.approx((7 * 0.1 + 3 * 0.9) / 10)
    confidence = np.array([0.6, 0.9, 0.6, 0.9, 0.6, 0.9, 0.6, 0.9])
    correct = np.array([True, True, False, True, True, True, False, True])
    assert calibration_error(confidence, correct, bins=2) == pytest.approx(0.1)
    assert calibration_error(np.zeros(0), np.zeros(0, bool)) == 0
    rng = np.random.default_rng(1)
    sure = rng.uniform(0.2, 1, 200_000)
    assert calibration_error(sure, rng.uniform(size=sure.size) < sure, BINS) < 0.01


def test_outside_spans() -> None:
    # Of a paragraph with spam in it, what stands around the spam is body.
    text = "First. cheap pills Second. casino"
    spans = [{"start": 27, "end": 33}, {"start": 7, "end": 18}]
    assert outside(text, spans) == ("First. ", " Second. ")
    assert outside(text, ()) == (text,)


def test_held_out(tmp_path: Path) -> None:
    # A faulty line is named with its file and number; so is a folder without documents.
    with pytest.raises(InputError, match=r"holds no labelled documents.*--held-out"):
        read_held_out(tmp_path)
    (tmp_path / "a.jsonl").write_text(
        '{"id": "1", "lang": "tr", "hard": true, "blocks": [{"text": "Haber.", "label": "body"}]}\n{"id": "2"}\n'
    )
    with pytest.raises(InputError, match=r"a\.jsonl:2: no held-out document"):
        read_held_out(tmp_path)


def test_missing_peer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    # A peer that is not installed is named with the way to get it, and the others are there.
    monkeypatch.setitem(sys.modules, "readability", None)
    found = peers()
    assert "readability" not in found
    assert {"trafilatura", "trafilatura fast", "trafilatura precision", "trafilatura recall", "jusText"} <= found.keys()
    assert "pip install readability-lxml" in capsys.readouterr().err


def test_peers_extract() -> None:
    # Each peer that is installed finds the article. jusText does so by the language's stop words, or without any where it has no list.
    paragraphs = [f"{text} {PARAGRAPHS[0]}" for text in PARAGRAPHS]
    page = gold_page("<article>{}</article>".format("".join(f"<p>{text}</p>" for text in paragraphs))).text
    found = peers()
    for lang in ("en", "zh"):
        for name, extract in found.items():
            assert normal(paragraphs[1]) in normal(extract(page, lang)), (name, lang)
    assert found["jusText"](page, "ru") == ""


def test_documents_of_the_gates_benchmark_differ_and_have_their_size() -> None:
    # Equal documents would be repeats; what is larger or smaller than said would make another rate.
    found = texts(SMALL_CHARACTERS, 40)
    assert len(set(found)) == 40
    assert all(0.75 * SMALL_CHARACTERS <= len(text) < SMALL_CHARACTERS + 40 for text in found)
    assert len(set(pages(30))) == 30


def test_the_gates_rates_are_of_the_documents_that_the_large_run_has_more() -> None:
    costs = {"many": Cost(3.0, 9.0), "few": Cost(1.0, 1.0)}
    assert rates(2, FEW + 100, costs.__getitem__) == [50.0, 50.0]


def test_a_command_that_ends_otherwise_than_it_should_ends_the_gates_benchmark(tmp_path: Path) -> None:
    # Its time would be that of something else.
    command = [sys.executable, "-c", "import sys; sum(range(10**6)); sys.exit('not so')"]
    assert cost(command, tmp_path, 1).cpu > 0
    with pytest.raises(SystemExit, match=r"status 1\s+not so"):
        cost(command, tmp_path, 0)
