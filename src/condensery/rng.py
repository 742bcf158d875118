"""Named random streams: a seed and a path give a generator, without any state in between.

``stream(seed, "augment", outer, inner)`` hashes the path, so resuming needs no generator
state, and nobody's draws depend on who else drew. Always a CPU generator: a run on another
device sees the same numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from contextlib import contextmanager

import torch

__all__ = ["global_stream", "stream"]


def _hash(seed: int, path: tuple[str | int, ...]) -> int:
    text = "/".join([str(seed), *(str(part) for part in path)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def stream(seed: int, *path: str | int) -> torch.Generator:
    """Return a fresh CPU generator that depends only on ``seed`` and ``path``."""
    return torch.Generator().manual_seed(_hash(seed, path))


@contextmanager
def global_stream(seed: int, *path: str | int) -> Generator[None, None, None]:
    """Let torch's global CPU generator follow ``stream(seed, *path)`` inside the block only.

    For code that is not ours and draws from the global state, such as the constructor of a
    user's ``nn.Module``; the state is put back afterwards.
    """
    before = torch.random.get_rng_state()
    try:
        torch.random.set_rng_state(stream(seed, *path).get_state())
        yield
    finally:
        torch.random.set_rng_state(before)
