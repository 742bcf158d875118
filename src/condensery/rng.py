"""Named random streams: a seed and a path give a generator, and there is no other state.

``stream(seed, "augment", outer, inner)`` hashes the path. A resumed run therefore needs no
generator state, and the draws of one part do not depend on the draws of another. The generator is
always on the CPU, so that a run on another device draws the same numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial

import torch


def _hash(seed: int, path: tuple[str | int, ...]) -> int:
    text = "/".join([str(seed), *(str(part) for part in path)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def stream(seed: int, *path: str | int) -> torch.Generator:
    """Return a fresh CPU generator that depends only on ``seed`` and ``path``."""
    return torch.Generator().manual_seed(_hash(seed, path))


def branches(rng: torch.Generator) -> Callable[..., torch.Generator]:
    """Streams by path, ``branches(rng)(class_)``, that depend only on ``rng`` and the path.

    The draws of a class then do not depend on which other classes are drawn, or in which order.
    One number is drawn from ``rng``.
    """
    return partial(stream, int(torch.randint(2**62, (), generator=rng)))


@contextmanager
def global_stream(seed: int, *path: str | int) -> Generator[None, None, None]:
    """Inside the block, the global CPU generator of torch follows ``stream(seed, *path)``.

    For code that draws from the global state, such as the constructor of a user's ``nn.Module``.
    The state is restored afterwards.
    """
    before = torch.random.get_rng_state()
    try:
        torch.random.set_rng_state(stream(seed, *path).get_state())
        yield
    finally:
        torch.random.set_rng_state(before)
