import random
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsfilter.errors import InputError
from newsfilter.records import LABELS
from newsfilter.training.generator import HELD_OUT_FAMILIES, Generator, Templates, evaded, read_templates

SPAM = Path(__file__).parents[1] / "fixtures/spam"
TEMPLATES = read_templates(SPAM)
LANGUAGES = sorted(TEMPLATES)
WAYS = ("look-alike", "leet", "invisible", "spaced", "dotted", "mathematical", "marked", "wide")  # in the order of generator.evaded
PLACE, KIND = "place|ankara; izmir", "spam-gambling betting|{brand} giriş; {place} bahis"
MARKED = Templates(
    ("ankara",),
    {("spam-other", name): (name,) for name in (*sorted(HELD_OUT_FAMILIES), "loans", "seo")},
    (("{place} hava durumu", "navigation"),),
)  # each line of spam says which family it is of


class Scripted(random.Random):
    """Random numbers, but for the first choice."""

    def __init__(self, seed: int, first: str) -> None:
        super().__init__(seed)
        self.first: str | None = first

    def choice(self, seq):  # type: ignore[no-untyped-def]
        if self.first is None:
            return super().choice(seq)
        first, self.first = self.first, None
        assert first in seq
        return first


def folder_with(folder: Path, *lines: str, name: str = "tr.txt") -> Path:
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_templates_are_read(tmp_path: Path) -> None:
    # Lines of one kind add up; blanks around templates and empty ones go.
    folder = folder_with(
        tmp_path,
        PLACE,
        KIND,
        "place| van ;; ",
        "spam-gambling betting|{host}",
        "honest-body weather|{place} {n}°",
        "honest-furniture x|Burçlar",
    )
    assert read_templates(folder) == {
        "tr": Templates(
            ["ankara", "izmir", "van"],
            {("spam-gambling", "betting"): ["{brand} giriş", "{place} bahis", "{host}"]},
            [("{place} {n}°", "body"), ("Burçlar", "navigation")],
        )
    }


@pytest.mark.parametrize(
    "line",
    [
        "",
        "place",
        "places|ankara",
        "spam-gambling|no family",
        "spam-gambling |no family",
        "spam-adlut escort|{place} escort",
        "body news|haber",
        "honest-caption x|foto",
        "# a remark",
    ],
)
def test_a_line_of_another_form_is_named(tmp_path: Path, line: str) -> None:
    # File and line, and what to write.
    folder = folder_with(tmp_path, PLACE, KIND, line)
    with pytest.raises(InputError, match=rf"{re.escape(str(folder / 'tr.txt'))}:3: no line of templates; write 'kind\|template"):
        read_templates(folder)


@pytest.mark.parametrize("lines", [[PLACE], [KIND], ["place|", KIND], []])
def test_a_file_without_places_or_spam_is_named(tmp_path: Path, lines: list[str]) -> None:
    # Such a language would fail in the middle of a training.
    folder = folder_with(tmp_path, *lines) if lines else tmp_path
    if not lines:
        (folder / "tr.txt").touch()
    with pytest.raises(InputError, match=rf"{re.escape(str(folder / 'tr.txt'))}: has no places or no spam; add a line"):
        read_templates(folder)


def test_other_files_are_not_read(tmp_path: Path) -> None:
    # A read-me beside them is no language.
    assert list(read_templates(folder_with(folder_with(tmp_path, PLACE, KIND), "# Templates", name="README.md"))) == ["tr"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_template_is_filled(language: str) -> None:
    # No brace is left of any, so that each name in braces is one that the generator knows, and closed.
    templates = TEMPLATES[language]
    every = [template for group in templates.spam.values() for template in group] + [template for template, _ in templates.honest]
    for template in every:
        alone = Generator(Templates(templates.places, {("spam-other", "seo"): [template]}, ()), random.Random(1))
        filled = alone.phrase(("spam-other", "seo"))
        assert not set(filled) & set("{}"), template
        assert filled == filled.strip() != ""


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_what_is_drawn(language: str) -> None:
    # Spam to learn from and spam to be measured by, and honest lines of either kind; labels are those that blocks have.
    templates = TEMPLATES[language]
    families = {family for _, family in templates.spam}
    assert families - HELD_OUT_FAMILIES
    assert {label for label, _ in templates.spam} == {label for label in LABELS if label.startswith("spam-")}
    assert {label for _, label in templates.honest} == {"body", "navigation"}
    assert not any("{" in place for place in templates.places)


def test_every_held_out_family_is_there() -> None:
    # A family that no file has measures nothing.
    assert {family for templates in TEMPLATES.values() for _, family in templates.spam} >= HELD_OUT_FAMILIES


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_seed_gives_the_same_lines(language: str) -> None:
    # And another one gives others.
    first, second, other = (Generator(TEMPLATES[language], random.Random(seed)).lines(30) for seed in (5, 5, 6))
    assert first == second != other
    assert len(first) == 30


@pytest.mark.parametrize("held_out", [False, True])
def test_held_out_families_are_drawn_where_they_should_be(*, held_out: bool) -> None:
    # Never for training, and nothing else for measuring.
    generator = Generator(MARKED, random.Random(3), held_out=held_out)
    drawn = {generator.phrase(generator.rng.choice(generator.families)) for _ in range(300)}
    assert drawn == (set(HELD_OUT_FAMILIES) if held_out else {"loans", "seo"})


@pytest.mark.parametrize("held_out", [False, True])
def test_lines_are_of_the_families_that_may_be_drawn(*, held_out: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    # Footers, too, draw from nothing else. As they are before they are varied: spammers' capitals hide the family's name from this test.
    generator = Generator(MARKED, random.Random(4), held_out=held_out)
    monkeypatch.setattr(generator, "varied", lambda text: text)
    monkeypatch.setattr(generator, "host", lambda: "")
    named = set(re.findall(r"[a-z]+", " ".join(text for text, _ in generator.lines(200))))
    assert named == (set(HELD_OUT_FAMILIES) if held_out else {"loans", "seo"})


@pytest.mark.parametrize("language", LANGUAGES)
def test_lines_are_spam_and_honest_lines_are_not(language: str) -> None:
    # Each line has text and a label that says which it is.
    generator = Generator(TEMPLATES[language], random.Random(8))
    for text, label in generator.lines(100):
        assert text.strip()
        assert label in LABELS
        assert label.startswith("spam-")
    for _ in range(50):
        line = generator.honest_line()
        assert line is not None
        assert line[0].strip()
        assert line[1] in ("body", "navigation")


def test_a_language_without_honest_templates_has_no_honest_line() -> None:
    # Rather than one of another language.
    assert Generator(Templates(("a",), {("spam-other", "seo"): ["b"]}, ()), random.Random(1)).honest_line() is None


def test_a_footer_is_mostly_of_one_label() -> None:
    # One network sells it.
    generator = Generator(TEMPLATES["tr"], random.Random(1))
    shares = []
    for _ in range(30):
        labels = [label for _, label in generator.lines(20)]
        shares.append(max(labels.count(label) for label in set(labels)) / len(labels))
    assert sum(shares) / len(shares) > 0.5
    assert generator.lines(0) == []


def test_brands_and_hosts_vary() -> None:
    # A brand is letters, at times with a number; a host can stand in an address.
    generator = Generator(TEMPLATES["tr"], random.Random(1))
    brands, hosts = ({draw() for _ in range(300)} for draw in (generator.brand, generator.host))
    assert len(brands) > 290
    assert all(re.fullmatch(r"[A-Za-z]+[0-9]{0,7}(?: [0-9]{2,3})?", brand) for brand in brands)
    assert all(re.fullmatch(r"(?:https://|www\.|m\.|giris\.)?[a-z0-9]+\.[a-z]+(?:/(?:tr)?)?", host) for host in hosts)
    assert any(brand[-1].isdigit() for brand in brands)
    assert any(brand[-1].isalpha() for brand in brands)


@pytest.mark.parametrize("way", WAYS)
def test_an_evaded_text_is_another(way: str) -> None:
    # Every way changes a line of ordinary length, and leaves none of its letters out.
    plain = "istanbul escort bayan deneme bonusu veren casino siteleri"
    for seed in range(60):
        hidden = evaded(plain, Scripted(seed, way))
        assert hidden != plain
        assert len(hidden) >= len(plain)


def test_evasions_keep_the_reading() -> None:
    # Full width, mathematical letters, marks and invisible characters decompose into the plain text; none is a hole in Unicode's alphabets.
    plain = "istanbul escort bayan deneme bonusu veren casino siteleri hijklmopqxyz"
    for seed in range(60):
        for way in ("wide", "mathematical", "marked", "invisible"):
            read = unicodedata.normalize("NFKD", evaded(plain, Scripted(seed, way)))
            assert "".join(c for c in read if not unicodedata.category(c).startswith(("M", "C"))) == plain
        for way in ("spaced", "dotted"):
            assert re.sub(r"[ .*_-]", "", evaded(plain, Scripted(seed, way))) == plain.replace(" ", "")


@given(st.text(max_size=40), st.integers(0, 1000), st.sampled_from(WAYS))
def test_any_text_can_be_evaded(text: str, seed: int, way: str) -> None:
    # Empty lines, scripts without look-alikes, signs: nothing fails, and text does not vanish.
    assert len(evaded(text, Scripted(seed, way))) >= len(" ".join(text.split()) if way in ("spaced", "dotted") else text)


def test_a_quarter_of_the_lines_is_evaded() -> None:
    # The rest is in capitals, with hashes, or plain, so that plain spam is learned first.
    generator = Generator(TEMPLATES["en"], random.Random(2))
    varied = [generator.varied("london escort agency") for _ in range(2000)]
    assert 0.5 < varied.count("london escort agency") / len(varied) < 0.65
    assert {"LONDON ESCORT AGENCY", "London Escort Agency", "#london #escort #agency"} <= set(varied)
