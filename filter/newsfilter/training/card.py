"""The card of a model that a user trained: everything in it comes from the fitted model and its labels."""

from collections import Counter
from collections.abc import Sequence

from newsfilter.classifier import Model
from newsfilter.training.labels import LabelledDocument

CARD_FILE = "CARD.md"


def card_text(
    model: Model,
    own: Sequence[LabelledDocument],
    held_out: Sequence[LabelledDocument],
    replayed: Sequence[LabelledDocument],
    table: str,
) -> str:
    """Write a model's card.

    Parameters
    ----------
    own, held_out
        The user's documents that were learned from, and those that were not.
    replayed
        The project's own documents that the model was measured on as well.
    table
        What ``newsfilter evaluate`` says of `held_out` and `replayed`.
    """
    base = model.manifest.get("base")
    origin = "from scratch" if base is None else f"on top of {base['name']} (sha256 {base['sha256']})"
    lines = [
        f"# {model.name}",
        "",
        f"Trained {origin} with `newsfilter train`.",
        f"The model file's sha256 is {model.sha256}.",
        "",
        "## Data",
        "",
        "| label | blocks learned from | held out |",
        "|---|---|---|",
    ]
    learned, kept = (Counter(label for document in part for _, label in document.blocks if label) for part in (own, held_out))
    lines += [f"| {label} | {learned[label]:,} | {kept[label]:,} |" for label in model.labels if learned[label] or kept[label]]
    lines += [
        "",
        f"{len(own):,} documents and rows were learned from, {len(held_out):,} held out, parted by site; a row without a site goes by its text.",
    ]
    if base is not None:
        lines.append(
            f"The project's labelled documents were replayed in training; {len(replayed):,} of them, held out there too, are measured below."
        )
    lines += [
        "",
        "## Thresholds",
        "",
        "A kind of spam is believed from this probability on; below it, a block gets its likeliest other label.",
        "",
        "| label | probability |",
        "|---|---|",
        *(f"| {label} | {model.threshold(label):.2f} |" for label in model.labels if label.startswith("spam-")),
        "",
        "## What it gets right and wrong",
        "",
        "```",
        table,
        "```",
        "",
        "## Made with",
        "",
        ", ".join(f"{package} {version}" for package, version in sorted(model.manifest["software"].items())),
        "",
    ]
    return "\n".join(lines)
