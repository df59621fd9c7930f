"""Whatever is damaged in a container, the run ends, accounts for every record, and finds the same however it is cut into shards."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from conftest import files, make_tree, page, run_file
from containers import CONTAINERS, Teller
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsfilter.dumps.order import Order
from newsfilter.dumps.outputs_rows import Format
from newsfilter.dumps.readers import ReadOptions
from newsfilter.dumps.run import clean_dump
from newsfilter.settings import Settings

PAGES = {f"a/{k}.html": page(k)[: 40 + 97 * k] for k in range(6)} | {"b/boş.html": ""}
WHOLE = {name: pack(PAGES) for name, pack in CONTAINERS.items()}
NOISE = st.sampled_from([b"\0", b"\n", b'"', b"\r\n", b"\xff", b"9" * 12, b"\x1f\x8b\x08", b"WARC/1.0\r\n", b"PK\x03\x04"]) | st.binary(
    max_size=20
)
PLACE = st.floats(0, 1, exclude_max=True)
DAMAGE = st.tuples(st.sampled_from(["flip", "cut", "drop", "insert", "repeat", "write"]), PLACE, PLACE, NOISE)


def damaged(data: bytes, damage: tuple[str, float, float, bytes]) -> bytes:
    """Bytes with one fault, at shares of their length."""
    kind, one, other, noise = damage
    at, to = (int(share * len(data)) for share in (one, other))
    after = data[at : min(max(at, to), at + 400)]
    changed = {
        "flip": data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :] if data else data,
        "cut": data[:at],
        "drop": data[:at] + data[at + len(after) :],
        "insert": data[:at] + noise + data[at:],
        "repeat": data[:at] + after + data[at:],
        "write": data[:at] + noise + data[at + len(noise) :],
    }
    return changed[kind]


def cleaned(
    folder: Path, out: Path, to: Format, *, size: int, documents: int, max_bytes: int
) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """What a run that cleans nothing finds: its counts, and its ledger without the names of shards."""
    options = ReadOptions(max_bytes=max_bytes, shard_bytes=size, shard_documents=documents)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("newsfilter.dumps.worker.borrowed_keeper", lambda _: nullcontext(Teller()))
        patch.setattr("newsfilter.dumps.plan.SMALLEST_BYTES", size)
        result = clean_dump(Order((str(folder),), str(out), Settings(max_bytes=max_bytes), options, to=to, overwrite=True))
    assert (result.stopped, result.imbalance, run_file(out)["status"]) == (None, None, "finished")
    lines = [json.loads(line) for line in files(out)["ledger.jsonl"].splitlines()]
    for line in lines:
        line.pop("output")
    counts: dict[str, int] = result.content["counts"]
    assert counts["documents"] == counts["accepted"] + counts["review"] + counts["rejected"] + counts["failed"] == len(lines)
    return counts, lines


@pytest.mark.slow
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(WHOLE)),
    damage=st.lists(DAMAGE, min_size=1, max_size=3),
    to=st.sampled_from(["files", "jsonl", "jsonl.zst", "parquet"]),
    cut=st.tuples(st.sampled_from([50, 200, 1000]), st.sampled_from([1, 3, 100])),  # bytes and records of a shard
    max_bytes=st.sampled_from([0, 300, 20_000]),
)
def test_whatever_is_damaged_every_record_is_accounted_for(
    tmp_path: Path, name: str, damage: list[tuple[str, float, float, bytes]], to: Format, cut: tuple[int, int], max_bytes: int
) -> None:
    """No exception, sums that hold, and the same documents and failures in small shards as in one."""
    data = WHOLE[name]
    for one in damage:
        data = damaged(data, one)
    crawl = make_tree(tmp_path / name.replace(".", "-"), {name: data})
    found = cleaned(crawl, tmp_path / "out", to, size=cut[0], documents=cut[1], max_bytes=max_bytes)
    assert found == cleaned(crawl, tmp_path / "whole", to, size=10**9, documents=500, max_bytes=max_bytes)


@pytest.mark.parametrize("name", WHOLE)
def test_nothing_is_damaged_where_nothing_was_done(tmp_path: Path, name: str) -> None:
    """The test above would see it if documents were lost: here all are there."""
    make_tree(tmp_path / "crawl", {name: WHOLE[name]})
    counts, lines = cleaned(tmp_path / "crawl", tmp_path / "out", "jsonl", size=50, documents=1, max_bytes=0)
    assert (counts["accepted"], counts["failed"], counts["skipped"]) == (len(PAGES), 0, 0)
    assert len({line["id"] for line in lines}) == len(PAGES)
