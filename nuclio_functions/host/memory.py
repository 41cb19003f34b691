"""Let glibc give big blocks back to the system at once. Sizes are in bytes.

Left alone it raises, with every big block that is freed, the size from which on it asks the system for one of its own,
to 32 MiB: then a few large bodies keep a process large for good.
Source: https://man7.org/linux/man-pages/man3/mallopt.3.html, M_MMAP_THRESHOLD.
"""

import ctypes

BLOCK_BYTES = 8 * 2**20
"""Above what a request of an ordinary photograph needs, whose blocks are better kept."""
MALLOC_VARIABLE = "MALLOC_MMAP_THRESHOLD_"
"""Says the same to a process that is started."""
_M_MMAP_THRESHOLD = -3


def give_back_big_blocks() -> None:
    """In this process, from now on; nothing happens where the C library is another."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, BLOCK_BYTES)
