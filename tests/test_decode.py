import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsfilter.decode import clean_surrogates, decode, sniff_media_type

CASES = json.loads((Path(__file__).parents[1] / "fixtures/cases/decode.json").read_text(encoding="utf-8"))
BRANCHES = {"str", "bom", "utf-16-pattern", "utf-8", "nearly-utf-8", "header", "meta", "declared-1252", "detector", "fallback"}


def raw_bytes(case: dict[str, Any]) -> bytes:
    """The case's document: a prefix, the text in its encoding, and stray bytes put in at a byte position (-1: the end)."""
    raw: bytes = case["text"].encode(case["encoding"], case.get("errors", "strict"))
    if "insert" in case:
        at, stray = case["insert"]
        at = len(raw) if at < 0 else at
        raw = raw[:at] + bytes.fromhex(stray) + raw[at:]
    return bytes.fromhex(case.get("prefix", "")) + raw


@pytest.mark.parametrize("case", [pytest.param(case, id=case["label"]) for case in CASES])
def test_every_branch(case: dict[str, Any]) -> None:
    # Each document is read in the right charset, and the record says which branch chose it.
    found = decode(raw_bytes(case), charset=case["charset"])
    assert found.text == case.get("expected", case["text"])
    assert (found.how, found.used, found.declared, found.replaced) == (case["how"], case["used"], case["declared"], case["replaced"])


def test_no_branch_without_a_case() -> None:
    # The table reaches every branch that decode documents, but the two that other tests here reach.
    assert {case["how"] for case in CASES} == BRANCHES - {"str", "fallback"}
    assert all(f"``{branch}``" in (decode.__doc__ or "") for branch in BRANCHES)


def test_str_passes_through() -> None:
    # A str is already decoded: nothing is done to it, whatever was declared.
    found = decode("Köprü açıldı\0", charset="shift_jis")
    assert (found.text, found.how, found.declared, found.replaced) == ("Köprü açıldı\0", "str", "shift_jis", 0)


@pytest.mark.parametrize(
    ("text", "clean", "replaced"),
    [
        ("a\ud800b", "a\ufffdb", 1),
        ("a\udc00b\udfff", "a\ufffdb\ufffd", 2),
        ("a\ud83d\ude00b", "a\U0001f600b", 0),
        ("a\ufffdb\ud800", "a\ufffdb\ufffd", 1),
    ],
    ids=["high half", "low halves", "both halves of one", "one that was there before"],
)
def test_lone_surrogates(text: str, clean: str, replaced: int) -> None:
    # A lone surrogate is replaced and counted; two that belong together become the character that they are.
    found = decode(text)
    assert (found.text, found.replaced) == (clean, replaced)


def test_bytes_of_no_charset() -> None:
    # Bytes that no charset explains still give a text, with every loss counted.
    found = decode(b"\x81\x8d\x8f\x90\x9d" * 20)
    assert (found.how, found.replaced, set(found.text)) == ("fallback", 100, {"\ufffd"})


def test_declaration_behind_scripts() -> None:
    # A page may put a kilobyte of script before its charset, against the standard; it is found, but not at any distance.
    text = "<p>" + "Mağaza bugün açıldı ve büyük ilgi gördü. " * 5
    late = b"<script>" + b" " * 4000 + b"</script><meta charset=windows-1254>"
    too_late = b"<script>" + b" " * 9000 + b"</script><meta charset=windows-1254>"
    assert decode(late + text.encode("cp1254")).how == "meta"
    assert decode(too_late + text.encode("cp1254")).how == "detector"


def test_odd_byte_at_the_end_of_utf16() -> None:
    # A UTF-16 file that was cut in the middle of a pair loses that pair alone.
    found = decode(b"\xff\xfe" + "Köprü".encode("utf-16-le") + b"a")
    assert (found.text, found.replaced) == ("Köprü\ufffd", 1)


@given(
    st.binary(max_size=400) | st.text(max_size=200).map(lambda text: text.encode("utf-16-le")),
    st.sampled_from([None, "utf-8", "windows-1254", "gbk", "x"]),
)
def test_any_bytes_decode(raw: bytes, charset: str | None) -> None:
    # No bytes raise, and what comes out can be written as UTF-8.
    found = decode(raw, charset=charset)
    found.text.encode("utf-8")
    assert found.how in BRANCHES
    assert 0 <= found.replaced <= len(raw)


@given(st.text())
def test_utf8_is_read_back(text: str) -> None:
    # Any text without a byte order mark or UTF-16's look comes back from UTF-8 as it was.
    if not text.startswith("\ufeff") and "\0" not in text:
        assert decode(text.encode()).text == text


@given(st.text(st.characters(codec=None, categories=None), max_size=50))
def test_clean_surrogates_changes_nothing_else(text: str) -> None:
    # What comes out has no surrogates, and a text without them is untouched.
    clean = clean_surrogates(text)
    assert not any("\ud800" <= character <= "\udfff" for character in clean)
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert clean is text


@pytest.mark.parametrize(
    ("text", "media_type"),
    [
        ("<!DOCTYPE html><title>x</title>", "text/html"),
        ("\ufeff \n<HTML lang=tr>", "text/html"),
        ('<?xml version="1.0"?><html>', "text/html"),
        ("<p>Bir paragraf", "text/html"),
        ("<!-- saved -->\n<div>a<p>b</p></div>", "text/html"),
        ("Giriş<br>satırı<br>bir<br>metin", "text/html"),
        ("Köprü açıldı. Haberin sonu.", "text/plain"),
        ("Sayfada <p> etiketi kullanılır ve bu bir yazıdır.", "text/plain"),
        ("a < b ve b > c ise", "text/plain"),
        ("<bilinmeyen> bir söz", "text/plain"),
        ("", "text/plain"),
    ],
)
def test_sniffed_by_content(text: str, media_type: str) -> None:
    # A document's opening or three tags make HTML; a text that quotes a tag stays text.
    assert sniff_media_type(text) == media_type


TURKISH = sorted(path for name in ("yerel", "ulusal") for path in (Path(__file__).parents[1] / "fixtures/gold" / name).glob("*.txt"))


@pytest.mark.parametrize("characters", [150, 300, 600, 1500])
def test_turkish_in_its_old_charset_needs_no_declaration(characters: int) -> None:
    # Short texts have few foreign letters, by which a detector takes some for Baltic, Czech or Romanian.
    for path in TURKISH:
        raw = path.read_text(encoding="utf-8")[:characters].encode("cp1254", "ignore")
        assert decode(raw).text == raw.decode("cp1254"), path.name


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("cp1250", "Ve městě se ve středu sešli zástupci obce, kteří jednali o nové škole. Starý most bude uzavřen, řekl starosta, který slíbil opravu."),
        ("cp1257", "Šiandien Vilniuje įvyko susitikimas, kuriame dalyvavo šimtai žmonių. Merė žadėjo, kad naujas tiltas bus atidarytas rudenį."),
        ("cp1252", "Það var ákveðið í gær að byggja nýja brú yfir ána. Bæjarstjórinn sagði að verkið hæfist þegar veður leyfði og að því lyki fyrir haustið, þótt kostnaður væri meiri."),
        ("cp1250", "Primăria a anunţat că podul va fi închis timp de două luni pentru reparaţii. Locuitorii sunt nemulţumiţi şi cer o soluţie."),
    ],
    ids=["Czech", "Lithuanian", "Icelandic", "Romanian"],
)  # fmt: skip
def test_bytes_that_would_be_turkish_letters_are_not_always(codec: str, text: str) -> None:
    # They stand for ý, þ, ţ or š elsewhere, among letters that Turkish has not.
    assert decode(text.encode(codec)).text == text
