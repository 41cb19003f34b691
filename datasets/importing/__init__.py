"""Foreign datasets: found out, read as they are meant, and made ours; or told in one sentence what to mend.

What is handed on here is imported when it is asked for: a project file needs none of the readers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets.importing.foreign import FORMATS, ImportSettings
    from datasets.importing.importer import Imported, import_dataset
    from datasets.importing.truth import TruthFolder, TruthImage, TruthSettings, read_truth

__all__ = [
    "FORMATS",
    "ImportSettings",
    "Imported",
    "TruthFolder",
    "TruthImage",
    "TruthSettings",
    "import_dataset",
    "read_truth",
]
_MODULES = {
    "foreign": ("FORMATS", "ImportSettings"),
    "importer": ("Imported", "import_dataset"),
    "truth": ("TruthFolder", "TruthImage", "TruthSettings", "read_truth"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
