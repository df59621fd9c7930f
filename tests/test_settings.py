from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsfilter.errors import SettingsError
from newsfilter.records import LABELS
from newsfilter.settings import Settings, find_settings, nearest, read_settings, with_values


def written(path: Path, text: str) -> Path:
    """Write a settings file, its folders too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("min-word", "min_words"),
        ("minwords", "min_words"),
        ("max_spams", "max_spam"),
        ("keeps", "keep"),
        ("langs", "lang"),
        ("Repair", "repair"),
        ("max-byte", "max_bytes"),
    ],
)
def test_unknown_key(key: str, meant: str) -> None:
    # An unknown key is an error that says where it stands and names the setting that was probably meant.
    with pytest.raises(SettingsError) as raised:
        with_values(Settings(), {key: 1}, "newsfilter.toml")
    message = str(raised.value)
    assert message.startswith("newsfilter.toml: ")
    assert repr(key) in message
    assert f"did you mean {meant!r}?" in message


def test_key_like_none() -> None:
    # A key like no other gets all names.
    with pytest.raises(SettingsError) as raised:
        with_values(Settings(), {"zzzz": 1}, "x")
    assert all(field.name in str(raised.value) for field in fields(Settings))


@pytest.mark.parametrize(
    ("key", "value", "takes"),
    [
        ("min_words", "40", "a whole number"),
        ("min_words", 40.5, "a whole number"),
        ("min_words", True, "a whole number"),
        ("max_spam", "0.5", "a number"),
        ("max_spam", True, "a number"),
        ("repair", 1, "true or false"),
        ("repair", "yes", "true or false"),
        ("date_search", None, "true or false"),
        ("keep", 3, "a list of strings"),
        ("keep", ["caption", 3], "a list of strings"),
        ("lang", {"tr": True}, "a list of strings"),
    ],
)
def test_wrong_type(key: str, value: object, takes: str) -> None:
    # A value of another type is an error that names the setting and what it takes.
    with pytest.raises(SettingsError, match=f"^here: {key} takes {takes}, not "):
        with_values(Settings(), {key: value}, "here")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_spam", 1.01),
        ("max_spam", -0.1),
        ("max_removed", 50),
        ("max_uncertain", float("nan")),
        ("min_words", -1),
        ("max_bytes", -1),
        ("keep", ["captoin"]),
        ("keep", [""]),
    ],
)
def test_value_out_of_range(key: str, value: object) -> None:
    # A value that a setting does not take is an error that names it, however it is given.
    with pytest.raises(SettingsError, match=f"^here: {key}: "):
        with_values(Settings(), {key: value}, "here")


def test_unknown_label_names_the_nearest() -> None:
    # A misspelt label is named with the one that was meant.
    with pytest.raises(SettingsError, match="did you mean 'caption'"):
        Settings(keep=("captions",))


@pytest.mark.parametrize(
    ("code", "meant"), [("turkish", "known are"), ("TR", "known are"), ("trr", "did you mean 'tr'"), ("xx", "known are")]
)
def test_a_language_that_cannot_be_told_is_refused(code: str, meant: str) -> None:
    # Else every document would be rejected as other-language, with status 0.
    with pytest.raises(SettingsError, match=meant):
        Settings(lang=(code,))
    assert Settings(lang=("tr", "az", "zh")).lang == ("tr", "az", "zh")


def test_languages_that_are_not_told_cannot_be_accepted() -> None:
    # Every document would be of an unknown language, and pass.
    with pytest.raises(SettingsError, match="leave one of the two out"):
        Settings(lang=("tr",), language=False)


@pytest.mark.parametrize("name", ["keep", "lang"])
def test_one_string_is_no_list(name: str) -> None:
    # In Python; in a file and on the command line it is split at commas.
    with pytest.raises(SettingsError, match="give a tuple"):
        Settings(**{name: "tr"})  # type: ignore[arg-type]


def test_labels_and_own_spam_may_be_kept() -> None:
    # Every label may be kept, and a user's own kind of spam.
    kept = (*LABELS, "spam-crypto")
    assert Settings(keep=kept).keep == kept


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"min-words": 10}, {"min_words": 10}),
        ({"min_words": 10}, {"min_words": 10}),
        ({"max-spam": 1}, {"max_spam": 1.0}),
        ({"keep": ["caption", "byline"]}, {"keep": ("caption", "byline")}),
        ({"keep": "caption, byline"}, {"keep": ("caption", "byline")}),
        ({"lang": "tr"}, {"lang": ("tr",)}),
        ({"lang": ""}, {"lang": ()}),
        ({"repair": False}, {"repair": False}),
        ({}, {}),
    ],
)
def test_values(values: dict[str, Any], expected: dict[str, Any]) -> None:
    # Names are taken with dashes or underscores, lists also as the command line has them, whole numbers for shares.
    assert with_values(Settings(), values, "here") == replace(Settings(), **expected)


def test_later_values_win() -> None:
    # What is put in replaces what was there and leaves the rest.
    first = with_values(Settings(), {"min_words": 10, "lang": "tr"}, "file")
    assert with_values(first, {"min_words": 20}, "command line") == Settings(min_words=20, lang=("tr",))


def test_own_file(tmp_path: Path) -> None:
    # newsfilter.toml holds the settings at its top.
    path = written(tmp_path / "a/newsfilter.toml", 'min-words = 10\nkeep = ["caption"]\n')
    assert read_settings(path) == Settings(min_words=10, keep=("caption",))


def test_pyproject_table(tmp_path: Path) -> None:
    # pyproject.toml holds them in a table of its own; what other tools keep there is theirs.
    path = written(tmp_path / "a/pyproject.toml", '[project]\nname = "x"\n[tool.ruff]\nmin-words = 3\n[tool.newsfilter]\nmin-words = 10\n')
    assert read_settings(path) == Settings(min_words=10)
    assert read_settings(written(tmp_path / "b/pyproject.toml", "[project]\n")) == Settings()


@pytest.mark.parametrize("text", ["[tool]\nnewsfilter = 3\n", "tool = 3\n", '[tool]\nnewsfilter = ["keep"]\n'])
def test_pyproject_without_a_table(tmp_path: Path, text: str) -> None:
    # Where a table belongs and something else stands, that is an error with the file's name, not a crash.
    path = written(tmp_path / "a/pyproject.toml", text)
    with pytest.raises(SettingsError, match=r"pyproject\.toml"):
        read_settings(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"min-words = \n", "not valid TOML"),
        (b"min-words = 10\nmin-words = 11\n", "not valid TOML"),
        (b"# \xfe\n", "not valid TOML"),
        (b"[newsfilter]\nmin-words = 10\n", "unknown setting"),
    ],
)
def test_broken_file(tmp_path: Path, content: bytes, says: str) -> None:
    # A file that is no TOML, or has its keys in the wrong place, is an error with its name.
    path = tmp_path / "newsfilter.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError) as raised:
        read_settings(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert says in str(raised.value)


def test_missing_file(tmp_path: Path) -> None:
    # A file that is not there is an error that says what to give.
    with pytest.raises(SettingsError, match=r"nowhere\.toml: cannot be read .*give the path"):
        read_settings(tmp_path / "nowhere.toml")


def test_error_in_a_file_names_it(tmp_path: Path) -> None:
    # A wrong value in a file is an error that begins with the file's path.
    path = written(tmp_path / "a/newsfilter.toml", "max-spam = 3\n")
    with pytest.raises(SettingsError) as raised:
        read_settings(path)
    assert str(raised.value).startswith(f"{path}: max_spam: ")


def test_nearest_file_upwards(tmp_path: Path) -> None:
    # The nearest file above a folder holds for it, the folder's own first.
    upper = written(tmp_path / "a/newsfilter.toml", "")
    folder = tmp_path / "a/b/c"
    folder.mkdir(parents=True)
    assert find_settings(folder) == upper
    lower = written(tmp_path / "a/b/newsfilter.toml", "")
    assert find_settings(folder) == lower
    own = written(folder / "newsfilter.toml", "")
    assert find_settings(folder) == own


def test_own_file_before_pyproject(tmp_path: Path) -> None:
    # In one folder newsfilter.toml counts, not pyproject.toml.
    project = written(tmp_path / "a/pyproject.toml", "[tool.newsfilter]\n")
    assert find_settings(tmp_path / "a") == project
    own = written(tmp_path / "a/newsfilter.toml", "")
    assert find_settings(tmp_path / "a") == own


@pytest.mark.parametrize("text", ["[project]\n", "[tool.ruff]\n", "not TOML at all", "tool = 3\n"])
def test_somebody_else_s_pyproject(tmp_path: Path, text: str) -> None:
    # A pyproject.toml without our table, broken ones too, is passed over on the way up.
    upper = written(tmp_path / "a/newsfilter.toml", "")
    written(tmp_path / "a/b/pyproject.toml", text)
    assert find_settings(tmp_path / "a/b") == upper


def test_no_file_is_a_folder(tmp_path: Path) -> None:
    # A folder of that name is no settings file.
    upper = written(tmp_path / "a/newsfilter.toml", "")
    (tmp_path / "a/b/newsfilter.toml").mkdir(parents=True)
    assert find_settings(tmp_path / "a/b") == upper


def test_equal_settings_have_equal_digests(tmp_path: Path) -> None:
    # Wherever settings were read from, the same values give the same digest, and other values another.
    own = read_settings(written(tmp_path / "a/newsfilter.toml", 'max-spam = 1\nkeep = "caption,byline"\n'))
    project = read_settings(written(tmp_path / "b/pyproject.toml", '[tool.newsfilter]\nkeep = ["caption", "byline"]\nmax_spam = 1.0\n'))
    direct = Settings(keep=("caption", "byline"), max_spam=1.0)
    assert own.sha256() == project.sha256() == direct.sha256()


@pytest.mark.parametrize(("one", "other"), [(Settings(max_spam=1), Settings(max_spam=1.0))])
def test_equal_objects_have_equal_digests(one: Settings, other: Settings) -> None:
    # What Python calls equal has one digest: a whole number given for a share is that share.
    assert one == other
    assert one.sha256() == other.sha256()


OTHER_VALUES: dict[str, Any] = {
    "keep": ("caption",), "lang": ("tr",), "min_words": 1, "max_removed": 0.1, "max_spam": 0.1, "max_uncertain": 0.1, "max_bytes": 1, "repair": False, "date_search": True, "language": False,
}  # fmt: skip


@pytest.mark.parametrize("name", [field.name for field in fields(Settings)])
def test_every_setting_counts_in_the_digest(name: str) -> None:
    # A record tells apart two runs that differ in any one setting.
    assert replace(Settings(), **{name: OTHER_VALUES[name]}).sha256() != Settings().sha256()


@pytest.mark.parametrize("name", [field.name for field in fields(Settings)])
def test_every_setting_is_documented_where_it_is_defined(name: str) -> None:
    # Each field says what it does, for --help and docs.
    (field,) = (field for field in fields(Settings) if field.name == name)
    assert len(field.metadata["help"]) > 20


@given(
    st.dictionaries(
        st.sampled_from([field.name for field in fields(Settings)]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text() | st.integers()),
    )
)
def test_any_values(values: dict[str, Any]) -> None:
    # Whatever stands in a file, the outcome is settings or a SettingsError.
    said = "here: "
    try:
        digest = with_values(Settings(), values, "here").sha256()
    except SettingsError as error:
        said, digest = str(error), "0" * 64
    assert said.startswith("here: ")
    assert len(digest) == 64


def test_nearest() -> None:
    # A near name is suggested; without one, all are named.
    assert nearest("kep", ["keep", "lang"]) == "did you mean 'keep'?"
    assert nearest("xyz", ["keep", "lang"]) == "known are keep, lang"
