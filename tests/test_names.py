import hashlib
import unicodedata
from pathlib import PurePosixPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from newsfilter.dumps.names import BODY_SUFFIX, COMPONENT_BYTES, RECORD_SUFFIX, RESERVED, Namer, folded, without_extension


def stems(*uris: str) -> list[str]:
    namer = Namer()
    return [namer.stem(uri) for uri in uris]


def eight(uri: str) -> str:
    return hashlib.sha256(uri.encode()).hexdigest()[:8]


@pytest.mark.parametrize(
    ("uri", "stem"),
    [
        ("a/b.html", "a/b"),
        ("a/x.html.gz", "a/x"),
        ("x.txt.gz", "x"),
        ("013_soylesi.md", "013_soylesi"),
        ("haber.php", "haber"),
        ("stdin", "stdin"),
        ("16.01.2024", "16.01.2024"),
        ("www.example.com", "www.example.com"),
        (".html", "%2Ehtml"),
        (".gizli.html", "%2Egizli"),
        ("Çarşı/İzmir haberleri.html", "Çarşı/İzmir haberleri"),
        ("a/../../etc/passwd", "a/%2E./%2E./etc/passwd"),
        ("/etc/passwd", "etc/passwd"),
        ("a//b.txt", "a/_/b"),
        ("new\nline\x1b[31m.txt", "new%0Aline%1B[31m"),
        ("back\\slash.txt", "back%5Cslash"),
        ("right\u202eto-left.txt", "right%E2%80%AEto-left"),
        ("ledger.jsonl", "ledger.jsonl"),
        ("run.json", "run.json"),
        ("a/review/b.txt", "a/review/b"),
        ("a/", "a/_"),
        ("", "_"),
    ],
)
def test_the_output_mirrors_the_source_and_is_safe(uri: str, stem: str) -> None:
    assert stems(uri) == [stem]


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_folder_of_a_reserved_name_gets_a_suffix_and_keeps_its_files_together(name: str) -> None:
    assert stems(f"{name}/a.txt", f"{name}/b/c.txt") == [f"{name}-{eight(name)}/a", f"{name}-{eight(name)}/b/c"]
    assert stems(f"{name.upper()}/a.txt")[0].startswith(f"{name.upper()}-")


def test_the_later_of_two_that_would_share_a_name_gets_its_digest() -> None:
    assert stems("a.html", "a.html.gz", "a.txt") == ["a", f"a-{eight('a.html.gz')}", f"a-{eight('a.txt')}"]


@pytest.mark.parametrize(
    ("first", "second"), [("A.txt", "a.txt"), ("ä.txt", "a\u0308.txt"), ("STRASSE.txt", "straße.txt"), ("k/A.txt", "K/a.html")]
)
def test_names_that_some_file_system_holds_for_one_are_kept_apart(first: str, second: str) -> None:
    assert folded(stems(first, second)[0]) != folded(stems(first, second)[1])
    assert stems(first, second)[1].endswith(f"-{eight(second)}")


def test_one_uri_several_times_has_several_names_that_do_not_depend_on_the_others_content() -> None:
    names = stems("a.html", "a.html", "a.html")
    assert names[:2] == ["a", f"a-{eight('a.html')}"]
    assert len(set(names)) == 3


def test_nobody_can_take_all_names_of_another() -> None:
    """Somebody who knows the rule can take the suffixed name as well; the digest is then hashed again."""
    taken = [f"a-{eight('a.txt')}.html", "a.html"]
    assert len(set(stems(*taken, "a.txt"))) == 3


@pytest.mark.parametrize(
    "uris", [("a.html", "a.txt/b.html"), ("x.txt/b.html", "x.zzz/c", "x.html"), ("a.html", "a.provenance.json/b.html")]
)
def test_a_folder_never_stands_where_a_documents_file_does(uris: tuple[str, ...]) -> None:
    names = stems(*uris)
    made = {name + suffix for name in names for suffix in (BODY_SUFFIX, RECORD_SUFFIX)}
    folders = {parent.as_posix() for name in names for parent in PurePosixPath(name).parents}
    assert not made & folders


def test_long_names_are_shortened_by_a_digest_and_stay_apart() -> None:
    """250 bytes leave no room for the record's suffix; cutting never splits a letter."""
    long = ["ş" * 122 + ending + ".html" for ending in ("a", "b")]
    names = stems(*long)
    assert len(set(names)) == 2
    assert all(len(name.encode()) <= COMPONENT_BYTES and name.startswith("ş" * 100) for name in names)
    assert names[0].endswith(eight(long[0]))


def test_a_tree_deeper_than_any_path_moves_its_files_to_the_top() -> None:
    deep = "d/" * 5000 + "page.html"
    assert stems(deep) == [f"page-{eight(deep)}"]


def test_an_extension_goes_only_where_something_is_left() -> None:
    assert [without_extension(name) for name in ("a.HTML", "a.b.htm", ".gz", "a.gz.gz", "a.pdf")] == ["a", "a.b", ".gz", "a.gz", "a.pdf"]


NASTY = st.text(alphabet=st.one_of(st.sampled_from("aAäÄß./\\-_%\0\n\x1b\u202e\u0308İıK\ud800 ~"), st.characters()), max_size=12)
PARTS = st.one_of(
    NASTY,
    st.sampled_from(
        ["..", ".", "review", "Rejected", "run.json", "ledger.jsonl", "a.txt", "a.html", "a.provenance.json", "x" * 300, "ğ" * 130]
    ),
)
URIS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)


@given(st.lists(URIS, max_size=12))
@example(["a", "a", "a"])
def test_names_are_safe_and_apart_for_any_sources(uris: list[str]) -> None:
    """Inside OUT, printable, short enough for every file system, no reserved name, and no two outputs equal on any file system."""
    names = stems(*uris)
    assert len({folded(name) for name in names}) == len(names)
    made = {folded(name + suffix) for name in names for suffix in (BODY_SUFFIX, RECORD_SUFFIX)}
    folders = {folded(parent.as_posix()) for name in names for parent in PurePosixPath(name).parents} - {"."}
    assert not made & folders
    assert not (made | folders) & RESERVED
    for name in names:
        parts = name.split("/")
        assert len(name.encode()) <= 1100
        for part in parts:
            assert part
            assert not part.startswith(".")
            assert len((part + RECORD_SUFFIX).encode()) <= 255
            assert not any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") or letter == "\\" for letter in part)


@given(st.lists(URIS, max_size=10), st.lists(URIS, max_size=5))
def test_what_comes_later_in_source_order_changes_no_name(uris: list[str], more: list[str]) -> None:
    assert stems(*uris, *more)[: len(uris)] == stems(*uris)


def test_a_container_has_its_folder_for_itself() -> None:
    """Its documents are named by their places, which nobody compares with the names of others."""
    namer = Namer()
    assert namer.stem("b.jsonl/0.html") == "b.jsonl/0"
    assert namer.container("a.warc.gz") == "a.warc"
    assert namer.stem("a.warc/0.html") == f"a.warc-{eight('a.warc')}/0"
    assert namer.stem("A.WARC/1.html") == f"A.WARC-{eight('A.WARC')}/1"
    names = [namer.container(uri) for uri in ("a.warc", "A.warc.gz", "a.warc#2")]
    assert len({folded(name) for name in names} | {"a.warc", f"a.warc-{eight('a.warc')}"}) == 5
    assert namer.container("b.jsonl") == f"b.jsonl-{eight('b.jsonl')}"
    assert namer.container("review") == f"review-{eight('review')}"
