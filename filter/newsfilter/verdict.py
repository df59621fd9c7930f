"""Accept, review or reject, with reasons from a closed table."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from newsfilter.records import Decision, Language, Page, Reason, Verdict
from newsfilter.settings import Settings

UNSURE = 0.5  # a body block whose probability is lower counts as a guess
TEASERS_PER_WORD = 4  # teaser words for each word of a short body that make a page a listing
MAYBE_SPAM = 0.5  # probability of spam from which on a kept block counts as a guess, too
MIN_SPAM_WORDS = 12  # fewer are a stray link, whatever their share
UNDECODABLE_SHARE = 0.05  # of a document's characters that fit no charset, or are control characters
_WORD = re.compile(r"\w+")
_UNFIT = re.compile(r"[\x00-\x08\x0e-\x1f\ufffd]")
_SPACELESS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
_MAYBE_SPACELESS = re.compile(r"[\u0e00-\ufaff]")  # holds all of these
_SENTENCE_END = re.compile(r"[.!?…。！？؟।][\"”’'»)\]]*$")


@dataclass(frozen=True, slots=True)
class ReasonKind:
    """A row of the table of reasons."""

    decision: Literal["review", "reject"]
    means: str
    limit: str | None  # the setting that holds its limit
    source: str  # where the limit comes from


REASONS: dict[str, ReasonKind] = {
    "empty": ReasonKind("reject", "there is no text at all", None, "by definition"),
    "too-large": ReasonKind("reject", "the document has more bytes than max-bytes, and was not read", "max_bytes", "the largest of 3,065 development pages has 5.3 MB"),
    "undecodable": ReasonKind("reject", "more than one character in twenty fits no charset or is a control character", None, "the worst of 3,065 development pages has one in 5,000"),
    "not-an-article": ReasonKind("reject", "there is text but hardly any of it is an article's: a listing, a log-in or error page", None, "the non-article pages of the development data"),
    "mostly-spam": ReasonKind("reject", "of the words that read as prose more than max-spam are spam", "max_spam", "the labelled advertorials; link-word footers below an article do not count"),
    "advertorial": ReasonKind("reject", "the document as a whole reads like advertising for betting, escorts, loans and the like", None, "the labelled advertorials held out"),
    "link-farm": ReasonKind("reject", "the document as a whole is links that were put together for search engines", None, "the labelled link farms held out"),
    "listing": ReasonKind("reject", "the document as a whole is a list of other documents", None, "the listing and collection pages of the development data held out"),
    "error-page": ReasonKind("reject", "the document as a whole says that there is none", None, "the labelled error pages held out"),
    "login-page": ReasonKind("reject", "the document as a whole asks who the reader is", None, "the labelled log-in pages held out"),
    "other-language": ReasonKind("reject", "the language is none of lang", "lang", "the user's"),
    "paywall-stub": ReasonKind("review", "an article's beginning, and then an offer to subscribe", None, "the labelled paywall stubs held out"),
    "unlike-an-article": ReasonKind("review", "a forum, a product, a service, or nothing that reads like an article, though it is not clear what it is", None, "the other pages of the development data held out"),
    "too-short": ReasonKind("review", "the body has fewer words than min-words", "min_words", "of 1,462 gold bodies of the development data two have fewer"),
    "mostly-removed": ReasonKind("review", "of the words that look like an article (trafilatura kept them; in plain text, they stand in sentence lines) more than max-removed were removed", "max_removed", "14 of 266 validation articles have more"),
    "uncertain": ReasonKind("review", "of the body's words more than max-uncertain stand in blocks that the model is unsure of", "max_uncertain", "none of 266 validation articles has more, as HTML"),
    "unreadable-markup": ReasonKind("review", "the HTML parser gave up before the page's end, or trafilatura could not be given the page", None, "pages nested deeper than 400 elements or with more than 60,000"),
}  # fmt: skip
"""Every reason that a verdict can give. docs/verdicts.md shows a case for and against each."""


def count_words(text: str) -> int:
    """Count words; in scripts without spaces, two characters are one.

    >>> count_words("Köprü 3 ayda açıldı"), count_words("新华社北京电")
    (4, 3)
    """
    spaceless = 0 if text.isascii() else len(_SPACELESS.findall(text))
    return len(_WORD.findall(_SPACELESS.sub(" ", text))) + spaceless // 2 if spaceless else len(_WORD.findall(text))


def judge(
    page: Page, decisions: Sequence[Decision], language: Language, settings: Settings, kinds: Sequence[tuple[str, float, float]] = ()
) -> Verdict:
    """Give the verdict on one page. The first reason in the order of `REASONS` is the weightiest.

    `kinds`: (kind, probability, limit) of each kind of document that the page may be, `article` among them; see `Model.opinion`.
    """
    unread = any(damage.code in ("parse-truncated", "extraction-skipped") for damage in page.damage)
    if not page.blocks:
        return Verdict("review", (Reason("unreadable-markup"),)) if unread else Verdict("reject", (Reason("empty"),))
    sums = _Sums(page, decisions)
    reasons: list[Reason] = []
    unfit = len(_UNFIT.findall(page.text))
    if unfit > UNDECODABLE_SHARE * len(page.text):
        reasons.append(Reason("undecodable", round(unfit / len(page.text), 4), UNDECODABLE_SHARE))
    prose_spam = sums.spam if sums.body < settings.min_words else sums.spam_prose
    spam_share = round(prose_spam / max(sums.body + prose_spam, 1), 4)
    few = sums.body < max(settings.min_words, 1)
    if prose_spam >= MIN_SPAM_WORDS and spam_share > settings.max_spam:
        reasons.append(Reason("mostly-spam", spam_share, settings.max_spam))
    elif sums.body == 0 or (few and sums.teaser > TEASERS_PER_WORD * sums.body):
        reasons.append(Reason("not-an-article", sums.body))
    elif few:
        reasons.append(Reason("too-short", sums.body, settings.min_words))
    reasons += _kind_reasons(kinds, mostly_spam=sums.spam >= sums.body)
    if settings.lang and language.code not in (*settings.lang, "unknown"):
        reasons.append(Reason("other-language", language.code, ",".join(settings.lang)))
    removed_share = round(sums.likely_removed / max(sums.likely, 1), 4)
    if sums.likely and removed_share > settings.max_removed:
        reasons.append(Reason("mostly-removed", removed_share, settings.max_removed))
    unsure_share = round(sums.unsure / max(sums.body, 1), 4)
    if sums.body and unsure_share > settings.max_uncertain:
        reasons.append(Reason("uncertain", unsure_share, settings.max_uncertain))
    if unread:
        reasons.append(Reason("unreadable-markup"))
    order = list(REASONS)
    reasons.sort(key=lambda reason: order.index(reason.code))
    if not reasons:
        return Verdict("accept")
    rejected = any(REASONS[reason.code].decision == "reject" for reason in reasons)
    return Verdict("reject" if rejected else "review", tuple(reasons))


def telling(kinds: Sequence[tuple[str, float, float]]) -> list[tuple[str, float, float]]:
    """Return those of `kinds` that `judge` looks at, ``article`` and the likeliest: with them alone it gives the same verdict, also later.

    >>> telling([("article", 0.2, 0.5), ("link-farm", 0.1, 0.5), ("listing", 0.7, 0.9)])
    [('article', 0.2, 0.5), ('listing', 0.7, 0.9)]
    """
    likeliest = max(kinds, key=lambda row: row[1], default=None)
    return [row for row in kinds if row[0] == "article" or row is likeliest]


def _kind_reasons(kinds: Sequence[tuple[str, float, float]], *, mostly_spam: bool) -> list[Reason]:
    """A kind that is no article and surely there; else that the page is not much like an article.

    A document whose blocks are honest, one by one, is not rejected as advertising: an article on betting looks like it as a whole.
    """
    kind, likely, limit = max(kinds, key=lambda row: row[1], default=("", 0.0, 1.0))
    if kind in REASONS and likely >= limit:
        if mostly_spam or kind not in ("advertorial", "link-farm"):
            return [Reason(kind, likely, limit)]
        return [Reason("unlike-an-article", article, least) for name, article, least in kinds if name == "article"]
    return [Reason("unlike-an-article", likely, limit) for kind, likely, limit in kinds if kind == "article" and likely < limit]


class _Sums:
    """Words of a page by what became of them."""

    def __init__(self, page: Page, decisions: Sequence[Decision]) -> None:
        self.body = self.teaser = self.spam = self.spam_prose = self.unsure = 0
        self.likely = self.likely_removed = 0.0
        # Asked once a page, not once a block. Curly quotes and ellipses are in the quick range, too.
        spaced = _MAYBE_SPACELESS.search(page.text) is None or _SPACELESS.search(page.text) is None
        for decision in decisions:
            text = page.text[decision.start : decision.end]
            words = len(_WORD.findall(text)) if spaced else count_words(text)
            prose = words >= 5 and _SENTENCE_END.search(text) is not None  # the rule of sentence lines
            # How much of it looks like an article to somebody who is not the model: trafilatura, or that rule.
            likely = words * (page.blocks[decision.block].kept_share if page.html else float(prose))
            if decision.label.startswith("spam-"):
                self.spam += words
                self.spam_prose += words if prose else 0
                continue
            self.likely += likely
            if decision.label == "body":
                self.body += words
                self.unsure += words if decision.probability < UNSURE or _maybe_spam(decision) else 0
            elif decision.label in ("teaser", "navigation"):
                self.teaser += words
            if not decision.kept and decision.label not in ("headline", "byline", "caption"):
                self.likely_removed += likely


def _maybe_spam(decision: Decision) -> bool:
    """Whether a block that was kept may as well be spam."""
    if decision.by == "model":
        for label, p in decision.probabilities.items():
            if p >= MAYBE_SPAM and label.startswith("spam-"):
                return True
    return False
