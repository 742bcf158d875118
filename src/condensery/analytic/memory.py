"""Freed memory that is kept for whoever asks next.

Knows nothing about what the memory is for.
"""

from __future__ import annotations

from functools import cache

import torch

__all__ = ["keep_freed"]


@cache
def keep_freed() -> None:
    """Let glibc keep up to 64 MB of freed memory for whoever asks next.

    Otherwise it hands feature maps back to the system as soon as they are freed, and each of their
    pages faults anew at the next use: a fifth of the time. glibc learns from what is freed (the
    largest mapped block, up to 32 MB) what to keep (twice that), so it is shown one such block,
    which nothing ever touches. No effect with other allocators.
    """
    torch.empty(2**25 - 2**16, dtype=torch.uint8)
