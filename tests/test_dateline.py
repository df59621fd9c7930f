import json
import re
from datetime import date, time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsfilter.dateline import Dateline, read_date, read_dateline, trailing_dateline

FOLDER = Path(__file__).parents[1] / "fixtures/cases"


def table(name: str) -> list[Any]:
    """Read a case table, one parameter a case."""
    rows: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return [pytest.param(row, id=row["label"]) for row in rows]


@pytest.mark.parametrize("case", table("dates"))
def test_dates(case: dict[str, Any]) -> None:
    # A date is read in every language's form, where it stands, and never where it may mean two days.
    found = read_date(case["text"])
    if case["date"] is None:
        assert found is None
    else:
        assert found is not None
        assert (found[0], case["text"][found[1] : found[2]].strip()) == (case["date"], case["found"])


@pytest.mark.parametrize("case", table("datelines"))
def test_datelines(case: dict[str, Any]) -> None:
    # A line that is a date, an agency or an author is read; a sentence that holds one is not.
    wanted = None if "none" in case else Dateline(case["published"], case["byline"], whole=True)
    assert read_dateline(case["line"]) == wanted


@pytest.mark.parametrize("case", table("dateline-tails"))
def test_tails(case: dict[str, Any]) -> None:
    # The cut lies behind the last sentence, and only where a dateline, agency or source follows it.
    at = trailing_dateline(case["text"])
    assert (None if at is None else case["text"][at:].strip()) == case["tail"]


PIECES = st.sampled_from(
    [
        "19",
        "06",
        "2024",
        "19.06.2024",
        "03/04/2024",
        " ",
        ".",
        ",",
        "-",
        ":",
        "Haziran",
        "KASIM",
        "июня",
        "年",
        "月",
        "日",
        "11:29",
        "pm",
        "Kaynak:",
        "AA",
        "(İHA)",
        "Ayşe",
        "söyledi.",
        "\n",
    ]
)


@given(st.text(max_size=200) | st.lists(PIECES, max_size=25).map("".join))
def test_any_line_is_read(text: str) -> None:
    # Nothing that a line may hold raises; what is found is a date in ISO form, inside the line.
    found = read_date(text)
    if found is not None:
        iso, start, end = found
        assert re.fullmatch(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d)?", iso)
        assert 0 <= start < end <= len(text)
    line = read_dateline(text)
    assert line is None or line.published or line.byline


@given(st.text(max_size=200) | st.lists(PIECES, max_size=25).map("".join))
def test_any_tail_lies_inside(text: str) -> None:
    # A cut leaves text on both sides, so that no block is empty.
    at = trailing_dateline(text)
    assert at is None or (text[:at].strip() and text[at:].strip())


@given(st.dates(min_value=date(1950, 1, 1), max_value=date(2089, 12, 31)), st.times())
def test_every_day_is_read_back(day: date, at: time) -> None:
    # Any day of these times, written the Turkish way with dots, comes back as it was.
    assert read_date(f"{day:%d.%m.%Y} - {at:%H:%M}") == (f"{day:%Y-%m-%d}T{at:%H:%M}", 0, 18)
