"""Trafilatura's `extract` with its defaults over the records of WARC files, in a plain loop, one process: what `dump.py` compares with.

python benchmarks/dump_loop.py FILE...
"""

import json
import sys
from pathlib import Path


def main(paths: list[str]) -> int:
    from fastwarc.warc import ArchiveIterator, WarcRecordType
    from trafilatura import extract

    documents = extracted = 0
    for path in paths:
        with Path(path).open("rb") as stream:
            for record in ArchiveIterator(stream, record_types=WarcRecordType.response):
                documents += 1
                extracted += extract(record.reader.read()) is not None
    print(json.dumps({"documents": documents, "out": extracted}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
