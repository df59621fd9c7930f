import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import newsfilter
from newsfilter.errors import ModelError
from newsfilter.extract import extract
from newsfilter.model_file import MANIFEST_FILE, MODEL_FILE, load_model, shipped_model_folder, stored_pages
from newsfilter.records import LABELS, Page
from newsfilter.segment import segment

FOLDER = Path(__file__).parents[1] / "fixtures/cases"
SOURCE_ROOT = Path(newsfilter.__file__).parents[1]
Arrays = dict[str, np.ndarray[Any, Any]]


class Copy:
    """A copy of the shipped model's folder, to be damaged."""

    def __init__(self, folder: Path) -> None:
        shutil.copytree(shipped_model_folder(), folder)
        self.folder = folder
        self.raw = (folder / MODEL_FILE).read_bytes()
        self.manifest: dict[str, Any] = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))

    def write(self, raw: bytes | None = None, **changes: Any) -> Path:
        """Write the arrays' file, with a manifest whose digest is true and whose other keys are changed as given (None: left out)."""
        raw = self.raw if raw is None else raw
        (self.folder / MODEL_FILE).write_bytes(raw)
        manifest = self.manifest | {"sha256": hashlib.sha256(raw).hexdigest()} | changes
        kept = {key: value for key, value in manifest.items() if value is not None}
        (self.folder / MANIFEST_FILE).write_text(json.dumps(kept), encoding="utf-8")
        return self.folder

    def arrays(self) -> Arrays:
        """The model's arrays by name."""
        with np.load(io.BytesIO(self.raw)) as found:
            return {name: found[name] for name in found.files}

    def write_arrays(self, change: Callable[[Arrays], object], **changes: Any) -> Path:
        """Write the arrays after a change."""
        arrays = self.arrays()
        change(arrays)
        stream = io.BytesIO()
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
        return self.write(stream.getvalue(), **changes)


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """A copy of the shipped model."""
    return Copy(tmp_path / "model")


def refused(folder: Path) -> str:
    """Load a model that must be refused with a ModelError that says where and what to do; return what it says."""
    with pytest.raises(ModelError) as raised:
        load_model(folder)
    message = str(raised.value)
    assert str(folder) in message
    assert any(advice in message for advice in ("copy the model folder", "retrain", "install", "give --model", "not a newsfilter model")), (
        message
    )
    return message


def test_untouched_copy_loads(copy: Copy) -> None:
    # A folder that was copied whole is the same model; the arrays' file may be named in its place.
    model = load_model(copy.write())
    assert (model.labels, model.sha256) == (load_model().labels, hashlib.sha256(copy.raw).hexdigest())
    assert load_model(copy.folder / MODEL_FILE).sha256 == model.sha256


def test_written_again_it_scores_the_same(copy: Copy) -> None:
    # What the tests below write is a good model but for the one thing that each of them changes.
    assert load_model(copy.write_arrays(dict.copy)).labels == load_model().labels


def test_shipped_model() -> None:
    # The shipped model knows the labels of the design and holds 32 blocks to be checked with.
    model = load_model()
    assert set(LABELS) <= set(model.labels)
    assert sum(len(item["blocks"]) for item in model.manifest["check"]) == 32


def test_tampered(copy: Copy) -> None:
    # One byte that is not the one that was written.
    copy.write()
    raw = bytearray(copy.raw)
    raw[len(raw) // 2] ^= 1
    (copy.folder / MODEL_FILE).write_bytes(raw)
    assert "sha256" in refused(copy.folder)


def test_truncated(copy: Copy) -> None:
    # A download that broke off.
    copy.write()
    (copy.folder / MODEL_FILE).write_bytes(copy.raw[:1000])
    assert "sha256" in refused(copy.folder)


@pytest.mark.parametrize("size", [0, 1, 30, 1000, -1, -30])
def test_truncated_with_its_digest(copy: Copy, size: int) -> None:
    # The same where the manifest was made of what was left: not the digest but the file says so.
    assert "plain arrays" in refused(copy.write(copy.raw[:size]))


@pytest.mark.parametrize("place", range(2, 100, 7))
def test_damaged_with_its_digest(copy: Copy, place: int) -> None:
    # A file damaged before its digest was taken is refused, or nothing that counts was damaged; no other error gets out.
    raw = bytearray(copy.raw)
    at = len(raw) * place // 100
    raw[at : at + 4] = bytes(byte ^ 0x5A for byte in raw[at : at + 4])
    folder, said = copy.write(bytes(raw)), ""
    try:
        load_model(folder)
    except ModelError as error:
        said = str(error)
    assert not said or str(folder) in said


class Trap:
    """Runs code when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.marker,))


def test_pickle_inside(copy: Copy, tmp_path: Path) -> None:
    # An array of objects is refused, and the code in it does not run.
    marker = tmp_path / "ran"
    folder = copy.write_arrays(lambda arrays: arrays.update(text_scale=np.array([Trap(marker)], dtype=object)))
    assert "plain arrays" in refused(folder)
    assert not marker.exists()


def test_pickle_in_place_of_arrays(copy: Copy, tmp_path: Path) -> None:
    # Nor does a file that is a pickle from its first byte.
    import pickle

    marker = tmp_path / "ran"
    assert "plain arrays" in refused(copy.write(pickle.dumps(Trap(marker))))
    assert not marker.exists()


def test_member_that_is_no_array(copy: Copy) -> None:
    # Something else in the archive, under an array's name, is refused.
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in copy.arrays():
            archive.writestr(f"{name}.npy", b"import os")
    assert refused(copy.write(stream.getvalue()))


def test_unpacks_to_too_much(copy: Copy) -> None:
    # A small file that unpacks to gigabytes is refused before it is unpacked.
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("fold.npy", b"\0" * 70_000_000)
    assert "unpacks to" in refused(copy.write(stream.getvalue()))


@pytest.mark.parametrize("key", ["format", "feature_version"])
@pytest.mark.parametrize("value", [0, 2, "1", None])
def test_other_format(copy: Copy, key: str, value: object) -> None:
    # Another format or feature version, or none, is refused by its number.
    value = copy.manifest[key] + 1 if value == 2 else value
    changes: dict[str, Any] = {key: value}
    message = refused(copy.write(**changes))
    assert f"{key} is {value}" in message
    assert "retrain" in message


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"3", b'"x"', b"null", b"\xff", b"[" * 100_000],
    ids=["empty", "cut", "list", "number", "string", "null", "no UTF-8", "deep"],
)
def test_manifest_that_is_none(copy: Copy, content: bytes) -> None:
    # A manifest that is no JSON, or no object, is refused.
    (copy.folder / MANIFEST_FILE).write_bytes(content)
    assert MANIFEST_FILE in refused(copy.folder)


@pytest.mark.parametrize("name", [MODEL_FILE, MANIFEST_FILE])
def test_missing_file(copy: Copy, name: str) -> None:
    # Each of the two files is missed by its name.
    (copy.folder / name).unlink()
    message = refused(copy.folder)
    assert name in message
    assert "give --model" in message


def test_missing_folder(tmp_path: Path) -> None:
    # A folder that is not there is an error that says what to give.
    with pytest.raises(ModelError, match="give --model"):
        load_model(tmp_path / "nowhere" / "model")


@pytest.mark.parametrize("key", ["sha256", "name"])
def test_manifest_without_a_key(copy: Copy, key: str) -> None:
    # A manifest that lacks what the model needs is refused.
    refused(copy.write(**{key: None}))


@pytest.mark.parametrize("shift", [1e-5, 0.001, -0.5])
def test_check_blocks_that_differ(copy: Copy, shift: float) -> None:
    # A stored probability that this machine does not reach refuses the model.
    copy.manifest["check"][-1]["probabilities"][-1][0] += shift
    message = refused(copy.write())
    assert "stored blocks differently" in message
    assert "numpy" in message


def test_check_blocks_within_tolerance(copy: Copy) -> None:
    # The last digits of a float refuse nothing.
    copy.manifest["check"][0]["probabilities"][0][0] += 5e-7
    assert load_model(copy.write()).name == copy.manifest["name"]


def test_changed_weights_are_noticed(copy: Copy) -> None:
    # Weights that were changed, digest and all, show in the stored blocks.
    assert "stored blocks differently" in refused(copy.write_arrays(lambda arrays: arrays.update(tree_base=arrays["tree_base"] + 1)))


@pytest.mark.parametrize(
    "check",
    [
        [{"text": "x"}],
        [3],
        "x",
        {"a": 1},
        [{"text": "x", "blocks": [], "html": False}],
        [{"text": "x", "blocks": [{"start": 0}], "html": False, "probabilities": [[0.5]]}],
    ],
    ids=["no blocks", "a number", "a string", "an object", "no probabilities", "half a block"],
)
def test_check_blocks_that_are_none(copy: Copy, check: object) -> None:
    # Stored blocks that cannot be read are a damaged manifest, not a crash.
    refused(copy.write(check=check))


def test_check_blocks_of_other_shape(copy: Copy) -> None:
    # A row too few is a difference.
    copy.manifest["check"][0]["probabilities"].pop()
    assert "stored blocks differently" in refused(copy.write())


ARRAY_NAMES = [
    "fold", "kind", "text_weights", "text_scale", "text_bias", "markup_weights", "markup_scale", "markup_bias",
    *(f"{forest}_{part}" for forest in ("context", "tree", "cut", "kind") for part in ("feature", "threshold", "leaf", "label", "base")), "facts",
]  # fmt: skip


def test_array_names(copy: Copy) -> None:
    # The list that the next tests go through is the model's own.
    assert sorted(copy.arrays()) == sorted(ARRAY_NAMES)


@pytest.mark.parametrize("name", ARRAY_NAMES)
def test_array_missing(copy: Copy, name: str) -> None:
    # A model without one of its arrays is refused by the array's name.
    assert name in refused(copy.write_arrays(lambda arrays: arrays.pop(name)))


@pytest.mark.parametrize("name", ARRAY_NAMES)
def test_array_too_short(copy: Copy, name: str) -> None:
    # An array of half its length does not fit the others.
    refused(copy.write_arrays(lambda arrays: arrays.update({name: arrays[name][: len(arrays[name]) // 2]})))


@pytest.mark.parametrize("name", ARRAY_NAMES)
def test_array_of_text(copy: Copy, name: str) -> None:
    # Words are no weights.
    refused(copy.write_arrays(lambda arrays: arrays.update({name: np.full(arrays[name].shape, "x")})))


@pytest.mark.parametrize(("name", "value"), [("tree_feature", 30_000), ("tree_feature", -1), ("tree_label", 99), ("tree_label", -1)])
def test_index_out_of_range(copy: Copy, name: str, value: int) -> None:
    # A tree that asks for a feature or a label that there is not is refused before it is walked.
    def change(arrays: Arrays) -> None:
        arrays[name].flat[-1] = value

    refused(copy.write_arrays(change))


def _pages() -> list[Page]:
    rows = [
        *json.loads((FOLDER / "segment.json").read_text(encoding="utf-8")),
        *json.loads((FOLDER / "repair.json").read_text(encoding="utf-8")),
    ]
    pages = [segment(row["text"]) for row in rows]
    pages += [extract(row["html"]) for row in json.loads((FOLDER / "extract.json").read_text(encoding="utf-8"))]
    pages += [
        segment("\n\n".join(row["text"] for row in rows)),
        extract("".join(f"<p class='icerik'>{row['text']}</p><a href='/'>Spor</a>" for row in rows)),
    ]
    return [*pages, *stored_pages(load_model().manifest["check"])[0]]


def test_batches_change_nothing() -> None:
    # Pages scored one by one, all together, in sevens and backwards have the same bits.
    model, pages = load_model(), _pages()
    alone = [model.predict([page])[0].tobytes() for page in pages]
    together = [scores.tobytes() for scores in model.predict(pages)]
    sevens = [scores.tobytes() for start in range(0, len(pages), 7) for scores in model.predict(pages[start : start + 7])]
    backwards = [scores.tobytes() for scores in model.predict(pages[::-1])][::-1]
    assert alone == together == sevens == backwards
    assert sum(map(len, alone)) > 0


def test_scores_are_probabilities() -> None:
    # One row a block, one column a label, each from 0 to 1 with four decimals; a page without blocks has no rows.
    model, pages = load_model(), _pages()
    for page, scores in zip(pages, model.predict(pages), strict=True):
        assert scores.shape == (len(page.blocks), len(model.labels))
        assert ((scores >= 0) & (scores <= 1)).all()
        assert (scores == np.round(scores, 4)).all()


def test_no_pages() -> None:
    # Nothing to score is nothing, and empty pages in a batch shift nobody else's rows.
    model = load_model()
    page, empty = segment("Köprü bugün törenle trafiğe açıldı."), Page("", (), html=False)
    assert model.predict([]) == []
    assert [len(scores) for scores in model.predict([empty, page, empty])] == [0, 1, 0]
    assert (model.predict([empty, page, empty])[1] == model.predict([page])[0]).all()


def test_loading_imports_neither_scikit_learn_nor_trafilatura() -> None:
    # Loading the model and scoring with it waits for no import that it does not need.
    code = (
        "import sys; from newsfilter.model_file import load_model; from newsfilter.segment import segment\n"
        "load_model().predict([segment('Köprü bugün törenle açıldı.')])\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'sklearn', 'scipy', 'trafilatura', 'lxml', 'joblib', 'langdetect', 'pandas'}))"
    )
    environment = {**os.environ, "PYTHONPATH": str(SOURCE_ROOT), "PYTHONIOENCODING": "utf-8", "OMP_NUM_THREADS": "1"}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
