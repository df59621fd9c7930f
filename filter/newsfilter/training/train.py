"""``newsfilter train``: a user's labels into a model folder, from scratch or on top of a model that is there."""

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from newsfilter.classifier import Model
from newsfilter.errors import InputError, ModelError, OutputError
from newsfilter.model_file import MANIFEST_FILE, MODEL_FILE, load_model
from newsfilter.normal_form import build_tables
from newsfilter.records import KINDS, LABELS
from newsfilter.training.card import CARD_FILE, card_text
from newsfilter.training.corpus import Example, as_text
from newsfilter.training.correct import correct
from newsfilter.training.evaluation import evaluate
from newsfilter.training.fit import Hyperparameters, fit
from newsfilter.training.glue import glued_pages
from newsfilter.training.labels import LabelledDocument, check_classes, duplicates, read_labelled, read_training, split_of
from newsfilter.training.save import save_model
from newsfilter.training.scorecard import evaluation_text

MIN_ON_TOP, MIN_FROM_SCRATCH = 8, 20  # blocks that a label needs, outside the validation part
FEW_SITES = 12  # with fewer, documents are parted instead of sites when a stage is scored by what has not seen it
CHECK_PAGES = 4

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrainOrder:
    """What ``newsfilter train`` is told to do."""

    labels: tuple[Path, ...]
    out: Path
    base: str | None = None  # "shipped", the folder of a model, or None: from scratch
    mapping: Mapping[str, str] | None = None  # label in the files -> label to take it for
    name: str | None = None
    seed: int = 1
    overwrite: bool = False


def train(order: TrainOrder, say: Say) -> str:
    """Fit a model on labels, and write its folder: model, manifest, card.

    Returns
    -------
    str
        The table of the card, and where the model lies.

    Raises
    ------
    LabelsError
        With everything that is wrong with the labels.
    ModelError
        When the base cannot be loaded, or has been corrected already.
    OutputError
        When the output folder is in the way.
    """
    _check_out(order)
    documents = read_training(order.labels, order.mapping)
    base = _base_model(order.base)
    labels = _labels_of(documents, base)
    check_classes(documents, base.labels if base is not None else (), MIN_ON_TOP if base is not None else MIN_FROM_SCRATCH)
    own = [document for document in documents if not split_of(document)]
    held_out = [document for document in documents if split_of(document)]
    say(
        f"{len(documents):,} documents and rows, {len(own):,} to learn from, {len(held_out):,} held out; {duplicates(documents):,} say what another says"
    )
    if not own or (base is None and not held_out):
        side = "held out" if not own else "learned from"
        raise InputError(f"all labels would be {side}: their sites are all on that side of the split; add labels of other sites")
    order.out.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{order.out.name}.", dir=order.out.parent))
    try:
        name = order.name or order.out.name
        if base is None:
            model = _from_scratch((scratch, name), own, labels, order.seed, say)
            compared, replayed = None, []
        else:
            replay = list(read_labelled(replay_folder()))
            replayed = [document for document in replay if split_of(document)]
            model = correct((scratch, name), base, own, [document for document in replay if not split_of(document)], order.seed, say)
            compared = base
        say("measuring on what was held out")
        evaluation = evaluate([*held_out, *replayed], model, compared, seed=order.seed)
        table = evaluation_text(evaluation, model.name, None if compared is None else compared.name, str)
        card = card_text(model, own, held_out, replayed, table)
        (scratch / CARD_FILE).write_text(card, encoding="utf-8")
        _move(scratch, order.out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        load_model.cache_clear()  # what was loaded from the scratch folder lies elsewhere now
    short = "\n\n".join(part for part in table.split("\n\n") if not part.startswith("mistaken") and "would be removed" not in part)
    return (
        f"{short}\n\nmodel: {order.out} (sha256 {model.sha256[:16]}…); what it mistakes for what is in its {CARD_FILE}\n"
        f"use it with: newsfilter clean --model {order.out}"
    )


def replay_folder() -> Path:
    """Where the project's labelled documents lie, which a correction is trained beside: in the installed package, or in the checkout."""
    inside = Path(__file__).parents[1] / "_labelled"
    folder = inside if inside.is_dir() else Path(__file__).parents[3] / "fixtures" / "labelled"
    if not folder.is_dir():
        raise InputError(f"{folder}: the labelled documents that come with newsfilter are missing; install newsfilter again")
    return folder


def _check_out(order: TrainOrder) -> None:
    out = order.out
    if not out.exists() and not out.is_symlink():
        return
    if not out.is_dir():
        raise OutputError(f"{out}: is a file; give -o a folder that does not exist yet")
    names = {path.name for path in out.iterdir()}
    if names and not order.overwrite:
        raise OutputError(f"{out}: is not empty; give another folder, or --overwrite to replace the model in it")
    if foreign := sorted(names - {MODEL_FILE, MANIFEST_FILE, CARD_FILE}):
        raise OutputError(f"{out}: holds {foreign[0]}, which is no part of a model; give another folder")


def _move(scratch: Path, out: Path) -> None:
    out.mkdir(exist_ok=True)
    for name in (MODEL_FILE, CARD_FILE, MANIFEST_FILE):  # the manifest last: without it there is no model
        (scratch / name).replace(out / name)


def _base_model(base: str | None) -> Model | None:
    if base is None:
        return None
    path = Path(base)
    if base != "shipped" and not path.exists():
        raise ModelError(f"{path}: does not exist; give --base the folder of a model, or: --base shipped")
    model = load_model(None if base == "shipped" else path)
    if model.correction is not None:
        raise ModelError(f"{path}: was itself trained on top of another model; train on top of that one, with all labels together")
    return model


def _labels_of(documents: Sequence[LabelledDocument], base: Model | None) -> tuple[str, ...]:
    used = Counter(label for document in documents for _, label in document.blocks if label)
    own = sorted(label for label in used if label not in LABELS)
    if base is None and not used["body"]:
        raise InputError("the labels hold no body, without which no model can be made; label articles too, or train on top: --base shipped")
    return (*LABELS, *own)


def _from_scratch(target: tuple[Path, str], documents: Sequence[LabelledDocument], labels: tuple[str, ...], seed: int, say: Say) -> Model:
    """Fit all stages on labelled documents alone, as plain text: such a model knows no markup."""
    few = len({document.site or document.id for document in documents}) < FEW_SITES
    examples = []
    for number, document in enumerate(documents):
        page, known = as_text(document.blocks, "\n\n")
        site = f"{number}" if few or not document.site else document.site
        examples.append(Example(page, known, site, "labelled", document.lang, kind=document.kind if document.kind in KINDS else ""))
    settings = replace(Hyperparameters(), text_alpha=1e-5)
    spans = [document for document in documents if document.spans]
    glued = list(glued_pages([], spans, None, random.Random(seed))) if spans else []  # noqa: S311 - draws, guards nothing
    fitted = fit(examples, glued, build_tables(), settings, say, labels)
    # A few documents of each kind, if any, are not enough to send others to review by.
    fitted = replace(fitted, thresholds={f"kind:{kind}": 0.0 if kind == "article" else 1.0 for kind in KINDS})
    about = {
        "hyperparameters": asdict(settings),
        "training": {"documents": len(documents)},
        "labelled_blocks": sum(len(document.blocks) for document in documents),
    }
    return save_model(*target, fitted, build_tables(), about, [example.page for example in examples[:CHECK_PAGES]])
