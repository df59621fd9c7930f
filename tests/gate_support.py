"""What the gate's tests share: documents with something to find, and a judge that knows spam by one word, so that many texts can be tried."""

import json
import re
from collections.abc import Sequence

from conftest import article

from newsfilter.decode import decode, sniff_media_type
from newsfilter.dumps.documents import Oversized
from newsfilter.dumps.keeper import Result
from newsfilter.provenance import digest
from newsfilter.records import Source
from newsfilter.segment import segment

FOOTER = "ankara escort çankaya escort bayan kızılay escort eve gelen escort"
CASINO = "deneme bonusu veren siteler güncel giriş casino siteleri kaçak bahis siteleri"
SPAM = "xESCORTx"  # what `word_judge` calls spam


def spammed(number: int = 1) -> str:
    """An article with an escort footer, which is its eleventh line."""
    return f"{article(number)}\n{FOOTER}\n"


def word_judge(sources: Sequence[Source | Oversized]) -> list[Result]:
    """Judge plain texts as a child would, every block that holds `SPAM` being spam, and every sentence of others that does."""
    return [_judged(source) for source in sources if isinstance(source, Source)]


def _judged(source: Source) -> Result:
    decoding = decode(source.raw)
    text = decoding.text
    spans: list[tuple[int, int, int]] = []  # start, end, block
    for number, block in enumerate(segment(text).blocks):
        pieces = list(re.finditer(r"\S(?:[^.]*[^.\s])?\.?", text[block.start : block.end]))
        spans += [(block.start + piece.start(), block.start + piece.end(), number) for piece in pieces]
    entries = []
    for number, (start, end, owner) in enumerate(spans):
        stop = spans[number + 1][0] if number + 1 < len(spans) else len(text)
        start_tile = start if number else 0
        spam = SPAM in text[start:end]
        label = "spam-adult" if spam else "body"
        entries.append(
            {
                "start": start_tile,
                "end": stop,
                "block": owner,
                "label": label,
                "probabilities": {label: 0.99},
                "kept": not spam,
                "by": "model",
                "text": text[start_tile:stop],
            }
        )
    if not entries and text:
        entries = [
            {
                "start": 0,
                "end": len(text),
                "block": 0,
                "label": "navigation",
                "probabilities": {},
                "kept": False,
                "by": "no-text/1",
                "text": text,
            }
        ]
    record = {
        "schema": "newsfilter/provenance/1",
        "source": {
            "media_type": source.media_type or sniff_media_type(text),
            "charset": {"declared": None, "used": decoding.used, "how": decoding.how, "replaced": decoding.replaced},
        },
        "verdict": {"decision": "reject", "reasons": []},
        "page": {"sha256": digest(text), "characters": len(text)},
        "blocks": entries,
        "edits": [],
        "damage": [],
        "model": {"name": "word", "sha256": "0" * 64},
        "settings": {"sha256": "0" * 64},
        "software": {"newsfilter": "0"},
    }
    return Result(line={}, record=json.dumps(record).encode())
