import random
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsfilter.errors import InputError
from newsfilter.extract import extract
from newsfilter.training.alignment import segment_labels
from newsfilter.training.corpus import Example, as_text, document_lines, site_of
from newsfilter.training.generator import read_templates
from newsfilter.training.labels import LabelledDocument, read_labelled
from newsfilter.training.mixing import injected_example, labelled_examples, recombined, transplanted_example, visible_text_example
from newsfilter.training.phrases import read_class_words
from newsfilter.training.splits import FOLDS, fold_of, in_validation
from newsfilter.training.wardrobe import Stock, Wardrobe, make_wardrobe

FIXTURES = Path(__file__).parents[1] / "fixtures"
TEMPLATES = read_templates(FIXTURES / "spam")
WARDROBE = Wardrobe(
    {}, {}, {}, {("", fold): (("casino bonus", "spam-gambling"), ("escort", "spam-adult")) for fold in range(FOLDS)}, TEMPLATES
)
DOCUMENTS = list(read_labelled(FIXTURES / "labelled"))
ARTICLES = [document for document in DOCUMENTS if document.kind == "article"]
LONG = "Başkan yeni köprünün gelecek yıl açılacağını söyledi. Halk töreni izledi ve alkışladı! Yağmur yağmadı."
LINES = (
    ("Ana Sayfa", "navigation"),
    ("Köprü açıldı", "headline"),
    (LONG, "body"),
    ("Halk sevindi.", "body"),
    ("市政府昨天宣布新桥将于明年春季正式通车。届时交通将大为改善。" * 3, "body"),
    ("Yorum yap", "comment"),
)
FURNITURE = ("AnaSayfa", "Köprüaçıldı", "Yorumyap")
SENTENCES = [
    *FURNITURE[:2],
    "Başkanyeniköprününgelecekyılaçılacağınısöyledi.",
    "Halktöreniizledivealkışladı!",
    "Yağmuryağmadı.",
    "Halksevindi.",
    *("市政府昨天宣布新桥将于明年春季正式通车。", "届时交通将大为改善。") * 3,
    FURNITURE[2],
]  # of LINES, without white space


def bare(text: str) -> str:
    """A text without white space."""
    return "".join(text.split())


def of(lines: list[tuple[str, str]], label: str) -> str:
    """The text of all lines of a label, without white space."""
    return bare("".join(text for text, own in lines if own == label))


def made_up(*blocks: tuple[str, str], **spans: tuple[tuple[int, int, str], ...]) -> LabelledDocument:
    """A document; a span's name is the number of its block behind a letter."""
    return LabelledDocument("x", "tr", "haber.example", "article", blocks, {int(name[1:]): own for name, own in spans.items()})


def in_order(wanted: list[str], text: str) -> bool:
    """Whether texts stand in another, one behind the other."""
    position = 0
    for part in wanted:
        position = text.find(part, position)
        if position < 0:
            return False
        position += len(part)
    return True


def test_document_lines_whole_and_cut() -> None:
    # As a page is met, its blocks as they are; as it is looked into, a block that holds spam in sentences and spam.
    text = "Köprü açıldı. Halk sevindi. casino giriş Sonra gitti. bahis"
    spam, end = text.index("casino"), text.index(" Sonra")
    last = text.index("bahis")
    document = made_up(
        ("Ana Sayfa", "navigation"),
        (text, "body"),
        ("Bir. İki.", "body"),
        b1=((spam, end, "spam-gambling"), (last, last + 5, "spam-other")),
    )
    assert document_lines(document, cut=False) == list(document.blocks)
    assert document_lines(document, cut=True) == [
        ("Ana Sayfa", "navigation"),
        ("Köprü açıldı.", "body"),
        ("Halk sevindi.", "body"),
        ("casino giriş", "spam-gambling"),
        ("Sonra gitti.", "body"),
        ("bahis", "spam-other"),
        ("Bir. İki.", "body"),
    ]


@pytest.mark.parametrize(
    ("text", "spans", "expected"),
    [
        ("casino Halk sevindi.", ((0, 6, "spam-other"),), [("casino", "spam-other"), ("Halk sevindi.", "body")]),
        ("Halk casino", ((4, 11, "spam-other"),), [("Halk", "body"), ("casino", "spam-other")]),
        (
            "Halk  casino bahis",
            ((5, 12, "spam-other"), (12, 18, "spam-adult")),
            [("Halk", "body"), ("casino", "spam-other"), ("bahis", "spam-adult")],
        ),
        (
            "新桥通车。娱乐城官网明年春季",
            ((5, 10, "spam-gambling"),),
            [("新桥通车。", "body"), ("娱乐城官网", "spam-gambling"), ("明年春季", "body")],
        ),
        ("casino. bahis. Halk", ((0, 14, "spam-other"),), [("casino. bahis.", "spam-other"), ("Halk", "body")]),
    ],
)
def test_document_lines_at_the_edges(text: str, spans: tuple[tuple[int, int, str], ...], expected: list[tuple[str, str]]) -> None:
    # Spam at a block's edge, beside other spam, with a blank inside its span; a span stays one line.
    assert document_lines(made_up((text, "body"), b0=spans), cut=True) == expected


@pytest.mark.parametrize("space", ["\u2009", "\u2003", "\u202f", "\x85"])
def test_spam_behind_a_thin_space_is_spam(space: str) -> None:
    # Whatever kind of white space somebody marked with it.
    document = made_up((f"Halk sevindi.{space}casino", "body"), b0=((13, 20, "spam-other"),))
    assert [label for _, label in document_lines(document, cut=True)] == ["body", "spam-other"]


def test_document_lines_of_all_labelled_documents() -> None:
    # Cut or not, no word is lost, and the spam of each span is spam.
    spans = 0
    for document in DOCUMENTS:
        whole, cut = document_lines(document, cut=False), document_lines(document, cut=True)
        assert bare("".join(text for text, _ in cut)) == bare("".join(text for text, _ in whole))
        for number, own in document.spans.items():
            for start, end, label in own:
                spans += 1
                assert (document.blocks[number][0][start:end].strip(), label) in cut
    assert spans > 0


@pytest.mark.parametrize("number", range(0, len(ARTICLES), max(len(ARTICLES) // 40, 1)))
def test_recombined_keeps_the_article_in_order(number: int) -> None:
    # Headline, body and spam of the one stand in its order; of the other, only furniture comes, in its order too.
    article, furniture = ARTICLES[number], ARTICLES[(number * 7 + 3) % len(ARTICLES)]
    for seed in range(4):
        lines = recombined(article, furniture, random.Random(seed))
        own = [bare(text) for text, label in article.blocks if label in ("body", "headline")]
        drawn = [text for text, label in lines if label in ("body", "headline") or label.startswith("spam-")]
        assert in_order(own, bare("".join(drawn)))
        strange = [block for block in lines if block[1] not in ("body", "headline") and not block[1].startswith("spam-")]
        assert set(strange) <= set(furniture.blocks)


def test_recombined_without_anything_is_the_article() -> None:
    # A document of furniture alone has no body to put in another's place.
    lonely = made_up(("Ana Sayfa", "navigation"))
    assert recombined(lonely, lonely, random.Random(0)) == [("Ana Sayfa", "navigation")]


@pytest.mark.parametrize("seed", range(60))
def test_soil_keeps_all_honest_text(seed: int) -> None:
    # Spam and honest lines of its shape come between; every sentence that was there is still there, in order and under its label.
    lines = WARDROBE.soil(LINES, "tr", "haber.example", random.Random(seed))
    assert in_order(SENTENCES, bare("".join(text for text, _ in lines)))
    assert in_order([text for text in SENTENCES if text not in FURNITURE], of(lines, "body"))
    for line in (LINES[0], LINES[1], LINES[3], LINES[5]):
        assert line in lines


@pytest.mark.parametrize("seed", range(60))
def test_glue_keeps_all_honest_text(seed: int) -> None:
    # Glued spam stands inside a paragraph or beside its pieces; short paragraphs and furniture are left alone.
    lines = WARDROBE.glue(LINES, "tr", "haber.example", random.Random(seed))
    assert in_order(SENTENCES, bare("".join(text for text, _ in lines)))
    assert in_order([text for text in SENTENCES if text not in FURNITURE], of(lines, "body"))
    assert [line for line in lines if line in LINES and line not in (LINES[2], LINES[4])] == [LINES[0], LINES[1], LINES[3], LINES[5]]
    assert {label for _, label in lines} - {"spam-adult", "spam-gambling", "spam-other"} == {label for _, label in LINES}


def test_glue_does_every_shape() -> None:
    # Spam inside of a body line, spam as a line of its own, and a paragraph in pieces without spam.
    seen = set()
    for seed in range(60):
        lines = WARDROBE.glue([(LONG, "body")], "tr", "haber.example", random.Random(seed))
        spam = any(label.startswith("spam-") for _, label in lines)
        inside = len(lines) == 1 and bare(lines[0][0]) != bare(LONG)
        seen.add("beside" if spam else "inside" if inside else "pieces" if len(lines) > 1 else "whole")
    assert seen == {"beside", "inside", "pieces"}


def test_soil_needs_an_article() -> None:
    # A page with fewer than two paragraphs is left as it is.
    lines = [("Ana Sayfa", "navigation"), ("Köprü açıldı.", "body")]
    assert all(WARDROBE.soil(lines, "tr", "x", random.Random(seed)) == lines for seed in range(20))


def test_spam_is_drawn_from_documents_of_the_same_fold() -> None:
    # What the page of one fold is mixed with, no stage one of that fold has seen.
    sites = {fold_of(f"site{number}"): f"site{number}" for number in range(30)}
    documents = [made_up((f"casino {fold}", "spam-gambling"), (f"Köprü haberi açıldı {fold}", "headline")) for fold in sites]
    stock = Stock({}, TEMPLATES, {})
    wardrobe = make_wardrobe(stock, [], [replace(document, site=site) for document, site in zip(documents, sites.values(), strict=True)])
    for fold, site in sites.items():
        drawn = [line for seed in range(60) for line in wardrobe.spam_lines("tr", site, 1, random.Random(seed))]
        ours = {text for text, _ in drawn if text in {f"casino {number}" for number in sites}}
        assert ours == {f"casino {fold}"}
        assert wardrobe.headlines["tr", fold] == (f"Köprü haberi açıldı {fold}",)


HTML = """<html><body><article><p>Başkan yeni köprünün gelecek yıl açılacağını söyledi.</p><p>Halk sevindi ve alkışladı.</p>
<p>AB</p><a href="/">Son dakika haberleri burada</a><div class="comments"><p>Ne güzel bir köprü bu!</p></div></article></body></html>"""


def test_segment_labels() -> None:
    # Known are the blocks that hold a string; white space does not matter, strings of fewer than five letters say nothing.
    page = extract(HTML)
    texts = [page.text_of(block) for block in page.blocks]
    labels = segment_labels(page, ["köprünün  gelecek\nyıl", "AB"], ["Son dakika"], ["Ne güzel"])
    found = dict(zip(texts, labels, strict=True))
    assert found["Başkan yeni köprünün gelecek yıl açılacağını söyledi."] == "body"
    assert found["Halk sevindi ve alkışladı."] == ""
    assert found["AB"] == ""
    assert found["Ne güzel bir köprü bu!"] == "comment"
    assert found["Son dakika haberleri burada"] in ("navigation", "teaser")


def test_segment_labels_that_contradict_each_other_say_nothing() -> None:
    # A block that must and must not be kept is unknown; a string of one kind twice is no contradiction.
    page = extract(HTML)
    number = next(number for number, block in enumerate(page.blocks) if page.text_of(block).startswith("Halk"))
    assert segment_labels(page, ["Halk sevindi"], ["alkışladı."], [])[number] == ""
    assert segment_labels(page, ["Halk sevindi", "alkışladı."], [], [])[number] == "body"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Köprü açıldı.", "Halk", "Ana Sayfa | Spor", "新桥通车。", LONG]),
            st.sampled_from(["body", "teaser", "spam-other"]),
        ),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from(["\n", "\n\n"]),
)
def test_as_text_hands_each_block_its_lines_label(lines: list[tuple[str, str]], separator: str) -> None:
    # However the text is cut into blocks, each begins in one line and has its label.
    page, labels = as_text(lines, separator)
    assert len(labels) == len(page.blocks)
    assert page.text == separator.join(text for text, _ in lines)
    position, starts = 0, []
    for text, label in lines:
        starts.append((position, label))
        position += len(text) + len(separator)
    for block, label in zip(page.blocks, labels, strict=True):
        assert label == next(own for start, own in reversed(starts) if start <= block.start)


def example() -> Example:
    """An HTML page with five paragraphs."""
    paragraphs = "".join(f"<p>Paragraf {number}. {LONG}</p>" for number in range(5))
    page = extract(f"<html><body><nav><a href='/'>Ana Sayfa</a></nav><article>{paragraphs}</article></body></html>")
    labels = tuple("body" if "Paragraf" in page.text_of(block) else "navigation" for block in page.blocks)
    return Example(page, labels, "haber.example", "made-up", "tr")


@pytest.mark.parametrize("seed", range(30))
def test_injected_pages_keep_their_paragraphs(seed: int) -> None:
    # Blocks tile the new page, each has a label, and the body is what it was.
    near = replace(made_up(("Paylaş", "reaction"), ("Yorum yap", "comment")), site="haber.example")
    before = example()
    after = injected_example(before, [near], WARDROBE, random.Random(seed))
    assert len(after.labels) == len(after.page.blocks) > len(before.labels)
    for one, other in pairwise(after.page.blocks):
        assert after.page.text[one.end : other.start] == "\n"
    lines = [(after.page.text_of(block), label) for block, label in zip(after.page.blocks, after.labels, strict=True)]
    old = [(before.page.text_of(block), label) for block, label in zip(before.page.blocks, before.labels, strict=True)]
    # What stands far from every new line has no label: the page without them teaches it.
    assert in_order([text for text, label in lines if label == "body"], " ".join(text for text, label in old if label == "body"))
    assert in_order([text for text, label in old if label == "body" and text in after.page.text], after.page.text)
    assert bare(after.page.text).count("Halktöreniizledi") == bare(before.page.text).count("Halktöreniizledi")
    assert not any(label == "navigation" for _, label in lines)
    assert after.source == "made-up-injected"


@pytest.mark.parametrize("seed", range(30))
def test_a_text_in_the_markup_of_a_page(seed: int) -> None:
    # All of the text stands there, in order; a block of the page keeps its markup and says something else; nothing of the page's words is left.
    headline = ("İskele bitti", "headline")
    body = tuple((f"{number}. {LONG} Balıkçılar sevindi.", "body") for number in range(8))
    document = made_up(("Künye", "navigation"), headline, *body[:4], ("Paylaş", "reaction"), *body[4:], ("Yorum yap", "comment"))
    wardrobe = replace(WARDROBE, furniture={("tr", fold_of(document.site)): {"navigation": ("Künye",)}})
    markup = example()
    moved = transplanted_example(document, markup, wardrobe, random.Random(seed))
    assert moved is not None
    lines = [(moved.page.text_of(block), label) for block, label in zip(moved.page.blocks, moved.labels, strict=True)]
    assert in_order([text for text, _ in body], " ".join(text for text, label in lines if label == "body"))
    assert of(lines, "navigation") == "Künye"
    assert of(lines, "reaction") == "Paylaş"
    assert "Paragraf" not in moved.page.text
    assert moved.page.metadata.title == headline[0]
    assert {block.tags for block, label in zip(moved.page.blocks, moved.labels, strict=True) if label == "body"} == {
        markup.page.blocks[1].tags
    }


def test_a_site_has_its_own_class_words() -> None:
    # In the markup of a page, a text may have the class words of its language: each block those of its label.
    words = {"tr": {"body": (("haber", "metni"),), "reaction": (("paylas",),)}}
    document = made_up(("İskele bitti", "headline"), (LONG, "body"), ("Paylaş", "reaction"), (LONG, "body"))
    seen = set()
    for seed in range(40):
        moved = transplanted_example(document, example(), replace(WARDROBE, class_words=words), random.Random(seed))
        assert moved is not None
        seen |= {(label, block.hints) for block, label in zip(moved.page.blocks, moved.labels, strict=True)}
    assert ("body", ("haber", "metni")) in seen
    assert ("reaction", ("paylas",)) in seen
    assert not any(label == "body" and "paylas" in hints for label, hints in seen)


def test_class_words_are_read(tmp_path: Path) -> None:
    file = tmp_path / "tr.txt"
    file.write_text("body|haber-metni icerik; newsText_2; ;\n", encoding="utf-8")
    assert read_class_words(tmp_path) == {"tr": {"body": [("haber", "metni", "icerik"), ("newstext",)]}}
    file.write_text("body|haber\nmenu|nav\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"tr\.txt:2: no line of class words"):
        read_class_words(tmp_path)


def test_a_page_without_paragraphs_lends_no_markup() -> None:
    document = made_up(("İskele bitti", "headline"), (LONG, "body"), (LONG, "body"))
    page = replace(example(), labels=("navigation",) * len(example().labels))
    assert transplanted_example(document, page, WARDROBE, random.Random(1)) is None
    assert transplanted_example(made_up((LONG, "body")), example(), WARDROBE, random.Random(1)) is None


@pytest.mark.parametrize("seed", range(20))
def test_visible_text_is_what_the_page_says(seed: int) -> None:
    # Of the article nothing is lost, and what is known of the page stays.
    before = example()
    after = visible_text_example(before, WARDROBE, random.Random(seed))
    assert not after.page.html
    assert (after.site, after.lang, after.source) == ("haber.example", "tr", "made-up-text")
    position, text = 0, bare(after.page.text)
    for number in range(5):
        position = text.find(f"Paragraf{number}.", position)
        assert position >= 0


def test_labelled_examples_are_whole_and_cut() -> None:
    # A document with spans teaches twice, one without teaches once; only articles are recombined, each once a copy.
    spam = made_up(("Köprü açıldı. Halk sevindi. casino", "body"), ("Sonra herkes evine gitti.", "body"), b0=((28, 34, "spam-other"),))
    listing = replace(made_up(("Ana Sayfa", "navigation")), kind="listing")
    examples = list(labelled_examples([spam, listing], WARDROBE, random.Random(1), copies=2))
    assert [example.weight for example in examples] == [4.0, 4.0, 4.0, 2.0, 2.0]
    assert [example.kind for example in examples[:3]] == ["article", "article", "listing"]
    assert "spam-other" not in examples[0].labels
    assert "spam-other" in examples[1].labels


@pytest.mark.parametrize(
    ("row", "source", "site"),
    [
        ({"url": "https://www.haber.example.com/a", "id": "1"}, "wcxb", "example.com"),
        ({"url": "https://spor.haber.com.tr/a", "id": "1"}, "wcxb", "haber.com.tr"),
        ({"url": "https://haber.tr/a", "id": "1"}, "wcxb", "haber.tr"),
        ({"id": "TR_Haber_2024_01"}, "fundus", "tr_haber"),
        ({"id": "www.haber.com.2024.html"}, "trafilatura-eval", "haber.com"),
        ({"id": "12_www.haber.gr_34"}, "daniel", "haber.gr"),
    ],
)
def test_site_of(row: dict[str, str], source: str, site: str) -> None:
    # All pages of one site have one name, so that no split parts them.
    assert site_of(row, source) == site


def test_splits_are_by_site_and_of_the_size_that_they_say() -> None:
    # A fifth of the sites is for validation, and folds are even.
    sites = [f"site{number}.example" for number in range(3000)]
    assert 0.17 < sum(in_validation(site) for site in sites) / len(sites) < 0.23
    assert all(900 < [fold_of(site) for site in sites].count(fold) < 1100 for fold in range(3))
