"""Which side of a split a site is on."""

import hashlib
import re
from collections.abc import Iterable

FOLDS = 3  # stage one scores the pages that stage two learns from by models that have not seen their sites
PUBLISHER_LETTERS = 5  # of a publisher's name, from which on it is no accident in a host's name
VALIDATION_SHARE = 0.2  # of the sites of each set


def in_validation(site: str) -> bool:
    """Whether a site is kept out of all training. By digest, so that a new page of an old site stays on its side."""
    return int(hashlib.sha256(f"split-1:{site}".encode()).hexdigest()[:8], 16) < VALIDATION_SHARE * 0x100000000


def publisher_names(sites: Iterable[str]) -> frozenset[str]:
    """Return the names by which a publisher is known in other sets: ``us_techcrunch`` is ``techcrunch.com`` there."""
    return frozenset(
        name for site in sites if len(name := re.sub(r"[^a-z0-9]", "", site.split("_")[-1].split(".")[0])) >= PUBLISHER_LETTERS
    )


def is_of_publisher(site: str, names: frozenset[str]) -> bool:
    """Whether a host's name is, or begins or ends with, one of the publishers' names."""
    parts = [re.sub(r"[^a-z0-9]", "", part) for part in site.split(".")[:-1]]
    return any(part == name or part.startswith(name) or part.endswith(name) for part in parts for name in names if part)


def fold_of(site: str) -> int:
    """Which fold a site is in. Whatever is mixed into one page comes from one fold, so that no stage one has seen a part of it."""
    return int(hashlib.sha256(f"fold:{site}".encode()).hexdigest()[:8], 16) % FOLDS
