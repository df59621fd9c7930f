import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsfilter.extract import extract
from newsfilter.metadata import bare_title, iso_date, normal_form

CASES = json.loads((Path(__file__).parents[1] / "fixtures/cases/metadata.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", [pytest.param(case, id=case["label"]) for case in CASES])
def test_cases(case: dict[str, Any]) -> None:
    # Metadata comes from JSON-LD, then Open Graph and meta, then the page's own elements; what is broken is passed over.
    found = extract(case["html"], url=case.get("url")).metadata
    assert {field: getattr(found, field) for field in case["expected"]} == case["expected"]


@given(st.text(max_size=300))
def test_any_json_ld(text: str) -> None:
    # Whatever stands in a JSON-LD script, the page is read and has its heading as title.
    html = f'<script type="application/ld+json">{text.replace("<", " ")}</script><h1>Köprü bugün açıldı</h1>'
    assert extract(html).metadata.title == "Köprü bugün açıldı"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["NewsArticle", "2024-06-19", "http://[", "Ayşe Demir"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["@type", "@graph", "headline", "author", "name", "publisher", "datePublished", "mainEntity"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@given(JSON)
def test_any_json_ld_object(data: object) -> None:
    # A value of any type in any of the fields that are read does no harm: every field is a str or missing.
    html = f'<script type="application/ld+json">{json.dumps(data)}</script><p>Metin</p>'
    found = extract(html).metadata
    assert all(
        value is None or isinstance(value, str) for value in (found.title, found.byline, found.published, found.site, found.url, found.kind)
    )


@pytest.mark.parametrize(
    ("value", "date"),
    [
        ("2024-06-19", "2024-06-19"),
        ("2024-06-19T11:29", "2024-06-19T11:29:00"),
        ("2024-06-19T11:29:00Z", "2024-06-19T11:29:00+00:00"),
        ("2024-06-19 11:29:00+0300", "2024-06-19T11:29:00+03:00"),
        ("Date: 2024-06-19", "2024-06-19"),
        ("2024-13-45", None),
        ("2023-02-29", None),
        ("0000-00-00 00:00:00", None),
        ("dün", None),
        ("", None),
        (None, None),
        (20240619, None),
        (["2024-06-19"], None),
    ],
)
def test_iso_date(value: object, date: str | None) -> None:
    # A value that begins an ISO date gives it; a day that is none, or another type, gives nothing.
    assert iso_date(value) == date


@pytest.mark.parametrize(
    ("title", "site", "heading", "bare"),
    [
        ("Köprü açıldı | Kent Postası", "Kent Postası", None, "Köprü açıldı"),
        ("Köprü açıldı — KENT POSTASI", "Kent Postası", None, "Köprü açıldı"),
        ("Köprü açıldı - Kent Postası", None, None, "Köprü açıldı - Kent Postası"),
        ("Köprü açıldı - halk sevindi", "Kent Postası", None, "Köprü açıldı - halk sevindi"),
        ("Yeni köprü açıldı, halk sevindi", None, "Yeni köprü açıldı", "Yeni köprü açıldı"),
        ("Köprü açıldı", None, "Köprü", "Köprü açıldı"),
        ("Kent Postası", "Kent Postası", None, "Kent Postası"),
    ],
)
def test_bare_title(title: str, site: str | None, heading: str | None, bare: str) -> None:
    # The site's name goes from a title's end; nothing that may be the headline does.
    assert bare_title(title, site, heading) == bare


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("İSTANBUL'DA SEL!", "İstanbul'da sel", True),
        ("ISPARTA'DA KAR", "Isparta'da kar", True),
        ("KÖPRÜ  AÇILDI", "“Köprü” açıldı…", True),
        ("Мост открыт", "МОСТ ОТКРЫТ", True),
        ("Köprü açıldı", "Köprü kapandı", False),
        ("Köprü açıldı", "Köprü açıldı mı", False),
    ],
)
def test_normal_form(one: str, other: str, *, equal: bool) -> None:
    # Two spellings of one headline are equal, in Turkish capitals too; two headlines are not.
    assert (normal_form(one) == normal_form(other)) is equal
