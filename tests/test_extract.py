import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from lxml import etree

from newsfilter.extract import MAX_DEPTH, MAX_ELEMENTS, extract, kept_shares, parse
from newsfilter.metadata import host_of
from newsfilter.records import Page

CASES = json.loads((Path(__file__).parents[1] / "fixtures/cases/extract.json").read_text(encoding="utf-8"))
PARAGRAPHS = [
    f"Belediye meclisi {n}. oturumunda yeni köprünün yerini uzun tartışmalardan sonra belirledi ve kararı oy birliği ile aldı."
    for n in range(1, 7)
]
ARTICLE = (
    "<html><head><title>Köprünün yeri belli oldu</title></head><body><nav><a href='/'>Ana sayfa</a> <a href='/spor'>Spor</a></nav>"
    f"<article><h1>Köprünün yeri belli oldu</h1>{''.join(f'<p>{paragraph}</p>' for paragraph in PARAGRAPHS)}</article>"
    "<footer><a href='/kunye'>Künye</a></footer></body></html>"
)


def texts(page: Page) -> list[str]:
    """The texts of a page's blocks."""
    return [page.text_of(block) for block in page.blocks]


def well_cut(page: Page) -> None:
    """Assert what holds for the blocks of every page: in order, inside the text, a line break between two."""
    assert page.text == "\n".join(texts(page))
    position = 0
    for block in page.blocks:
        assert block.start == position
        assert block.start < block.end <= len(page.text)
        assert 0 <= block.outward <= block.link_density <= 1
        assert 0 <= block.kept_share <= 1
        position = block.end + 1


@pytest.mark.parametrize("case", [pytest.param(case, id=case["label"]) for case in CASES])
def test_cases(case: dict[str, Any]) -> None:
    # A page is cut where a reader sees a line end, and each block carries the facts of its place.
    page = extract(case["html"])
    assert texts(page) == case["blocks"]
    well_cut(page)
    for fact, values in case.get("facts", {}).items():
        assert [getattr(block, fact) for block in page.blocks] == values


TAGS = st.sampled_from(
    "div p span b a br ul li table tr td h1 section article script style em o:p fb:like center blockquote hr img x-y".split()
)
WORDS = st.sampled_from(
    [
        "Köprü",
        "açıldı.",
        " ",
        "\n",
        "bahis",
        "&amp;",
        "&nbsp;",
        "&#0;",
        "\u00ad",
        "<!-- x -->",
        "<br>",
        "<br><br>",
        "橋",
        "م",
        "12,5",
        "</p>",
        "</div>",
        "<",
        "\x00",
        "<?pi?>",
    ]
)
ATTRIBUTES = st.sampled_from(
    [
        "",
        " hidden",
        " class='icerik widget'",
        " id=x",
        " href='/a'",
        " href='https://bahis.example/'",
        " style='display:none'",
        " href='http://['",
    ]
)


def _element(children: SearchStrategy[str]) -> SearchStrategy[str]:
    return st.builds(
        lambda tag, attribute, inner: f"<{tag}{attribute}>{''.join(inner)}</{tag}>", TAGS, ATTRIBUTES, st.lists(children, max_size=4)
    )


PAGES = st.recursive(WORDS | st.text(max_size=10), _element, max_leaves=25)


@settings(deadline=None)
@given(PAGES | st.text(max_size=200))
def test_any_page_is_cut_well(html: str) -> None:
    # Whatever the markup, blocks are ordered, inside the text, and do not overlap, and no white space stands at their edges.
    page = extract(html, url="https://www.ornek.example/a")
    well_cut(page)
    assert all(text == " ".join(text.split()) for text in texts(page))


@settings(deadline=None, max_examples=60)
@given(PAGES)
def test_xpaths_lead_back(html: str) -> None:
    # lxml finds exactly one element at each block's path, the words of the block stand in it, and path and run name one block alone.
    root, _ = parse(html)
    page = extract(html)
    for block in page.blocks:
        assert root is not None
        found = root.xpath(str(block.xpath))
        assert len(found) == 1
        assert set("".join(page.text_of(block).split())) <= set("".join(found[0].itertext()))
        assert found[0].tag in block.tags
    names = [(block.xpath, block.run) for block in page.blocks]
    assert len(set(names)) == len(names)


def test_xpaths_are_those_of_lxml() -> None:
    # On a page of ordinary elements lxml finds, at each block's path, the element that its own path leads to.
    root, _ = parse(ARTICLE)
    page = extract(ARTICLE)
    assert root is not None
    tree = root.getroottree()
    for block in page.blocks:
        (element,) = root.xpath(str(block.xpath))
        assert root.xpath(tree.getpath(element)) == [element]
        assert " ".join(element.text_content().split()) == page.text_of(block)


@pytest.mark.parametrize("tag", ["o:p", "fb:like", "x-y", "p,x"])
def test_xpath_through_odd_names(tag: str) -> None:
    # Word's and Facebook's elements have colons in their names; the path through them still leads back.
    html = f"<div><{tag}><p>Köprü açıldı</p></{tag}></div>"
    root, _ = parse(html)
    assert root is not None
    (block,) = extract(html).blocks
    assert [element.text for element in root.xpath(str(block.xpath))] == ["Köprü açıldı"]


def test_hints_come_innermost_first() -> None:
    # Class and id words of the nearest elements, lower-cased, the block's own in front.
    html = '<div class="Sayfa"><div id="yazi_alani"><p class="Metin spot2">Köprü</p></div></div>'
    (block,) = extract(html).blocks
    assert block.hints == ("metin", "spot", "yazi", "alani", "sayfa")
    assert block.tags == ("html", "body", "div", "div", "p")


@pytest.mark.parametrize(
    ("href", "outward"),
    [
        ("/spor", 0.0),
        ("#yorum", 0.0),
        ("https://www.haber.example/spor", 0.0),
        ("//haber.example/spor", 0.0),
        ("https://spor.haber.example/", 0.0),
        ("https://bahis.example/", 1.0),
        ("//bahis.example/", 1.0),
        ("http://[", 1.0),
        ("https://kumarhaber.example/", 1.0),
        ("HTTPS://BAHIS.EXAMPLE/", 1.0),
        (" https://bahis.example/", 1.0),
        ("https://HABER.example/spor", 0.0),
    ],
)
def test_outward_links(href: str, outward: float) -> None:
    # A link to another host is outward; the site's own names and subdomains are not, a host that merely ends in the same letters is.
    page = extract(f'<p><a href="{href}">Tıklayın</a></p>', url="https://www.haber.example/a")
    assert [(block.link_density, block.outward) for block in page.blocks] == [(1.0, outward)]


def test_own_address_from_the_page() -> None:
    # Without a given address the canonical link tells inward from outward; without either, all are inward.
    link = '<p><a href="https://bahis.example/">Tıklayın</a></p>'
    assert extract(f'<link rel="canonical" href="https://haber.example/a">{link}').blocks[0].outward == 1.0
    assert extract(link).blocks[0].outward == 0.0


def test_host_of() -> None:
    # A site's name with and without www is one.
    hosts = [host_of(url) for url in ("http://www.haber.example/a", "//haber.example", "/a", "http://[x")]
    assert hosts == ["haber.example", "haber.example", None, None]


def test_trafilatura_keeps_the_article() -> None:
    # What trafilatura kept is found again in the page's blocks: the paragraphs whole, the footer not.
    page = extract(ARTICLE)
    shares = {page.text_of(block): block.kept_share for block in page.blocks}
    assert [shares[paragraph] for paragraph in PARAGRAPHS] == [1.0] * len(PARAGRAPHS)
    assert shares["Künye"] == 0.0
    assert page.sentence_words >= sum(len(paragraph.split()) for paragraph in PARAGRAPHS)


@pytest.mark.parametrize(
    ("blocks", "output", "shares"),
    [
        (["Bir iki üç", "Dört beş altı"], "Dört beş altı", [0, 1]),
        (["Köprü açıldı", "Köprü açıldı"], "Köprü açıldı", [1, 0]),
        (["Köprü açıldı bugün", "Metin burada durur", "Köprü açıldı bugün"], "Metin burada durur\nKöprü açıldı bugün", [0, 1, 1]),
        (["Bir iki üç dört", "Beş altı yedi"], "Bir iki üç dört Beş altı yedi", [1, 1]),
        (["Bir iki üç dört beş altı"], "Bir iki üç dört", [4 / 6]),
        (["Bir iki üç", "dört", "beş altı yedi"], "Bir iki üç beş altı yedi", [1, 0, 1]),
        (["Bir iki üç"], "", [0]),
        (["—", "Bir"], "Bir", [0, 1]),
        (["İSTANBUL'DA SEL"], "İstanbul'da sel", [1]),
        ([], "Bir", []),
        (["Bir iki üç"], "hiç böyle bir şey yok", [0]),
    ],
    ids=[
        "one block",
        "first of two alike",
        "behind the cursor",
        "joined by trafilatura",
        "part of a block",
        "link text dropped",
        "no output",
        "no words",
        "capitals",
        "no blocks",
        "elsewhere",
    ],
)
def test_kept_shares(blocks: list[str], output: str, shares: list[float]) -> None:
    # Trafilatura's lines are aligned to the page's words in order; a share is exact to the word.
    assert kept_shares(blocks, output) == pytest.approx(shares)


@given(st.lists(st.text(st.sampled_from("ab c."), max_size=20), max_size=12), st.text(st.sampled_from("ab c.\n"), max_size=60))
def test_kept_shares_of_anything(blocks: list[str], output: str) -> None:
    # One share a block, each from 0 to 1, whatever trafilatura made of the page.
    shares = kept_shares(blocks, output)
    assert len(shares) == len(blocks)
    assert all(0 <= share <= 1 for share in shares)


@given(st.lists(st.text(st.sampled_from("abcçğ "), max_size=20), max_size=12))
def test_whole_page_kept(blocks: list[str]) -> None:
    # An output that is the whole page keeps the whole page.
    assert kept_shares(blocks, " ".join(blocks)) == [1.0 if block.split() else 0.0 for block in blocks]


def test_nested_below_the_limit_is_whole() -> None:
    # Text at depth 255, where libxml2's default stops, and far below is read.
    depth = MAX_DEPTH - 20
    page = extract("<div>" * depth + "<p>Derinde</p>" + "</div>" * depth + "<p>Sonda</p>")
    assert texts(page) == ["Derinde", "Sonda"]
    assert page.damage == ()


@pytest.mark.parametrize("depth", [300, 900, 1_100, 2_000, 2_100, 5_000])
def test_nested_any_depth(depth: int) -> None:
    # Below the depth that real pages have, a page is read without an error, and what trafilatura did not see is said.
    page = extract("<div>" * depth + "<p>Derinde</p>" + "</div>" * depth + "<p>Sonda</p>")
    well_cut(page)
    assert texts(page) == ["Derinde", "Sonda"] or "parse-truncated" in {damage.code for damage in page.damage}
    assert bool(page.damage) is (depth > MAX_DEPTH)


@pytest.mark.parametrize("tag", ["div", "span", "b", "blockquote", "ul><li", "table><tr><td"])
def test_nested_20000_deep(tag: str) -> None:
    # A page nested 20,000 deep is read without a crash, and says that trafilatura did not see it or that the parser gave up.
    page = extract(f"<p>Önce geldi</p>{f'<{tag}>' * 20_000}Derinde<p>Sonra geldi</p>")
    well_cut(page)
    assert "Önce geldi" in page.text
    assert {damage.code for damage in page.damage} & {"extraction-skipped", "parse-truncated"}


@pytest.mark.slow
def test_200000_links() -> None:
    # A page of 200,000 links is walked in seconds, without trafilatura, and every link is there.
    html = "<html><body>" + "".join(f'<li><a href="/{n}">Bağlantı {n}</a></li>' for n in range(200_000))
    started = time.process_time()
    page = extract(html)
    assert time.process_time() - started < 20
    assert len(page.blocks) == 200_000
    assert page.text_of(page.blocks[-1]) == "Bağlantı 199999"
    assert str(page.blocks[-1].xpath).endswith("/li[200000]")
    assert [damage.code for damage in page.damage] == ["extraction-skipped"]


def test_elements_at_the_limit() -> None:
    # One element more than trafilatura is given, and it is not.
    few, many = (extract("<body>" + "<i></i>" * n + "<p>Metin</p>") for n in (MAX_ELEMENTS - 3, MAX_ELEMENTS + 1))
    assert [damage.code for damage in few.damage] == []
    assert [damage.code for damage in many.damage] == ["extraction-skipped"]


@pytest.mark.slow
def test_huge_text_node() -> None:
    # A text node over 10 MB, which libxml2 drops by default, is whole.
    text = "Köprü bugün törenle açıldı. " * 450_000
    page = extract(f"<p>Önce</p><p>{text}</p><p>Sonra</p>")
    assert [page.text_of(page.blocks[0]), page.text_of(page.blocks[-1])] == ["Önce", "Sonra"]
    assert page.text_of(page.blocks[1]) == text.strip()


def test_parser_that_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    # A fatal entry in the parser's log is damage; an ordinary error, which every page has, is none.
    assert extract("<p>Bir</b></p></x>").damage == ()
    monkeypatch.setattr("newsfilter.extract.etree.ErrorLevels.FATAL", etree.ErrorLevels.ERROR)
    assert [damage.code for damage in extract("<p>Bir</b></p></x>").damage] == ["parse-truncated"]


def test_trafilatura_leaves_the_tree_alone() -> None:
    # The same page gives the same blocks twice, facts and all.
    assert extract(ARTICLE) == extract(ARTICLE)
