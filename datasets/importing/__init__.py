"""Foreign datasets: found out, read as they are meant, and made ours; or told in one sentence what to mend."""

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
