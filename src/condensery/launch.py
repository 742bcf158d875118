"""Which process of how many this is, as ``torchrun`` says it in the environment.

Imports only the standard library, because the command line asks before torch is imported.
"""

from __future__ import annotations

import os


def process_count() -> int:
    """Number of processes that ``torchrun`` started together with this one; otherwise 1."""
    return int(os.environ["WORLD_SIZE"]) if _launched() else 1


def process_index() -> int:
    """Index of this process among them, from 0."""
    return int(os.environ["RANK"]) if _launched() else 0


def _launched() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ
