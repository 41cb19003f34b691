"""What reviewers see in FiftyOne, and what they decide there."""

from datasets.curating.connecting import open_fiftyone
from datasets.curating.review import Review
from datasets.curating.syncing import Synced, sync
from datasets.curating.told import failed_probes, shown_fates

__all__ = ["Review", "Synced", "failed_probes", "open_fiftyone", "shown_fates", "sync"]
