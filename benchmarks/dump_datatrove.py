"""DataTrove's own pipeline over a folder of WARC files: what `dump.py` compares with. Run by the interpreter of an environment of its own.

    python benchmarks/dump_datatrove.py FOLDER OUT WORKERS

WARC reader, Trafilatura, Gopher's and C4's quality filters, JSONL writer, each as DataTrove has it by default, with as many tasks as workers.
Sentences and words of English are cut by a blank spaCy pipeline, which needs no data.
"""

import json
import sys
from importlib import metadata
from pathlib import Path

VERSIONS = ("datatrove", "trafilatura", "faust-cchardet", "warcio", "spacy", "lxml")


def main(folder: str, out: str, workers: int) -> int:
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.extractors import Trafilatura
    from datatrove.pipeline.filters import C4QualityFilter, GopherQualityFilter
    from datatrove.pipeline.readers import WarcReader
    from datatrove.pipeline.writers import JsonlWriter

    steps = [WarcReader(folder), Trafilatura(), GopherQualityFilter(), C4QualityFilter(), JsonlWriter(f"{out}/articles")]
    LocalPipelineExecutor(steps, tasks=workers, workers=workers, logging_dir=f"{out}/logs").run()
    stats = json.loads(Path(out, "logs/stats.json").read_bytes())
    totals = [{name: value if isinstance(value, int) else value["total"] for name, value in step["stats"].items()} for step in stats]
    found = {
        "documents": totals[0]["documents"],
        "out": totals[-1]["total"],
        "steps": {step["name"]: total for step, total in zip(stats, totals, strict=True)},
        "versions": {name: metadata.version(name) for name in VERSIONS},
    }
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
