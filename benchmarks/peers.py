"""What the benchmarks share: the other extractors, newsfilter beside them, and what a result must name so that it can be had again."""

import importlib
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import newsfilter
from newsfilter.records import Article
from newsfilter.training.scoring import visible_text

Extractor = Callable[[str, str], str]
"""From a decoded page and its language's ISO 639-1 code to the text that is kept. Only jusText looks at the language."""

PACKAGES = ("trafilatura", "readability-lxml", "jusText", "Resiliparse", "lxml", "numpy")

# jusText's stop lists by ISO 639-1 code. It has none for the languages that are written without blanks.
_STOP_LISTS = {
    "ar": "Arabic", "az": "Azerbaijani", "bg": "Bulgarian", "bn": "Bengali", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek",
    "en": "English", "es": "Spanish", "fa": "Persian", "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi", "hu": "Hungarian",
    "id": "Indonesian", "it": "Italian", "kk": "Kazakh", "ko": "Korean", "ms": "Malay", "nl": "Dutch", "no": "Norwegian_Bokmal",
    "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sr": "Serbian", "sv": "Swedish", "tl": "Tagalog",
    "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese",
}  # fmt: skip


def peers() -> dict[str, Extractor]:
    """Every other extractor that is installed; one that is not is named on standard error."""
    found: dict[str, Extractor] = {}
    for package, load in (
        ("trafilatura", _trafilatura),
        ("readability-lxml", _readability),
        ("jusText", _justext),
        ("Resiliparse", _resiliparse),
    ):
        try:
            found |= load()
        except ImportError as error:
            print(f"{package} is left out ({error}): pip install {package}, or 'newsfilter[bench]' for all of them", file=sys.stderr)
    return found


def _trafilatura() -> dict[str, Extractor]:
    from trafilatura import extract

    return {
        "trafilatura": lambda page, _: extract(page, include_comments=False) or "",
        "trafilatura fast": lambda page, _: extract(page, include_comments=False, fast=True) or "",
        "trafilatura precision": lambda page, _: extract(page, include_comments=False, favor_precision=True) or "",
        "trafilatura recall": lambda page, _: extract(page, include_comments=False, favor_recall=True) or "",
    }


def _readability() -> dict[str, Extractor]:
    from readability import Document

    return {"readability": lambda page, _: visible_text(Document(page).summary() or "<p></p>")}


def _justext() -> dict[str, Extractor]:
    from justext import get_stoplist, justext

    def extract(page: str, lang: str) -> str:
        if lang in _STOP_LISTS:
            paragraphs = justext(page, get_stoplist(_STOP_LISTS[lang]))
        else:  # its language-independent mode: what "python -m justext -s None" sets
            paragraphs = justext(page, frozenset(), stopwords_low=0, stopwords_high=0)
        return "\n".join(paragraph.text for paragraph in paragraphs if not paragraph.is_boilerplate)

    return {"jusText": extract}


def _resiliparse() -> dict[str, Extractor]:
    # By name, because type checking has to pass where it is not installed.
    extract = importlib.import_module("resiliparse.extract.html2text").extract_plain_text
    return {"Resiliparse": lambda page, _: extract(page, main_content=True, comments=False)}


def kept(article: Article) -> str:
    """The body, also of a document whose verdict is a rejection: what is scored here is the extraction, not the verdict."""
    if article.verdict.decision != "reject":
        return article.body
    return "\n\n".join(entry["text"] for entry in article.record["blocks"] if entry["kept"])


def versions() -> dict[str, str]:
    """The version of newsfilter, and of whatever of the rest is installed."""
    found = {"newsfilter": newsfilter.__version__}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue  # peers() has said so
    return found


def commit() -> str:
    """The checkout's commit, "" outside of one."""
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return done.stdout.strip()
