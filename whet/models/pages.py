"""Memory that a step gives back stays with the process, for the next step takes as much again.

glibc returns every large tensor to the system when it is freed, and the system then hands it out zeroed, page by page,
as it is touched: a tenth of a training step on a processor (docs/log.md).
"""

import ctypes
import os
import sys

TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4  # mallopt(3)
GLIBC = sys.platform == "linux" and "CS_GNU_LIBC_VERSION" in os.confstr_names


def keep() -> None:
    """Take large tensors from the heap, and leave the heap as large as it was; where there is a glibc."""
    if GLIBC:
        library = ctypes.CDLL(None)
        library.mallopt(MMAP_MAX, 0)
        library.mallopt(TRIM_THRESHOLD, -1)  # never
        library.mallopt(TOP_PAD, 64 << 20)


def give_back() -> None:
    """Return to the system what is free now."""
    if GLIBC:
        ctypes.CDLL(None).malloc_trim(0)
