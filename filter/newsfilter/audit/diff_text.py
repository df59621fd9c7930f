"""What two runs did differently, as text."""

from collections.abc import Iterator

from newsfilter.audit.diff import Change, Differences, ranked
from newsfilter.dumps.summary import STATUSES

LABELS_NAMED = 3  # of one document's changes of label


def difference_text(found: Differences, one: str, other: str) -> Iterator[str]:
    """Yield lines that tell a reader of it: sums first, then the documents that differ most."""
    yield f"A: {one}"
    yield f"B: {other}"
    yield f"documents: {found.both:,} in both, {found.changed:,} of them differ; {found.alone[0]:,} only in A, {found.alone[1]:,} only in B"
    yield from _statuses(found)
    if found.bodies:
        yield f"bodies: {found.bodies:,} differ; {found.only[0]:,} characters only in A, {found.only[1]:,} only in B"
    for (a, b), characters in ranked(found.labels):
        yield f"label: {a} → {b}: {characters:,} characters in {_documents(found.labelled[a, b])}"
    for name, number in sorted(found.facts.items()):
        yield f"{name}: differs in {_documents(number)}"
    if found.worst:
        yield ""
        yield "differ most:"
        yield from (f"  {_change(change)}" for change in found.worst)
    for side, name in enumerate("AB"):
        if found.alone_named[side]:
            yield ""
            yield f"only in {name}:"
            yield from (f"  {uri}" for uri in found.alone_named[side])
            if found.alone[side] > len(found.alone_named[side]):
                yield f"  and {found.alone[side] - len(found.alone_named[side]):,} more"


def _documents(number: int) -> str:
    return f"{number:,} document{'' if number == 1 else 's'}"


def _statuses(found: Differences) -> Iterator[str]:
    """A table of what became of the documents in A, line by line, and in B, column by column."""
    names = [name for name in STATUSES if any(name in pair for pair in found.statuses)]
    if not any(a != b for a, b in found.statuses):
        return
    yield f"{'A / B':<10}{''.join(f'{name:>10}' for name in names)}"
    for a in names:
        yield f"{a:<10}{''.join(f'{found.statuses[a, b]:>10,}' for b in names)}"


def _change(change: Change) -> str:
    parts = []
    if change.statuses[0] != change.statuses[1]:
        parts.append(f"{change.statuses[0]} → {change.statuses[1]}")
    if change.reasons[0] != change.reasons[1]:
        parts.append(f"{', '.join(change.reasons[0]) or 'no reason'} → {', '.join(change.reasons[1]) or 'no reason'}")
    if any(change.only):
        parts.append(f"{change.only[0]:,} characters only in A, {change.only[1]:,} only in B")
    elif change.body:
        parts.append("the same stretches of the page, mended otherwise")
    if not change.same_page:
        parts.append("the page was read otherwise")
    parts += [f"{a} → {b} {characters:,}" for (a, b), characters in ranked(change.labels)[:LABELS_NAMED]]
    parts += change.facts
    return f"{change.uri}: {'; '.join(parts)}"
