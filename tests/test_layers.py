import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import newsfilter

PACKAGE = Path(newsfilter.__file__).parent
CASE_FILES = sorted((Path(__file__).parents[1] / "fixtures/cases").glob("*.json"))

# The layout of DESIGN.md, each row with the helpers of its modules. A module imports from its own row and the rows above it.
ROWS: tuple[tuple[str, ...], ...] = (
    ("records", "errors", "settings"),
    ("decode", "extract", "walk", "segment", "dateline", "metadata"),
    (
        "normal_form",
        "ngrams",
        "features",
        "sequence",
        "cuts",
        "forest",
        "linear",
        "view",
        "classifier",
        "model_file",
        "language",
        "evidence",
    ),
    ("document", "policy", "readback", "trim", "verdict", "provenance", "repair", "damage", "rules"),
    ("dumps",),
    ("training",),
    ("gate",),
    ("audit",),
    ("integrations",),
    ("options", "options_audit", "options_check", "terminal", "cli", "cli_audit", "cli_check", "__main__", "__init__"),
)
ROW_OF = {name: number for number, row in enumerate(ROWS) for name in row}
VOCABULARY = {"records": set[str](), "errors": set[str](), "settings": {"errors", "records"}}
HEAVY = {
    "numpy",
    "sklearn",
    "scipy",
    "lxml",
    "trafilatura",
    "langdetect",
    "ftfy",
    "joblib",
    "charset_normalizer",
    "tqdm",
    "htmldate",
    "webencodings",
}


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name below newsfilter."""
    return {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(path: Path) -> Iterator[str]:
    """The modules of newsfilter that a file imports anywhere, in functions too; the version in the package's own file is everybody's."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide what is imported"
            own = [f"newsfilter.{alias.name}" for alias in node.names if alias.name != "__version__"]
            names = own if node.module == "newsfilter" else [node.module or ""]
        else:
            continue
        yield from (name.removeprefix("newsfilter.") for name in names if name.startswith("newsfilter."))


def row_of(module: str) -> int:
    """The row of a module: its own, or its folder's."""
    return ROW_OF[module.split(".", 1)[0]]


@pytest.mark.parametrize("module", modules())
def test_every_module_is_placed(module: str) -> None:
    # A new module has a row of the layout, or nobody knows what it may import.
    assert module.split(".", 1)[0] in ROW_OF, f"{module}: put it in a row of ROWS, and in DESIGN's layout if it is no helper"


@pytest.mark.parametrize("module", modules())
def test_imports_point_one_way(module: str) -> None:
    # No module imports from a row below its own.
    wrong = [name for name in imports(modules()[module]) if row_of(name) > row_of(module)]
    assert wrong == []


@pytest.mark.parametrize(("module", "allowed"), VOCABULARY.items())
def test_the_vocabulary_imports_nothing_upward(module: str, allowed: set[str]) -> None:
    # Records and errors import nothing of newsfilter, settings only these two.
    assert set(imports(PACKAGE / f"{module}.py")) <= allowed


def test_no_circles() -> None:
    # Inside a row, too, imports run one way.
    graph = {module: set(imports(path)) for module, path in modules().items() if module != "__init__"}
    assert set(TopologicalSorter(graph).static_order()) >= set(graph)


@pytest.mark.parametrize("module", [name for name in modules() if row_of(name) < ROW_OF["dumps"]])
def test_one_document_knows_no_files_processes_or_terminals(module: str) -> None:
    # Only the dump layer knows about processes, only the command line about terminals and arguments.
    tree = ast.parse(modules()[module].read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    assert not {name.partition(".")[0] for name in names} & {
        "subprocess",
        "multiprocessing",
        "joblib",
        "tqdm",
        "argparse",
        "shutil",
        "signal",
    }


def loaded_by(code: str) -> set[str]:
    """The packages that a fresh interpreter holds after running `code`."""
    code += "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), "PYTHONIOENCODING": "utf-8"}
    return set(subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import newsfilter",
        "import newsfilter; newsfilter.Settings().sha256(); newsfilter.Source(b'')",
        "import newsfilter.records, newsfilter.errors, newsfilter.settings",
        "from newsfilter.segment import segment; segment('Köprü açıldı.')",
        "from newsfilter.provenance import restore",
    ],
)
def test_light_imports(code: str) -> None:
    # Importing newsfilter, its vocabulary, or what needs only text loads no package that takes time.
    assert loaded_by(code) & HEAVY == set()


def test_integrations_wait_for_their_library() -> None:
    # Only the module that is named like a library loads it; what both share loads neither.
    assert loaded_by("import newsfilter.integrations") & {"datasets", "datatrove"} == set()
    assert loaded_by("import newsfilter.integrations.datatrove") & {"datasets", "datatrove"} == {"datatrove"}


def test_who_only_watches_is_light() -> None:
    # A job is one busy process: what reads and writes a shard has its documents cleaned by a child, and loads none of what that needs.
    for module in ("worker", "cluster_worker"):
        assert loaded_by(f"import newsfilter.dumps.{module}") & HEAVY <= {"webencodings"}  # some lines of Python, for reading tables


def test_heavy_packages_are_seen() -> None:
    # The look into a fresh interpreter does see a package that is loaded.
    assert {"newsfilter", "numpy"} <= loaded_by("import newsfilter, numpy")


def test_public_names_exist() -> None:
    # Every name that newsfilter offers is there, and a name that it does not offer is an AttributeError.
    assert all(getattr(newsfilter, name) is not None for name in newsfilter.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        newsfilter.__getattr__("nonsense")


def test_clean_is_the_function() -> None:
    # However its modules were imported before, newsfilter.clean can be called.
    code = "import newsfilter.{}; import newsfilter; newsfilter.clean_many; assert callable(newsfilter.clean), newsfilter.clean"
    for module in ("document", "verdict", "classifier"):
        loaded_by(code.format(module))


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in CASE_FILES])
def test_case_tables(path: Path) -> None:
    # Every case has a label of its own and a comment, and every table is read by a test.
    rows = json.loads(path.read_text(encoding="utf-8"))
    keys = [(row.get("code"), row["label"]) for row in rows]
    assert len(set(keys)) == len(rows) > 0
    assert all(row["comment"].endswith((".", "!", "?", "…")) for row in rows)
    tests = [file.read_text(encoding="utf-8") for file in Path(__file__).parent.glob("test_*.py") if file.name != Path(__file__).name]
    assert any(f"cases/{path.name}" in text or f'table("{path.stem}")' in text or f'"{path.name}"' in text for text in tests)
