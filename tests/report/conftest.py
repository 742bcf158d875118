"""A small condensed file, and what a run records."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from condensery.condensed.artifact import CondensedSet

CLASSES = ["cat", "<script>alert(1)</script>", "dog & 'co'"]
COUNTS = [4, 4, 2]  # the last class ends at rank 1


def arrays(channels: int = 3, side: int = 8) -> dict[str, np.ndarray]:
    """Rows sorted by rank, then class; every pixel of a row differs from every other row's."""
    places = sorted((rank, label) for label, count in enumerate(COUNTS) for rank in range(count))
    images = np.random.default_rng(0).integers(
        0, 256, (len(places), channels, side, side), dtype=np.uint8
    )
    rank, labels = np.array(places).T
    return {"images": images, "labels": labels.astype(np.int64), "rank": rank.astype(np.int32)}


def manifest(tensors: dict[str, np.ndarray] | None = None, **changes: Any) -> dict[str, Any]:
    """The manifest of a file with these tensors."""
    tensors = arrays() if tensors is None else tensors
    images, rank = tensors["images"], tensors["rank"]
    rows = [int((rank <= each).sum()) for each in range(int(rank.max()) + 1)]
    row_bytes = images[0].nbytes + 12
    facts = {
        "format": 1,
        "library_version": "0.1.0",
        "name": "pets & co <b>",
        "class_names": CLASSES,
        "sizes": len(rows),
        "rows": rows,
        "decode": {"kind": "pixels"},
        "mean": [0.5] * images.shape[1],
        "std": [0.25] * images.shape[1],
        "zca": None,
        "learned_lr": None,
        "method": "mdc",
        "recipe": {"iterations": 7, "note": "</pre><script>"},
        "seed": 5,
        "data": {"name": "pets", "fingerprint": "abc123", "images": 1000, "classes": 3},
        "observations": [],
        "bytes": [count * row_bytes for count in rows],
        "created": "2025-01-02T03:04:05Z",
    }
    return facts | changes


def write(path: Path, tensors: dict[str, np.ndarray], facts: dict[str, Any]) -> Path:
    save_file(tensors, path, metadata={"condensery": json.dumps(facts)})
    return path


def loaded(tensors: dict[str, np.ndarray], **changes: Any) -> CondensedSet:
    """A set with these tensors that is in no file."""
    own = {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}
    return CondensedSet(
        stored={"images": own["images"]},
        labels=own["labels"],
        rank=own["rank"],
        manifest=manifest(tensors, **changes),
    )


@pytest.fixture
def pets() -> SimpleNamespace:
    """The functions that make parts of a file."""
    return SimpleNamespace(
        classes=CLASSES,
        arrays=arrays,
        manifest=manifest,
        write=write,
        loaded=loaded,
        observation=observation,
    )


@pytest.fixture
def condensed(tmp_path: Path) -> Path:
    return write(tmp_path / "condensed.safetensors", arrays(), manifest())


def observation(**changes: Any) -> dict[str, Any]:
    facts = {
        "set": "condensed",
        "size": 1,
        "network": "convnet3",
        "seed": 0,
        "protocol": "idc",
        "epochs": None,
        "steps": 700,
        "precision": "fp32",
        "accuracy": 0.5,
        "seconds": 2.0,
        "images": 3,
    }
    return facts | changes


@pytest.fixture
def observations() -> list[dict[str, Any]]:
    accuracies = {
        ("condensed", 1): 0.5,
        ("random", 1): 0.3,
        ("condensed", 4): 0.7,
        ("random", 4): 0.6,
    }
    return [
        observation(set=set_, size=size, seed=seed, accuracy=mean + 0.02 * (seed - 1))
        for (set_, size), mean in accuracies.items()
        for seed in range(3)
    ]


@pytest.fixture
def metrics() -> list[dict[str, Any]]:
    chosen = [None, [2], [2], [3], ["1-3"]]
    frozen = [[0, 0], [0, 0], [0, 0], [2, 2], [0, 2]]
    return [
        {
            "outer": outer,
            "inner": inner,
            "loss": 4.0 - outer,
            "losses": {"4": 2.0, "2": 2.0 - outer},
            "subset": chosen[outer],
            "frozen": frozen[outer],
            "seconds": 1.0,
            "time": "2025-01-02T03:04:05Z",
        }
        for outer in range(5)
        for inner in range(2)
    ]


@pytest.fixture
def proxy() -> list[dict[str, Any]]:
    return [
        {"outer": 1, "beyond": 0, "end": False, "mean": 0.9, "relative": [0.5, 0.8, 1.1, 1.4]},
        {"outer": 4, "beyond": 1, "end": True, "mean": 0.432, "relative": [0.2, 0.4, 0.6, 0.8]},
    ]


@pytest.fixture
def run_facts() -> dict[str, Any]:
    return {
        "recipe": {"iterations": 5},
        "versions": {"condensery": "0.1.0", "torch": "2.6.0"},
        "machine": "Linux <x86>",
        "seconds": 4215.0,
        "peak_memory_mb": 1384.2,
        "data": {"name": "pets", "fingerprint": "abc123", "images": 1000, "classes": 3},
    }
