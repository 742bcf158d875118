"""Names that arguments may take, known without importing torch so that mistakes answer at once.

A test holds them to the tables they stand for.
"""

from __future__ import annotations

__all__ = ["METHODS", "PRECISIONS", "PRESETS", "PROTOCOLS", "SIZES"]

METHODS = ("mdc", "idc")
PRESETS = ("smoke", "quick", "standard", "paper")
SIZES = ("one", "most-learnable", "all", "random")
PROTOCOLS = ("idc", "dc", "dsa", "mtt")
PRECISIONS = ("fp32", "bf16")
