"""Thresholds from what corrections cost: pre-labels that cost more to correct than to draw are not shown."""

from dataclasses import replace

import numpy as np

from datasets.ledger import Ledger
from datasets.ledger.report.break_even import class_thresholds
from datasets.ledger.report.costs import costs_of
from datasets.ledger.report.material import read_material
from training.bundle import Bundle

_SEED = 0


def with_break_even(bundle: Bundle, ledger: Ledger) -> Bundle:
    """The bundle with the break-even scores of its own version as thresholds, for classes that have one."""
    rng = np.random.default_rng(_SEED)
    material = read_material(ledger)
    costs, _ = costs_of(material.timed_jobs, {}, rng)
    found = class_thresholds(material.counted, costs, bundle.name, rng)
    wanted = {name: at for name, at in found.items() if name in bundle.spec.class_names}
    thresholds = {**bundle.spec.thresholds, **wanted}
    return replace(bundle, spec=bundle.spec.model_copy(update={"thresholds": thresholds}))
