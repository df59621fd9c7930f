from collections.abc import Mapping
from typing import Any

import pytest

from newsfilter.dumps.documents import Document, Failed, Passed
from newsfilter.dumps.readers import ReadOptions
from newsfilter.dumps.readers.columns import PREFERENCE, Columns, Kind, Place, choose, normal_name, read_row
from newsfilter.errors import InputError
from newsfilter.records import Source, document_id

OPTIONS = ReadOptions(max_bytes=0)
PLACE = Place("dump/a.jsonl", 7, "line 8")


def kinds(names: str | Mapping[str, Kind]) -> Mapping[str, Kind]:
    """Columns of text from names between blanks, or as they are."""
    return dict.fromkeys(names.split(), "text") if isinstance(names, str) else names


GUESSES: list[tuple[str, str, tuple[str, str | None], str | None, str | None]] = [
    ("trafilatura's JSON", "title id source source-hostname raw_text text comments", ("text", "text/plain"), "source", "id"),
    ("FineWeb", "text id dump url file_path language", ("text", "text/plain"), "url", "id"),
    ("mC4", "text timestamp url", ("text", "text/plain"), "url", None),
    ("CC-News as Hugging Face has it", "requested_url responded_url title plain_text", ("plain_text", "text/plain"), "responded_url", None),
    ("RedPajama", "url date_download raw_content doc_id", ("raw_content", None), "url", "doc_id"),
    ("OSCAR, flattened", "content warc-target-uri warc-record-id", ("content", None), "warc-target-uri", "warc-record-id"),
    ("HPLT", "f o u c ts text id", ("text", "text/plain"), "u", "id"),
    ("Dolma, whose source is no URL", "id text source added", ("text", "text/plain"), None, "id"),
    ("CNN and Daily Mail", "article highlights id", ("article", None), None, "id"),
    ("news-please", "maintext title url source_domain", ("maintext", "text/plain"), "url", None),
    ("a news API", "author title description url urlToImage publishedAt content", ("content", None), "url", None),
    ("another", "article_id title link description content", ("content", None), "link", "article_id"),
    ("Event Registry", "uri url title body", ("body", None), "url", None),
    ("schema.org", "@id headline articleBody url", ("articleBody", "text/plain"), "url", "@id"),
    ("scrapy", "url status html", ("html", "text/html"), "url", None),
    ("scrapy, all in capitals", "URL TITLE BODY", ("BODY", None), "URL", None),
    ("a MongoDB export", "_id Page_URL Raw-HTML", ("Raw-HTML", "text/html"), "Page_URL", "_id"),
    ("crawl4ai", "url html cleaned_html markdown", ("html", "text/html"), "url", None),
    ("Turkish headings", "baslik İçerik link", ("İçerik", None), "link", None),
    ("text before HTML", "html text", ("text", "text/plain"), None, None),
    ("content before HTML", "html content", ("content", None), None, None),
    ("HTML before what is raw", "raw html", ("html", "text/html"), None, None),
    ("Markdown last", "markdown raw", ("raw", None), None, None),
    ("of two equal names the first", "Text text TEXT", ("Text", "text/plain"), None, None),
]


@pytest.mark.parametrize(("names", "document", "url", "identity"), [row[1:] for row in GUESSES], ids=[row[0] for row in GUESSES])
def test_the_usual_names_are_guessed(names: str, document: tuple[str, str | None], url: str | None, identity: str | None) -> None:
    columns = choose(kinds(names), OPTIONS, "a")
    assert (columns.documents, columns.url, columns.id) == ((document,), url, identity)


def test_what_was_guessed_is_said_and_what_was_asked_for_is_not() -> None:
    assert choose(kinds("html link _id"), OPTIONS, "a").said == "HTML from column `html`, URL from column `link`, id from column `_id`"
    asked = ReadOptions(max_bytes=0, html_field="html", url_field="link", id_field="_id")
    assert choose(kinds("html link _id"), asked, "a").said == ""
    assert choose(kinds("html link"), ReadOptions(max_bytes=0, html_field="html"), "a").guessed == (("URL", "link"),)


@pytest.mark.parametrize("names", ["title description summary excerpt", "id url", "", "image_url"])
def test_a_table_without_a_usual_name_is_refused_with_its_columns(names: str) -> None:
    """A teaser is never taken for its article."""
    with pytest.raises(InputError, match="--text-field or --html-field") as refused:
        choose(kinds(names), OPTIONS, "crawl/a.csv")
    assert str(refused.value).startswith("crawl/a.csv: ")
    assert str(refused.value).endswith(", ".join(names.split()) or "none")


def test_a_column_of_another_type_is_not_guessed_and_said_to_be_one() -> None:
    columns = choose({"text": "other", "body": "text", "url": "other", "id": "number", "link": "text"}, OPTIONS, "a")
    assert (columns.documents, columns.url, columns.id) == ((("body", None),), "link", "id")
    with pytest.raises(InputError, match=r"Its columns: text \(no text\), content \(a number\), id$"):
        choose({"text": "other", "content": "number", "id": "text"}, OPTIONS, "a")


NAMED: list[tuple[str, dict[str, str], tuple[tuple[str, str | None], ...]]] = [
    ("an HTML column beside a text one", {"html_field": "html"}, (("html", "text/html"),)),
    ("an unusual name", {"text_field": "haber"}, (("haber", "text/plain"),)),
    ("a name that says nothing of markup", {"text_field": "content"}, (("content", None),)),
    ("such a name, said to be HTML", {"html_field": "content"}, (("content", "text/html"),)),
    ("another case", {"text_field": "HABER"}, (("haber", "text/plain"),)),
    ("both", {"text_field": "text", "html_field": "html"}, (("html", "text/html"), ("text", "text/plain"))),
    ("both, of which one is not there", {"text_field": "text", "html_field": "page"}, (("text", "text/plain"),)),
]


@pytest.mark.parametrize(("asked", "documents"), [row[1:] for row in NAMED], ids=[row[0] for row in NAMED])
def test_a_name_given_comes_before_any_guess(asked: dict[str, str], documents: tuple[tuple[str, str | None], ...]) -> None:
    assert choose(kinds("text html content haber"), ReadOptions(max_bytes=0, **asked), "a").documents == documents  # type: ignore[arg-type]


def test_the_exact_name_comes_before_one_of_another_case() -> None:
    assert choose(kinds("Haber HABER haber"), ReadOptions(max_bytes=0, text_field="HABER"), "a").documents[0][0] == "HABER"


@pytest.mark.parametrize("field", ["text", "html", "url", "id"])
def test_a_name_that_is_not_there_is_refused_with_the_option_and_the_columns(field: str) -> None:
    with pytest.raises(InputError, match=rf"a\.csv: has no column 'nope'; give --{field}-field another\. Its columns: text, url$"):
        choose(kinds("text url"), ReadOptions(max_bytes=0, **{f"{field}_field": "nope"}), "a.csv")  # type: ignore[arg-type]


@pytest.mark.parametrize(("field", "kind"), [("text", "number"), ("html", "other"), ("url", "number"), ("id", "other")])
def test_a_named_column_of_another_type_is_refused(field: str, kind: Kind) -> None:
    with pytest.raises(InputError, match=f"'x' does not hold text; give --{field}-field another"):
        choose({"text": "text", "x": kind}, ReadOptions(max_bytes=0, **{f"{field}_field": "x"}), "a")  # type: ignore[arg-type]


def test_an_id_may_be_a_number() -> None:
    assert choose({"text": "text", "x": "number"}, ReadOptions(max_bytes=0, id_field="x"), "a").id == "x"


def test_the_order_is_written_in_the_form_that_names_are_compared_in() -> None:
    for names in PREFERENCE.values():
        assert [normal_name(name) for name in names] == list(names)
        assert len(set(names)) == len(names)


COLUMNS = Columns((("text", "text/plain"),), url="url", id="id")


def document(row: dict[str, Any], columns: Columns = COLUMNS) -> Document:
    item = read_row(row, columns, PLACE)
    assert isinstance(item, Document)
    return item


def test_a_row_becomes_a_document_with_all_its_columns() -> None:
    row = {"text": "Köprü açıldı.", "url": "https://haber.example/1", "id": "a1", "tags": ["x"]}
    item = document(row)
    assert item.source == Source("Köprü açıldı.", "dump/a.jsonl", "text/plain", url="https://haber.example/1", offset=7, id="a1")
    assert (item.columns, item.field) == (row, "text")


def test_an_empty_text_is_a_document_and_a_null_one_is_none() -> None:
    assert document({"text": ""}).source.raw == ""
    assert read_row({"text": None}, COLUMNS, PLACE) == Passed("dump/a.jsonl", "null-text")


def test_of_two_columns_the_first_that_is_not_null_is_taken() -> None:
    both = Columns((("html", "text/html"), ("text", "text/plain")))
    assert [(item.field, item.source.media_type) for item in (document({"html": "<p>", "text": "a"}, both),)] == [("html", "text/html")]
    for row in ({"html": None, "text": "a"}, {"text": "a"}):
        assert (document(row, both).field, document(row, both).source.media_type) == ("text", "text/plain")
    assert read_row({"html": None}, both, PLACE) == Passed("dump/a.jsonl", "null-text")
    failure = read_row({"title": "a"}, both, PLACE)
    assert isinstance(failure, Failed)
    assert (failure.reason, failure.detail) == ("no-text-field", "line 8: no `html` and no `text`")


@pytest.mark.parametrize(
    ("value", "said"), [(3, "a number"), (0.5, "a number"), (True, "a boolean"), ([], "a list"), ({}, "an object"), (object(), "object")]
)
def test_a_field_of_another_type_fails_with_its_place_and_type(value: object, said: str) -> None:
    failure = read_row({"text": value}, COLUMNS, PLACE)
    usual = document_id(Source(b"", "dump/a.jsonl", offset=7))
    assert failure == Failed(usual, "dump/a.jsonl", "not-text", f"line 8: `text` holds {said}", offset=7)


@pytest.mark.parametrize(
    ("value", "identity"),
    [
        ("a", "a"),
        (12, "12"),
        (10**30, "1" + "0" * 30),
        (1.0, "1.0"),
        ("", None),
        (None, None),
        (True, None),
        ([1], None),
        ("a\ud800", "a\ufffd"),
    ],
)
def test_an_id_is_a_str_or_the_usual_one(value: object, identity: str | None) -> None:
    assert document({"text": "a", "id": value}).source.id == identity


def test_a_row_that_fails_keeps_its_own_id() -> None:
    failure = read_row({"id": 5, "text": []}, COLUMNS, PLACE)
    assert isinstance(failure, Failed)
    assert failure.id == "5"


@pytest.mark.parametrize("value", [None, "", "  ", 5, ["https://a.example"]])
def test_what_is_no_url_is_none(value: object) -> None:
    assert document({"text": "a", "url": value}).source.url is None
