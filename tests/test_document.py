from pathlib import Path

import pytest

import newsfilter
from newsfilter.errors import InputError


def test_a_path_is_no_document() -> None:
    # The mistake that everybody makes once gets an answer that says what to give.
    with pytest.raises(InputError, match=r"path\.read_bytes"):
        newsfilter.clean(Path("a.txt"))  # type: ignore[arg-type]


def test_one_bad_document_among_many_stands_in_its_place() -> None:
    # Its neighbours come out as if it were not there.
    results = list(newsfilter.clean_many(["Köprü açıldı.", 3, "Yol kapandı."]))  # type: ignore[list-item]
    assert [type(result).__name__ for result in results] == ["Article", "InputError", "Article"]


def test_clean_is_a_function_whatever_was_imported() -> None:
    # A module of that name would take its place.
    import newsfilter.document

    assert callable(newsfilter.clean)
    assert newsfilter.document.clean is newsfilter.clean


def test_a_kept_headline_comes_first_and_once() -> None:
    # However often the page has it, and wherever.
    text = "Haber > Köprü açıldı\n\nKöprü üç yılda bitti, dedi başkan ve törende konuştu.\n\nKöprü açıldı\n\nHalk köprüden geçti ve sevindi, araçlar korna çaldı."
    settings = newsfilter.Settings(keep=("headline",))
    article = newsfilter.clean(f"Köprü açıldı\n\n{text}", settings=settings)
    assert article.body.split("\n\n").count("Köprü açıldı") <= 1
    assert newsfilter.restore(article.record, article.body or None) == f"Köprü açıldı\n\n{text}"
