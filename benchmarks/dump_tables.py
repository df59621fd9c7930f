"""The tables of `dump.py`, from what it writes as JSON.

python benchmarks/dump_tables.py FILE
"""

import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

MEGABYTE = 1e6
RATIOS = (
    ("newsfilter, 2 jobs", "newsfilter, 1 job", 1.85),
    ("newsfilter, 2 jobs", "DataTrove, 2 workers", 1.0),
    ("newsfilter, 1 job", "trafilatura, plain loop", 0.7),
)  # the first's rate to the second's, and what is asked for
NOISE = 0.1  # processors that may be busy with other things before the figures are called disturbed

Pairs = Mapping[str, Sequence[Mapping[str, Any]]]


def show(result: Mapping[str, Any]) -> None:
    """Print all tables."""
    html, text, memory = result["html"], result["text"], result["memory"]
    known = result["versions"] | _peer_versions(html)
    print(f"{result['pages']} pages of {result['page_bytes'] / 1000:.0f} KB on average; {result['machine']['processors']} processors")
    print(f"({result['machine']['processor']}); {', '.join(f'{name} {version}' for name, version in known.items())}\n")
    _rates(html)
    _rates(text)
    _ratios(html)
    for name, found in (html | text).items():
        if name.endswith("1 job"):
            _stages(name, list(found))
    _cost(result["cost"])
    here, contained = (result["containment"][name] for name in ("here", "contained"))
    print(f"In a child that is watched, cleaning takes {100 * (contained / here - 1):.1f} % more CPU time than without; 8 are asked for.\n")
    _memory(html | memory)
    _peers(html)


def _peer_versions(html: Pairs) -> dict[str, str]:
    found: dict[str, str] = next(
        (pair["large"]["said"].get("versions", {}) for name, pairs in html.items() for pair in pairs if "DataTrove" in name), {}
    )
    return {f"{name} (DataTrove's)" if name in ("trafilatura", "lxml") else name: version for name, version in found.items()}


def spread(values: Sequence[float], digits: int = 1) -> str:
    """The median, and the least and the most; "-" of none.

    >>> spread([3, 1, 2])
    '2.0 (1.0 to 3.0)'
    """
    if not values:
        return "-"
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def _rates(pairs: Pairs) -> None:
    print("| | documents | documents/s | documents per CPU second | others' processors |\n|---|---|---|---|---|")
    for name, found in pairs.items():
        sizes = f"{found[0]['small']['documents']:,} and {found[0]['large']['documents']:,}"
        others = max(run["used"]["others"] for pair in found for run in (pair["small"], pair["large"]))
        rates = " | ".join(spread([pair[key] for pair in found]) for key in ("per_second", "per_cpu_second"))
        print(f"| {name} | {sizes} | {rates} | {others:.2f}{' (disturbed)' if others > NOISE else ''} |")
    print()


def _ratios(pairs: Pairs) -> None:
    print("| ratio, round by round | asked for | by the clock | by CPU seconds |\n|---|---|---|---|")
    for one, other, wanted in RATIOS:
        if other in pairs:
            columns = [
                spread([mine[key] / theirs[key] for mine, theirs in zip(pairs[one], pairs[other], strict=True) if theirs[key]], 2)
                for key in ("per_second", "per_cpu_second")
            ]
            print(f"| {one} / {other} | {wanted} | {' | '.join(columns)} |")
    print()


def _stages(name: str, found: list[Any]) -> None:
    """Where one job's time goes, of its large dumps."""
    runs = [pair["large"] for pair in found]
    seconds: dict[str, float] = defaultdict(float)
    for run in runs:
        for stage, spent in run["said"]["cpu"].items():
            seconds[stage] += spent
    whole, documents = sum(run["used"]["cpu"] for run in runs), sum(run["documents"] for run in runs)
    seconds["elsewhere"] = whole - sum(seconds.values())
    print(f"| {name}, stage | CPU ms a document | share % |\n|---|---|---|")
    for stage, spent in sorted(seconds.items(), key=lambda pair: -pair[1]):
        print(f"| {stage} | {1000 * spent / documents:.2f} | {100 * spent / whole:.1f} |")
    print(f"| reading and writing | | {100 * (seconds['read'] + seconds['write']) / whole:.1f} |\n")


def _cost(cost: Mapping[str, Any]) -> None:
    """What a page's time grows with."""
    stages = [stage for stage in cost["quarters"][0]["stages"] if any(quarter["stages"][stage] >= 1 for quarter in cost["quarters"])]
    print(f"| pages alone, by blocks | KB | CPU ms | {' | '.join(stages)} |\n|---|---|---|{'---|' * len(stages)}")
    for quarter in cost["quarters"]:
        spent = " | ".join(f"{quarter['stages'][stage]:.1f}" for stage in stages)
        low, high = quarter["blocks"]
        print(f"| {low} to {high} | {quarter['kilobytes']:.0f} | {quarter['ms']:.1f} | {spent} |")
    print(
        f"\n{cost['line']['page']:.0f} ms a page and {cost['line']['hundred_blocks']:.0f} ms for 100 blocks. CPU time's correlation with a page's ",
        end="",
    )
    print(", ".join(f"{name} {value:.2f}" for name, value in cost["correlation"].items()), end=".\n\n")


def _memory(pairs: Pairs) -> None:
    print("| peak resident memory, largest process | documents | MB | documents | MB | ratio |\n|---|---|---|---|---|---|")
    for name, found in pairs.items():
        small, large = ([pair[size] for pair in found] for size in ("small", "large"))
        for role in sorted({role for run in large for role in run["used"]["peaks"]}):
            few, many = (max(run["used"]["peaks"].get(role, 0) for run in runs) for runs in (small, large))
            ratio = f"{many / few:.2f}" if few else "-"
            cells = [f"{name}: {role}", f"{small[0]['documents']:,}", f"{few / MEGABYTE:.0f}"]
            cells += [f"{large[0]['documents']:,}", f"{many / MEGABYTE:.0f}", ratio]
            print(f"| {' | '.join(cells)} |")
    print()


def _peers(pairs: Pairs) -> None:
    """What came out of each, for a rate without that says little."""
    for name, found in pairs.items():
        said, documents = found[0]["large"]["said"], found[0]["large"]["documents"]
        counts = said["counts"] if "counts" in said else {"read": said["documents"], "out": said["out"]}
        timeouts = sum(step.get("timeout", 0) for step in said.get("steps", {}).values())
        listed = ", ".join(f"{what} {count:,}" for what, count in counts.items() if what != "documents")
        print(f"- {name}: {documents:,} documents, {listed}{f', {timeouts:,} ended by its time limit' if timeouts else ''}")


if __name__ == "__main__":
    show(json.loads(Path(sys.argv[1]).read_bytes()))
