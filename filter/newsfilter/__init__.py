"""newsfilter: a content-quality filter for scraped news.

>>> import newsfilter
>>> article = newsfilter.clean(
...     "<h1>Köprü açıldı</h1><p>Üç yılda tamamlanan köprü bugün törenle trafiğe açıldı, ilk gün on bin araç geçti.</p><p>Yorum yap</p>"
... )
>>> article.title
'Köprü açıldı'
>>> article.body
'Üç yılda tamamlanan köprü bugün törenle trafiğe açıldı, ilk gün on bin araç geçti.'
"""

import os
import sys

# `python -m newsfilter` puts the working folder in front of all other places for modules, and there may stand what is to be checked, a numpy.py
# among it. (While Python looks for what -m names, argv begins with "-m".) What Python itself imports before this, only `python -P -m` keeps safe.
if sys.argv[:1] == ["-m"] and not sys.flags.safe_path and not os.path.samefile(sys.path[0] or ".", f"{__path__[0]}/.."):  # noqa: PTH121 - pathlib would be looked for there
    del sys.path[0]

from typing import TYPE_CHECKING, Any

from newsfilter.errors import InputError, ModelError, NewsfilterError, OutputError, RecordError, SettingsError
from newsfilter.records import LABELS, Article, Block, Decision, Edit, Language, Page, Reason, Source, Verdict
from newsfilter.settings import Settings

if TYPE_CHECKING:
    from newsfilter.classifier import Model
    from newsfilter.document import Cleaner, clean, clean_many
    from newsfilter.model_file import load_model
    from newsfilter.provenance import restore

__version__ = "0.1.0"

__all__ = [
    "LABELS",
    "Article",
    "Block",
    "Cleaner",
    "Decision",
    "Edit",
    "InputError",
    "Language",
    "Model",
    "ModelError",
    "NewsfilterError",
    "OutputError",
    "Page",
    "Reason",
    "RecordError",
    "Settings",
    "SettingsError",
    "Source",
    "Verdict",
    "__version__",
    "clean",
    "clean_many",
    "load_model",
    "restore",
]

# These load NumPy, lxml and trafilatura; they are imported when they are first used.
_LAZY = {
    "Cleaner": "newsfilter.document",
    "clean": "newsfilter.document",
    "clean_many": "newsfilter.document",
    "Model": "newsfilter.classifier",
    "load_model": "newsfilter.model_file",
    "restore": "newsfilter.provenance",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'newsfilter' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - as lazy as what it imports

    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value  # so that `newsfilter.clean` is the function, not the module of that name
    return value
