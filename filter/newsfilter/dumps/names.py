"""Output names: a mirror of the input tree that no source can break out of, and in which no two documents meet."""

import hashlib
import unicodedata

RESERVED = frozenset({"ledger.jsonl", "run.json", "duplicates.jsonl", "review", "rejected", "articles", "records", "_done", "_work"})
"""What stands at the top of OUT beside the accepted documents."""

BODY_SUFFIX, RECORD_SUFFIX = ".txt", ".provenance.json"
COMPONENT_BYTES = 230  # a file system's 255, less the record's suffix
PATH_BYTES = 1000  # of a whole relative path; far below what any system takes, so that OUT itself may stand deep
DIGEST = 8  # hexadecimal digits that a suffix has

_EXTENSIONS = frozenset(
    {
        "html",
        "htm",
        "xhtml",
        "xht",
        "shtml",
        "shtm",
        "phtml",
        "php",
        "php3",
        "php5",
        "asp",
        "aspx",
        "jsp",
        "jspx",
        "cgi",
        "do",
        "cfm",
        "amp",
        "txt",
        "text",
        "md",
        "markdown",
        "xml",
    }
)
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # turn round what a terminal shows of a name


def folded(path: str) -> str:
    r"""Return the form in which names are compared: some file systems know no case, others compose letters.

    >>> folded("A\u0308.txt") == folded("ä.txt")
    True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def digest(text: str) -> str:
    """Return the sha256 of a URI, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def without_extension(name: str) -> str:
    """Take off ``.gz`` and then an extension that pages and texts have; others, such as the last part of a date or host name, stay.

    >>> [without_extension(name) for name in ("x.html.gz", "x.txt", "16.01.2024", ".html")]
    ['x', 'x', '16.01.2024', '.html']
    """
    for extensions in ({"gz"}, _EXTENSIONS):
        stem, _, extension = name.rpartition(".")
        if stem and extension.lower() in extensions:
            name = stem
    return name


def safe_component(name: str, uri: str) -> str:
    """Make one part of a URI a file name: odd characters as ``%XX``, no leading dot, and at most `COMPONENT_BYTES` long, by a digest of `uri`.

    >>> safe_component("..", "..")
    '%2E.'
    """
    safe = "".join(_escaped(letter) for letter in name) or "_"
    if safe.startswith("."):
        safe = "%2E" + safe[1:]
    return safe if len(safe.encode()) <= COMPONENT_BYTES else with_suffix(safe, digest(uri))


def _escaped(letter: str) -> str:
    odd = letter in "/\\" or letter in _BIDI or unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")
    return "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "surrogatepass")) if odd else letter


def with_suffix(name: str, hexadecimal: str) -> str:
    """Put the first digits of a digest behind a name, shortened for it where it must be."""
    room = COMPONENT_BYTES - DIGEST - 1
    return f"{name.encode()[:room].decode('utf-8', 'ignore')}-{hexadecimal[:DIGEST]}"


class Namer:
    """Gives each document its output name, a path without suffix.

    Asked in source order, it answers the same for the same documents. The later of two documents that would share a name (or a folder that would stand
    where a document's file does) gets ``-`` and the first eight digits of its URI's sha256, hashed again where even that is taken. A folder keeps
    its name for all that it holds.
    """

    def __init__(self) -> None:
        self._stems: set[str] = set()
        self._folders: dict[str, str] = {"": ""}  # of the source -> of the output
        self._taken: set[str] = set()  # output folders, folded
        self._containers: set[str] = set()  # those of them that hold what one file held, and nothing else

    def stem(self, uri: str) -> str:
        """Return where the document's files go, relative to OUT (or to ``review`` or ``rejected`` in it), without suffix."""
        folder, _, name = uri.rpartition("/")
        parent = self._folder(folder)
        component = safe_component(without_extension(name), uri)
        if len(f"{parent}/{component}".encode()) > PATH_BYTES:
            parent, component = "", with_suffix(component, digest(uri))
        stem, key = _joined(parent, component), digest(uri)
        while self._is_taken(folded(stem)):
            stem, key = _joined(parent, with_suffix(component, key)), digest(key)
        self._stems.add(folded(stem))
        return stem

    def container(self, uri: str) -> str:
        """Return the folder for the documents of a file that holds many, which are named by their places: no folder of the source goes there."""
        path, key = self.stem(uri), digest(uri)
        while folded(path) in self._taken or self._stands_on_a_file(folded(path)):
            parent, _, component = path.rpartition("/")
            path, key = _joined(parent, with_suffix(component, key)), digest(key)
        self._taken.add(folded(path))
        self._containers.add(folded(path))
        return path

    def _folder(self, folder: str) -> str:
        # A loop, because a source's tree may be deeper than Python's stack.
        if folder in self._folders:
            return self._folders[folder]
        parts = folder.split("/")
        place, path = "", ""
        for number, part in enumerate(parts):
            place = "/".join(parts[: number + 1])
            if place not in self._folders:
                self._folders[place] = self._new_folder(path, safe_component(part, place), place)
            path = self._folders[place]
            if len(path.encode()) > PATH_BYTES:
                return path  # the document moves to the top of OUT; nothing below needs a name
        return path

    def _new_folder(self, parent: str, component: str, place: str) -> str:
        path, key = _joined(parent, component), digest(place)
        while folded(path) in self._containers or self._stands_on_a_file(folded(path)):
            path, key = _joined(parent, with_suffix(component, key)), digest(key)
        self._taken.add(folded(path))
        return path

    def _is_taken(self, stem: str) -> bool:
        return stem in self._stems or stem + BODY_SUFFIX in self._taken or stem + RECORD_SUFFIX in self._taken

    def _stands_on_a_file(self, path: str) -> bool:
        if path in RESERVED:
            return True
        return any(path.endswith(suffix) and path.removesuffix(suffix) in self._stems for suffix in (BODY_SUFFIX, RECORD_SUFFIX))


def _joined(parent: str, component: str) -> str:
    return f"{parent}/{component}" if parent else component
