"""A user's own labels become a model: the walk of docs/retraining.md, and what stands in its way."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from newsfilter import clean
from newsfilter.errors import InputError, ModelError, OutputError
from newsfilter.model_file import MANIFEST_FILE, MODEL_FILE, load_model
from newsfilter.training.card import CARD_FILE
from newsfilter.training.corpus import as_text
from newsfilter.training.labels import LabelsError, read_labelled
from newsfilter.training.train import TrainOrder, train

FIXTURES = Path(__file__).parents[1] / "fixtures"
TOWNS = ("Esenyurt", "Pendik", "Bodrum", "Konak", "Osmangazi", "Ümraniye", "Çankaya", "Nilüfer")
SERVICES = (
    "{} evden eve nakliyat fiyatları",
    "{} asansörlü nakliyat",
    "ucuz nakliyat {} ofis taşıma",
    "{} nakliyat firmaları 2024",
    "{} evden eve taşımacılık",
)
ROWS = [service.format(town) for service in SERVICES for town in TOWNS]
UNSEEN = ("Karşıyaka evden eve nakliyat", "Mamak asansörlü nakliyat fiyatları", "Seyhan nakliyat firmaları ve ofis taşıma")
ARTICLE = (
    "Belediye meclisi, yeni su tarifesini oy çokluğuyla kabul etti. Tarife ocak ayında yürürlüğe girecek.",
    "Muhalefet üyeleri, artışın emeklileri zorlayacağını belirterek tarifeye karşı oy kullandı.",
    "Nakliyat firmaları, artan akaryakıt fiyatları yüzünden zam yapmak zorunda kaldıklarını söyledi.",
)


def write_rows(path: Path, label: str) -> Path:
    path.write_text(
        "".join(json.dumps({"text": text, "label": label, "lang": "tr"}, ensure_ascii=False) + "\n" for text in ROWS), encoding="utf-8"
    )
    return path


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Forty rows of a kind of spam that the shipped model has no label for, on top of it.
    folder = tmp_path_factory.mktemp("walk")
    said: list[str] = []
    text = train(TrainOrder((write_rows(folder / "moving.jsonl", "spam-moving"),), folder / "model", base="shipped"), said.append)
    assert "spam-moving" in text
    assert said
    return folder / "model"


def test_a_new_kind_of_spam_is_gone(moving: Path) -> None:
    model = load_model(moving)
    assert "spam-moving" in model.labels
    article = clean("\n\n".join([*ARTICLE, *UNSEEN]), model=model)
    for line in UNSEEN:
        assert line not in article.body
    for line in ARTICLE:
        assert line in article.body
    removed = {entry["text"].strip(): entry for entry in article.record["blocks"] if not entry["kept"]}
    assert all(removed[line]["label"] == "spam-moving" for line in UNSEEN)
    assert all(removed[line]["evidence"] for line in UNSEEN)
    assert article.record["model"] == {"name": "model", "sha256": model.sha256}


def test_nothing_else_is_worse(moving: Path) -> None:
    # Blocks that have nothing to do with the new kind keep their probabilities, to the last digit that a record shows.
    taught, shipped = load_model(moving), load_model()
    changed = blocks = 0
    for document in list(read_labelled(FIXTURES / "held-out"))[::4]:
        page, _ = as_text(document.blocks, "\n\n")
        here, there = taught.predict([page])[0], shipped.predict([page])[0]
        changed += int((here[:, : there.shape[1]].argmax(axis=1) != there.argmax(axis=1)).sum())
        blocks += len(there)
    assert changed <= blocks // 200


def test_the_card_says_what_was_done(moving: Path) -> None:
    card = (moving / CARD_FILE).read_text(encoding="utf-8")
    model = load_model(moving)
    assert model.sha256 in card
    assert load_model().sha256 in card
    assert "| spam-moving |" in card


def test_the_same_labels_give_the_same_bytes(moving: Path, tmp_path: Path) -> None:
    train(TrainOrder((write_rows(tmp_path / "moving.jsonl", "spam-moving"),), tmp_path / "model", base="shipped"), lambda _: None)
    assert (tmp_path / "model" / MODEL_FILE).read_bytes() == (moving / MODEL_FILE).read_bytes()


def test_a_label_can_be_taken_for_another(tmp_path: Path) -> None:
    order = TrainOrder((write_rows(tmp_path / "rows.jsonl", "spam"),), tmp_path / "model", base="shipped", mapping={"spam": "spam-other"})
    train(order, lambda _: None)
    model = load_model(tmp_path / "model")
    assert model.labels == load_model().labels
    page, _ = as_text([(text, "") for text in (*ARTICLE, *UNSEEN)], "\n\n")
    rows = model.predict([page])[0]
    assert [model.labels[best] for best in rows[-3:].argmax(axis=1)] == ["spam-other"] * 3


def test_from_scratch(tmp_path: Path) -> None:
    # A model of a few labelled documents alone: small, but of the same form.
    lines = [
        line for name in ("tr-a", "tr-b") for line in (FIXTURES / "labelled" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    (tmp_path / "labels.jsonl").write_text("\n".join(lines[:70]), encoding="utf-8")
    text = train(TrainOrder((tmp_path / "labels.jsonl",), tmp_path / "own"), lambda _: None)
    model = load_model(tmp_path / "own")
    assert "body" in text
    assert model.correction is None
    assert clean("\n\n".join(ARTICLE), model=model).body


def spoil_bytes(folder: Path) -> None:
    raw = bytearray((folder / MODEL_FILE).read_bytes())
    raw[len(raw) // 2] ^= 1
    (folder / MODEL_FILE).write_bytes(raw)


def spoil_half(folder: Path) -> None:
    raw = (folder / MODEL_FILE).read_bytes()
    (folder / MODEL_FILE).write_bytes(raw[: len(raw) // 2])


def spoil_version(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    (folder / MANIFEST_FILE).write_text(json.dumps({**manifest, "format": 99}), encoding="utf-8")


@pytest.mark.parametrize("spoil", [spoil_bytes, spoil_half, spoil_version])
def test_a_spoiled_base_is_refused(moving: Path, tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    base = tmp_path / "base"
    base.mkdir()
    for name in (MODEL_FILE, MANIFEST_FILE):
        (base / name).write_bytes((moving / name).read_bytes())
    spoil(base)
    with pytest.raises(ModelError):
        train(TrainOrder((write_rows(tmp_path / "rows.jsonl", "spam-moving"),), tmp_path / "out", base=str(base)), lambda _: None)
    assert not (tmp_path / "out").exists()


def test_a_corrected_model_is_no_base(moving: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="on top of that one"):
        train(TrainOrder((write_rows(tmp_path / "rows.jsonl", "spam-moving"),), tmp_path / "out", base=str(moving)), lambda _: None)


def test_too_few_rows_are_named_and_nothing_is_written(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "ucuz halı yıkama", "label": "spam-carpet"}\n', encoding="utf-8")
    with pytest.raises(LabelsError, match=r"rows\.jsonl:1: 'spam-carpet'"):
        train(TrainOrder((rows,), tmp_path / "out", base="shipped"), lambda _: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.jsonl"]


def test_without_body_there_is_no_model_from_scratch(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--base shipped"):
        train(TrainOrder((write_rows(tmp_path / "rows.jsonl", "spam-moving"),), tmp_path / "out"), lambda _: None)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_foreign_folder_is_left_alone(tmp_path: Path, overwrite: bool) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.docx").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError):
        train(TrainOrder((write_rows(tmp_path / "rows.jsonl", "spam-moving"),), out, base="shipped", overwrite=overwrite), lambda _: None)
    assert (out / "thesis.docx").read_text(encoding="utf-8") == "mine"


def test_a_model_is_loaded_whole(moving: Path) -> None:
    # The numbers of the stored blocks are checked at each load, the correction's too.
    model = load_model(moving)
    assert model.correction is not None
    assert np.abs(model.correction.mix).max() > 0
