"""Weights: where they come from, how they load, train, are kept and handed on. Torch starts here."""

import os

# On Linux, torch then asks for pages of 2 MiB instead of 4 KiB for large tensors. Their memory is given back and taken
# again in every step, and touching it page by page cost an eighth of the step (docs/log.md). Read at the first tensor.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
