"""A run's figures as tables, for somebody who has other things to do: aligned, with shares, and no longer than a screen or two."""

from collections.abc import Callable, Iterable, Sequence

from newsfilter.dumps.duplicates import NAME as DUPLICATES
from newsfilter.dumps.stats import ENOUGH, Site, Stats, by_documents
from newsfilter.dumps.summary import STATUSES, aligned, number, share, status_rows, time_row

Show = Callable[[str], str]
_LOOSE = "(files of their own)"


def stats_text(stats: Stats, top: int, show: Show = str) -> str:
    """Return all tables.

    Parameters
    ----------
    stats
        What `gather` returned.
    top
        Lines of a table at most; 0: all.
    show
        Makes a scraped string fit for where it will be shown.
    """
    parts = [_state(stats), _totals(stats)]
    parts += [_files(stats, top, show), _reasons(stats, top), _labels(stats, top, show), _languages(stats, top, show)]
    parts += [*_sites(stats, top, show), _slowest(stats, show), _repeats(stats)]
    return "\n\n".join(part for part in parts if part)


def _state(stats: Stats) -> str:
    if stats.finished:
        return ""
    text = f"This run has not come to its end ({stats.run['status']}): the figures are those of the documents in its ledger so far."
    return text if stats.ended else f"{text}\nFiles, skipped records and slowest documents are known when it has ended."


def _totals(stats: Stats) -> str:
    rows = status_rows(stats.run)
    characters = stats.run["characters"]
    whole = characters["kept"] + sum(characters["removed"].values())
    rows.append(("characters kept", number(characters["kept"]), share(characters["kept"], whole)))
    return aligned([*rows, time_row(stats.run)] if stats.ended else rows)


def _files(stats: Stats, top: int, show: Show) -> str:
    if not stats.ended:
        return ""
    names = ("documents", *STATUSES, "skipped")
    rows = [
        (*(number(file[name]) for name in names), show(file["uri"]) if file["uri"] else _LOOSE) for file in by_documents(stats.run["files"])
    ]
    return _table("by file", (*names, "file"), rows, top)


def _reasons(stats: Stats, top: int) -> str:
    documents = stats.run["counts"]["documents"]
    rows = [(number(count), share(count, documents), code) for code, count in _most_first(stats.run["reasons"])]
    return _table("by reason", ("documents", "of all", "reason"), rows, top)


def _labels(stats: Stats, top: int, show: Show) -> str:
    removed = stats.run["characters"]["removed"]
    whole = stats.run["characters"]["kept"] + sum(removed.values())
    rows = [(number(count), share(count, whole), show(label)) for label, count in _most_first(removed)]
    return _table("removed, by label", ("characters", "of all", "label"), rows, top)


def _languages(stats: Stats, top: int, show: Show) -> str:
    cleaned = sum(documents for documents, _ in stats.languages.values())
    rows = [
        (number(documents), share(documents, cleaned), share(accepted, documents), show(code))
        for code, (documents, accepted) in stats.languages.items()
    ]
    return _table("by language", ("documents", "of all", "accepted", "language"), rows, top)


def _sites(stats: Stats, top: int, show: Show) -> list[str]:
    sites = stats.sites
    if not sites:
        return []
    notes = [f"{number(sites.nameless)} documents name no site"] if sites.nameless else []
    if sites.beyond:
        notes.append(f"only the first {number(len(sites))} sites are told apart; {number(sites.beyond)} documents are of others")
    header = ("documents", "accepted", "removed", "site")
    largest = _table("by site", header, _site_rows(sites.largest(top or len(sites)), show), top, len(sites))
    several = sites.with_enough()
    worst = (
        _table(
            f"most removed, of sites with {ENOUGH} documents and more", header, _site_rows(sites.worst(top or several), show), top, several
        )
        if several
        else f"no site has {ENOUGH} documents, so that none is ranked by what was removed"
    )
    return ["\n".join([largest, *(f"  {note}" for note in notes)]), worst]


def _site_rows(sites: Iterable[Site], show: Show) -> list[tuple[str, ...]]:
    return [
        (number(site.documents), share(site.accepted, site.documents), share(site.removed, site.kept + site.removed), show(site.name))
        for site in sites
    ]


def _slowest(stats: Stats, show: Show) -> str:
    rows = [(f"{slow['seconds']:.2f} s", show(slow["uri"])) for slow in stats.run["slowest"]]
    return _table("slowest documents", ("CPU time", "document"), rows, 0) if stats.ended else ""


def _repeats(stats: Stats) -> str:
    duplicates, ids = stats.run.get("duplicates"), stats.run.get("repeated_ids")
    lines = []
    if duplicates:
        repeats, documents = duplicates["repeats"], duplicates["documents"]
        where = f"; {DUPLICATES} names them" if repeats else ""
        lines.append(f"{number(repeats)} of {number(documents)} bodies repeat an earlier one exactly ({share(repeats, documents)}){where}")
    if ids:
        lines.append(f"{number(ids)} documents have an id that an earlier one has")
    return "\n".join(lines)


def _most_first(counts: "dict[str, int]") -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], top: int, whole: int | None = None) -> str:
    """A table whose last column is text of any width, cut at `top` rows of `whole`; "" without rows."""
    if not rows:
        return ""
    shown, whole = rows[: top or None], len(rows) if whole is None else whole
    widths = [max(map(len, column)) for column in list(zip(header, *shown, strict=True))[:-1]]
    lines = ["  ".join(["", *(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in (header, *shown)]
    more = [f"  and {number(whole - len(shown))} more"] if whole > len(shown) else []
    return "\n".join([title, *lines, *more])
