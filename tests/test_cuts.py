import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsfilter.cuts import CUT_FEATURES, MAX_PIECES, Piece, cut_at, cut_blocks, piece_matrix, sentence_spans
from newsfilter.ngrams import TEXT_BITS, Profile, spam_profile, text_rows
from newsfilter.normal_form import Joined, build_tables, join_pages, page_codes
from newsfilter.records import Block, Inline, Page

TABLES = build_tables()
SPACES = " \t\r\n\v\f\xa0\u2028\u2029\u3000"  # what no piece begins or ends with
SPAM = "casino siteleri deneme bonusu veren bahis giriş escort 娱乐城官网博彩"
NEUTRAL = np.zeros(1 << TEXT_BITS, np.int16)
PARTS = st.sampled_from(
    [
        "Köprü açıldı.", "Dr. Ada", "casino siteleri", "deneme bonusu veren", "c a s i n o", "b0nus", "娱乐城官网", "新华社北京电。", "https://x.bet/", "!", "…",
        " ", "  ", "\n", "\r\n", "\xa0", "\u3000", "\u200b", "\u00ad", "\x85", "e\u0301", "می‌خواهم", "؟", "👉", " | ", "🙂", "\ud800",
    ]
)  # fmt: skip
TEXTS = st.text(min_size=1, max_size=80) | st.lists(PARTS, min_size=1, max_size=30).map("".join)


def spammy() -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """Margins by which the words of `SPAM` speak for spam, and all others for body."""
    margins = np.full(1 << TEXT_BITS, -80, np.int16)
    page = Page(SPAM, (Block(0, len(SPAM)),), html=False)
    for gram in text_rows(page_codes(page, TABLES)):
        margins[gram.rows] = 300
    return margins


SPAMMY = spammy()


def read(*pages: Page, margins: np.ndarray[tuple[int], np.dtype[np.int16]] = SPAMMY) -> tuple[Joined, Profile]:
    """Pages as arrays, and how their stretches speak for spam."""
    joined = join_pages(pages, TABLES)
    return joined, spam_profile(text_rows(joined.codes), margins, len(joined.codes.kinds))


def all_blocks(*pages: Page) -> list[tuple[int, int]]:
    """Each block of each page, by their numbers."""
    return [(number, block) for number, page in enumerate(pages) for block in range(len(page.blocks))]


def one_block(text: str, *inline: Inline) -> Page:
    """A page of one block."""
    return Page(text, (Block(0, len(text), inline=inline),), html=bool(inline))


def cut(text: str, *inline: Inline) -> list[tuple[str, bool]]:
    """The pieces of a text, and whether each is a phrase."""
    page = one_block(text, *inline)
    return [(text[piece.start : piece.end], piece.phrase) for piece in cut_blocks(*read(page), [(0, 0)])[0].pieces]


@pytest.mark.parametrize(
    "sentences",
    [
        ["Yol açıldı.", "M. Kaya geldi.", "Yarın kapanacak!"],
        ["He left.", "Mr. Smith and Dr. Ada stayed.", "Why?"],
        ["U.S. troops left.", "It cost 3.5 million on 12.03.2024.", "Then it ended."],
        ["Der Wolf war weg.", "Es war z. B. in Graz kalt.", "Und nun?"],
        ["Il est parti…", "Elle aussi !", "Ah."],
        ["¿Por qué?", "¡Nadie sabe!", "El Sr. Paz habló."],
        ["Он сказал.", "И т. д. и т. п. тоже.", "А. С. Попов ушёл."],
        ["سأل الوزير: كيف؟", "ثم ذهب."],
        ["وہ گیا۔", "پھر آیا۔"],
        ["यह समाचार है।", "वह गया।"],
        ["Τι έγινε.", "Έφυγε."],
        ['"Geldi."', "Sonra gitti."],
        ["“Geldi!”", "dedi."],
        ["Köprü (eski.)", "Yeni köprü."],
        ["Haber bitti.", "www.x.bet giriş"],
        ["Haber bitti", "https://x.bet"],
        ["Birinci satır", "ikinci satır"],
    ],
)
def test_sentences(sentences: list[str]) -> None:
    # A text is cut behind its sentences, and before an address; not behind initials, short titles and inside numbers.
    text = "\n".join(sentences) if sentences[0] == "Birinci satır" else " ".join(sentences)
    assert [text[start:end] for start, end in sentence_spans(text)] == sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("北京电。上海也下雨！真的？是", ["北京电。", "上海也下雨！", "真的？", "是"]),
        ("「好。」他说。", ["「好。」", "他说。"]),
        ("東京で会見。次は大阪｡", ["東京で会見。", "次は大阪｡"]),
        ("ข่าววันนี้ https://x.bet", ["ข่าววันนี้", "https://x.bet"]),
        ("Haber bitti 👉 casino", ["Haber bitti 👉", "casino"]),
        ("x giriş | y giriş • z giriş", ["x giriş |", "y giriş •", "z giriş"]),
        ("1. madde 2. madde", ["1. madde 2. madde"]),
        ("Es war so. Und nun?", ["Es war so. Und nun?"]),  # what initials cost: a last word of two letters ends no sentence
        ("Prof. Lee left.", ["Prof.", "Lee left."]),  # and a title of more than two letters does
        ("a.b.c", ["a.b.c"]),
        ("satır\r\nbir\n\n\nüç", ["satır", "bir", "üç"]),
        ("Bitti.\xa0\u3000 Yine.", ["Bitti.", "Yine."]),
        ("   ", []),
        ("", []),
    ],
)
def test_sentences_of_other_shapes(text: str, sentences: list[str]) -> None:
    # Scripts without blanks, what spammers put between links, lists, and nothing at all.
    assert [text[start:end] for start, end in sentence_spans(text)] == sentences


@pytest.mark.parametrize(
    ("places", "pieces"),
    [
        ([], ["Köprü açıldı"]),
        ([5], ["Köprü", "açıldı"]),
        ([6, 5, 5, 6], ["Köprü", "açıldı"]),
        ([0, 12], ["Köprü açıldı"]),
        ([2, 8], ["Kö", "prü aç", "ıldı"]),
    ],
)
def test_cut_at(places: list[int], pieces: list[str]) -> None:
    # In order whatever the order of the places, without white space at the edges and without empty pieces.
    text = "Köprü açıldı"
    assert [text[start:end] for start, end in cut_at(text, places)] == pieces


@given(TEXTS, st.lists(st.integers(0, 80), max_size=8))
def test_cut_at_any_places(text: str, places: list[int]) -> None:
    # What lies in no piece is white space.
    spans = cut_at(text, [min(place, len(text)) for place in places])
    outside = text
    for start, end in reversed(spans):
        assert text[start] not in SPACES
        assert text[end - 1] not in SPACES
        outside = outside[:start] + outside[end:]
    assert outside.strip(SPACES) == ""
    assert spans == sorted(spans)


def test_spam_behind_a_sentence_is_a_piece() -> None:
    # The sentence ends before it.
    text = "Başkan yeni köprünün gelecek yıl açılacağını söyledi. casino siteleri deneme bonusu veren"
    assert cut(text) == [(text[:53], False), (text[54:], False)]


def test_a_phrase_inside_a_sentence_is_a_piece() -> None:
    # No sign parts the spam from what is around it; its words do.
    text = "Başkan yeni köprünün deneme bonusu veren casino siteleri gelecek yıl açılacağını söyledi."
    assert cut(text) == [
        ("Başkan yeni köprünün", False),
        ("deneme bonusu veren casino siteleri", True),
        ("gelecek yıl açılacağını söyledi.", False),
    ]


def test_a_phrase_of_a_script_without_spaces_is_a_piece() -> None:
    # Where no word has an end, any character may begin a phrase.
    text = "市政府昨天宣布新桥将于明年春季正式通车娱乐城官网博彩届时交通将大为改善"
    phrases = [piece for piece, phrase in cut(text) if phrase]
    assert len(phrases) == 1
    assert "城官网" in phrases[0]
    assert len(phrases[0]) <= 10


def test_a_phrase_is_found_behind_invisible_characters() -> None:
    # The pieces are stretches of the page's text, not of the normal form.
    text = "Baş\u00adkan yeni köp\u200brünün dene\u200bme bo\u200bnusu veren casino siteleri gelecek yıl açıla\u00adcağını söyledi."
    phrases = [piece for piece, phrase in cut(text) if phrase]
    assert phrases == ["dene\u200bme bo\u200bnusu veren casino siteleri"]


def test_a_sentence_that_is_all_spam_is_no_phrase() -> None:
    # It is one piece already.
    assert cut("deneme bonusu veren casino siteleri") == [("deneme bonusu veren casino siteleri", False)]


def test_an_outward_link_and_a_hidden_stretch_are_pieces() -> None:
    # Inward links are an article's own.
    text = "Başkan yeni köprü için tarih verdi ve gitti"
    where = text.index("köprü")
    whole = [(text, False)]
    parts = [(text[: where - 1], False), ("köprü", False), (text[where + 6 :], False)]
    assert cut(text, Inline(where, where + 5, linked=True, outward=False, hidden=False)) == whole
    assert cut(text, Inline(where, where + 5, linked=True, outward=True, hidden=False)) == parts
    assert cut(text, Inline(where, where + 5, linked=False, outward=False, hidden=True)) == parts


def test_a_list_is_cut_no_further_than_the_limit() -> None:
    # What is too much stays with the last piece, so that nothing is lost.
    text = "\n".join(f"madde {number}" for number in range(MAX_PIECES + 50))
    pieces = cut(text)
    assert len(pieces) == MAX_PIECES
    assert pieces[-1][0].endswith(f"madde {MAX_PIECES + 49}")


def pages() -> st.SearchStrategy[Page]:
    """Pages of one to three blocks with any inline marks."""

    def build(texts: list[str], marks: list[tuple[int, int, bool, bool]]) -> Page:
        blocks, position = [], 0
        for text in texts:
            inline = sorted(
                Inline(position + min(a, b) % len(text), position + min(max(a, b) % len(text) + 1, len(text)), outward, outward, hidden)
                for a, b, outward, hidden in marks
            )
            blocks.append(Block(position, position + len(text), inline=tuple(mark for mark in inline if mark.start < mark.end)))
            position += len(text) + 1
        return Page("\n".join(texts), tuple(blocks), html=True)

    marks = st.lists(st.tuples(st.integers(0, 79), st.integers(0, 79), st.booleans(), st.booleans()), max_size=3)
    return st.builds(build, st.lists(TEXTS.filter(lambda text: text.strip(SPACES)), min_size=1, max_size=3), marks)


@settings(deadline=None)
@given(pages(), st.sampled_from([SPAMMY, NEUTRAL, -SPAMMY]))
def test_pieces_tile_the_block(page: Page, margins: np.ndarray[tuple[int], np.dtype[np.int16]]) -> None:
    # In order, without overlap, inside the block; only white space lies between.
    for block, (_, _, pieces) in zip(page.blocks, cut_blocks(*read(page, margins=margins), all_blocks(page)), strict=True):
        position = block.start
        assert pieces
        for piece in pieces:
            assert position <= piece.start < piece.end <= block.end
            assert page.text[position : piece.start].strip(SPACES) == ""
            position = piece.end
        assert page.text[position : block.end].strip(SPACES) == ""


@settings(deadline=None)
@given(pages())
def test_any_piece_matrix(page: Page) -> None:
    # One row a piece, one column a feature, and a number in each.
    arrays = read(page)
    cuts = cut_blocks(*arrays, all_blocks(page))
    matrix = piece_matrix(*arrays, cuts)
    assert matrix.shape == (sum(len(cut.pieces) for cut in cuts), len(CUT_FEATURES))
    assert matrix.dtype == np.float32
    assert np.isfinite(matrix).all()


@settings(deadline=None)
@given(st.lists(pages(), min_size=2, max_size=4))
def test_a_page_is_cut_the_same_whatever_it_is_cut_with(several: list[Page]) -> None:
    arrays = read(*several)
    together = cut_blocks(*arrays, all_blocks(*several))
    alone = [read(page) for page in several]
    apart = [cut_blocks(*own, all_blocks(page)) for page, own in zip(several, alone, strict=True)]
    assert [cut.pieces for cut in together] == [cut.pieces for cuts in apart for cut in cuts]
    rows = np.concatenate([piece_matrix(*own, cuts) for own, cuts in zip(alone, apart, strict=True)])
    assert piece_matrix(*arrays, together).tobytes() == rows.tobytes()


def features(page: Page, number: int = 0) -> dict[str, list[float]]:
    """The columns of the pieces of one block, all others being looked into too."""
    arrays = read(page)
    cuts = cut_blocks(*arrays, all_blocks(page))
    first = sum(len(cut.pieces) for cut in cuts[:number])
    rows = piece_matrix(*arrays, cuts)[first : first + len(cuts[number].pieces)]
    return {name: rows[:, column].tolist() for column, name in enumerate(CUT_FEATURES)}


def test_what_the_features_say() -> None:
    # Three pieces, of which the last is a link to a betting site.
    text = "Başkan köprünün açılacağını söyledi. Halk sevindi! casino365 deneme bonusu veren www.x.bet"
    page = Page(
        f"Kısa haber\n{text}",
        (Block(0, 10), Block(11, 11 + len(text), inline=(Inline(11 + 51, 11 + len(text), linked=True, outward=True, hidden=False),))),
        html=True,
    )
    found = features(page, 1)
    assert found["pieces"] == [4, 4, 4, 4]
    assert found["from_start"] == [0, 1, 2, 3]
    assert found["from_end"] == [3, 2, 1, 0]
    assert found["ends_sentence"] == [1, 1, 0, 0]
    assert found["before_ends_sentence"] == [1, 1, 1, 0]
    assert found["linked"] == found["outward"] == [0, 0, 1, 1]
    assert found["hidden"] == [0, 0, 0, 0]
    assert found["inline"] == [0, 0, 1, 1]
    assert found["address"] == [0, 0, 0, 1]
    assert found["numbered"] == [0, 0, 1, 0]
    assert found["starts_small"] == [0, 0, 1, 1]
    assert found["html"] == [1, 1, 1, 1]
    assert found["phrase"] == [0, 0, 0, 0]
    assert found["margin"][2] > 5
    assert max(found["margin"][:2]) < 0
    assert found["over_block"][2] > 5
    assert set(found["largest_margin_of_page"]) == {found["margin"][2]}


def test_the_rest_of_a_block_is_the_block_without_the_piece() -> None:
    # Beside spam an honest sentence stands in a block that speaks for spam; spam stands in one that does not. The blank between is in the rest.
    found = features(one_block("Başkan köprünün açılacağını söyledi. deneme bonusu veren casino siteleri"))
    assert found["rest_of_block"][0] == pytest.approx(found["margin"][1], abs=1)
    assert found["rest_of_block"][1] == pytest.approx(found["margin"][0], abs=1)
    assert found["margin"][0] < 0 < found["margin"][1]
    assert sum(found["share_of_block"]) == pytest.approx(1, abs=0.03)


def test_pieces_of_chosen_blocks_only() -> None:
    # The blocks need not be neighbours; each piece is seen beside its own block's.
    page = Page("Bir köprü. İki köprü.\nyok\nÜç köprü!", (Block(0, 21), Block(22, 25), Block(26, 35)), html=False)
    arrays = read(page)
    cuts = cut_blocks(*arrays, [(0, 0), (0, 2)])
    assert piece_matrix(*arrays, cuts)[:, CUT_FEATURES.index("pieces")].tolist() == [2, 2, 1]
    assert cuts[1].pieces == [Piece(26, 35, phrase=False)]
