"""What the gate can find, what it looks for by default, and how the user narrows or widens that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from newsfilter.errors import SettingsError
from newsfilter.settings import nearest

FOUND: Mapping[str, str] = {
    "spam-adult": "Injected links or text that sell escorts or pornography.",
    "spam-gambling": "Injected links or text that sell betting or casinos.",
    "spam-other": "Injected links or text that sell medicines, loans, essays, replicas, backlinks or the like.",
    "reaction": "A reaction or share widget, a counter, a rating or a poll.",
    "comment": "A comment prompt, comment rules, or a reader's comment.",
    "notice": "A copyright, cookie, privacy, newsletter, app or paywall notice, or an ad label.",
    "teaser": "Related news, most read, a ticker, or a pointer to another article.",
    "navigation": "A menu, a breadcrumb, a log-in, tags, or pagination.",
    "headline": "The title, which is no part of the body.",
    "caption": "A caption or credit of an image or video.",
    "byline": "An author, an agency, a place, a date, or a source line.",
    "mostly-spam": "More of the document's prose is spam than the setting max_spam allows. The number is the share of spam.",
    "advertorial": "The document as a whole is advertising.",
    "link-farm": "The document as a whole is links that were put together for search engines.",
    "too-large": "The document has more bytes than the setting max_bytes allows, and was not read.",
}
"""Every label of a finding, and what it means."""

WHOLE = ("mostly-spam", "advertorial", "link-farm")
"""Verdicts on a document as a whole that are findings of their own. They count as spam."""

TOO_LARGE = "too-large"
"""A finding unless it is ignored by name: a document that nobody read must not pass for a clean one."""

IN_TEXT = ("spam", "reaction", "comment", "notice", "teaser")
"""What is looked for in texts and tables by default. Who reads a page as text often wants its headline, and bylines are no harm."""

IN_HTML = ("spam",)
"""What is looked for in HTML by default: a page's furniture is where it belongs."""


LEAST = 0.5
"""Probability from which on something is a finding by default. On the 47 bodies of ``fixtures/gold``, where nothing should be found, 10 are; without a
limit, 43. Of the 173 findings in the 20 texts of ``fixtures/dump`` that have a gold body, 20 are less probable: 7 of them are body, 13 are lost."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What counts as a finding."""

    select: tuple[str, ...] = ()  # prefixes of labels; (): the defaults
    ignore: tuple[str, ...] = ()  # prefixes of labels
    least: float = LEAST  # probability below which nothing is a finding

    def __post_init__(self) -> None:
        for option, prefixes in (("select", self.select), ("ignore", self.ignore)):
            for prefix in prefixes:
                if not prefix or not (prefix.startswith("spam-") or any(label.startswith(prefix) for label in FOUND)):
                    raise SettingsError(f"{option}: no label begins with {prefix!r}; {nearest(prefix, ['spam', *FOUND])}")
        if not 0 <= self.least <= 1:
            raise SettingsError(f"min-probability: {self.least} is no probability; give a number from 0 to 1")


def is_selected(selection: Selection, label: str, *, html: bool) -> bool:
    """Tell whether a label counts as a finding. Of the prefixes that fit it the longest decides; between two of one length, `ignore`.

    >>> chosen = Selection(select=("spam",), ignore=("spam-other",))
    >>> [is_selected(chosen, label, html=False) for label in ("spam-adult", "spam-other", "advertorial", "notice")]
    [True, False, True, False]
    """
    names = (label, "spam") if label in WHOLE else (label,)
    ignored = _longest(selection.ignore, names)
    if label == TOO_LARGE:
        return ignored == 0
    return _longest(selection.select or (IN_HTML if html else IN_TEXT), names) > ignored


def _longest(prefixes: Sequence[str], names: Sequence[str]) -> int:
    return max((len(prefix) for prefix in prefixes if any(name.startswith(prefix) for name in names)), default=0)
