"""Gold texts to block labels.

A block is body when its words stand in the gold text, in order. What it is otherwise, the markup says of itself: element names, class and
id words. These are weak labels: on 200 blocks read by hand, 9 in 100 named another furniture class than a reader would.
"""

import re
from collections.abc import Sequence

from newsfilter.extract import kept_shares
from newsfilter.metadata import normal_form
from newsfilter.records import Block, Page

BODY_SHARE = 0.6  # of a block's words that must stand in the gold text
LONG = 8  # words from which on a block's agreement with the gold is no accident
TEASER_WORDS = 4  # mean words of a container's links from which on they are headlines
SEGMENT_LETTERS = 5  # of a string that a page is known by, from which on it is no accident
NEAR = 3  # blocks around the long body blocks within which a short agreement counts

_GROUP = re.compile(r".*/(?:table|ul|ol)(?:\[\d+\])?(?=/)")  # the innermost list or table that a path goes through

# The first that matches names the class. Words are matched whole or as the beginning of a class word.
_CLASSES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "notice",
        re.compile(
            r"\b(?:cookie|consent|gdpr|privacy|newsletter|subscri|paywall|copyright|legal|disclaimer|adblock|advert|sponsor|regwall|datenschutz)"
        ),
    ),
    ("comment", re.compile(r"\b(?:comment|kommentar|respond|reply|disqus|yorum)")),
    ("reaction", re.compile(r"\b(?:shar|social|like|reaction|vote|rating|facebook|twitter|whatsapp|addtoany|teilen|follow|emoji)")),
    ("caption", re.compile(r"\b(?:caption|figcaption|credit|bildunterschrift|legende)")),
    ("byline", re.compile(r"\b(?:author|byline|autor|date|time|timestamp|publish|posted|dateline|vcard|updated|datum|meta)\b")),
    (
        "teaser",
        re.compile(
            r"\b(?:related|recommend|popular|trending|mostread|teaser|latest|recent|similar|promo|readmore|outbrain|taboola|recirc|carousel|headlines|story)"
        ),
    ),
    ("navigation", re.compile(r"\b(?:nav|menu|breadcrumb|tag|topic|categor|footer|header|login|search|pagination)")),
)


def gold_labels(page: Page, gold: str, title: str | None) -> list[str]:
    """Label every block of an HTML page by its gold text.

    Parameters
    ----------
    gold
        The article's text; whether it begins with the headline makes no difference.
    title
        The gold headline, else the page's own is taken.
    """
    texts = [page.text_of(block) for block in page.blocks]
    shares = kept_shares(texts, gold)
    headings = {normal_form(text) for text in (title, page.metadata.title) if text and len(text) > 8}
    sizes = [len(text.split()) if not _spaceless(text) else len(text) // 2 for text in texts]
    long = [number for number, (share, size) in enumerate(zip(shares, sizes, strict=True)) if share >= BODY_SHARE and size >= LONG]
    near = set(range(long[0] - NEAR, long[-1] + NEAR + 1)) if long else set()
    shares = _group_shares(page, shares, sizes)
    labels = []
    for number, (block, text, share) in enumerate(zip(page.blocks, texts, shares, strict=True)):
        if normal_form(text) in headings:
            labels.append("headline")
        elif share >= BODY_SHARE and number in near:
            labels.append("body")
        else:
            labels.append(_furniture(block, text))
    return _one_kind_a_container(page, labels, sizes)


def segment_labels(page: Page, must: Sequence[str], must_not: Sequence[str], comments: Sequence[str]) -> list[str]:
    """Label the blocks that hold a string which an extraction must hold (body), must not hold, or a reader's comment; "" for all others.

    A block that holds strings of two kinds gets no label; a string shorter than five letters says nothing.
    """
    texts = [" ".join(page.text_of(block).split()) for block in page.blocks]
    found: list[set[str]] = [set() for _ in texts]
    for strings, kind in ((must, "body"), (must_not, "furniture"), (comments, "comment")):
        for string in strings:
            wanted = " ".join(string.split())
            if len(wanted) >= SEGMENT_LETTERS:
                for kinds, text in zip(found, texts, strict=True):
                    if wanted in text:
                        kinds.add(kind)
    labels = []
    for kinds, block, text in zip(found, page.blocks, texts, strict=True):
        kind = kinds.pop() if len(kinds) == 1 else ""
        labels.append(_furniture(block, text) if kind == "furniture" else kind)
    return labels


def _one_kind_a_container(page: Page, labels: list[str], sizes: list[int]) -> list[str]:
    """Let a container's links be all menu or all teasers, by their mean length: one short headline makes no menu, one long entry no list of news."""
    containers: dict[str, list[int]] = {}
    for number, (block, label) in enumerate(zip(page.blocks, labels, strict=True)):
        if label in ("navigation", "teaser"):
            path = block.xpath or ""
            group = _GROUP.match(path)
            containers.setdefault(group.group() if group else path.rsplit("/", 2)[0], []).append(number)
    result = list(labels)
    for members in containers.values():
        kind = "teaser" if sum(sizes[number] for number in members) >= TEASER_WORDS * len(members) else "navigation"
        for number in members:
            result[number] = "navigation" if "nav" in page.blocks[number].tags else kind
    return result


def _group_shares(page: Page, shares: list[float], sizes: list[int]) -> list[float]:
    """Give the cells of a table, and the items of a list, their group's share where it is clear: alone, a "3" or a "Monday" stands anywhere."""
    groups: dict[str, list[int]] = {}
    for number, block in enumerate(page.blocks):
        if group := _GROUP.match(block.xpath or ""):
            groups.setdefault(group.group(), []).append(number)
    result = list(shares)
    for members in groups.values():
        words = sum(max(sizes[number], 1) for number in members)
        share = sum(shares[number] * max(sizes[number], 1) for number in members) / words
        if len(members) > 2 and words > 6 and (share >= 0.8 or share <= 0.2):
            for number in members:
                result[number] = share
    return result


def _spaceless(text: str) -> bool:
    return sum("\u3040" <= character <= "\u9fff" for character in text[:50]) > 10


def _furniture(block: Block, text: str) -> str:
    words = len(text.split())
    said = " ".join(block.hints)
    if "©" in text or re.search(r"\b(?:cookies?|copyright)\b", text.lower()):
        return "notice"
    if "figcaption" in block.tags[-3:] or ("figure" in block.tags and block.link_density < 0.5):
        return "caption"
    if "time" in block.tags[-2:] and words <= 12:
        return "byline"
    for label, pattern in _CLASSES:
        if pattern.search(said) and not (label == "byline" and words > 25):
            return "teaser" if label == "navigation" and words >= 6 and "nav" not in block.tags else label
    return "teaser" if words >= 5 and "nav" not in block.tags else "navigation"
