"""Golden vectors: inputs and outputs of the released codes, kept as data beside the project."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from condensery import networks


@dataclass(frozen=True)
class Golden:
    """One topic's file: floating tensors in float64, integers as they are."""

    tensors: dict[str, Tensor]
    meta: dict[str, Any]

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]


@pytest.fixture(scope="session")
def golden(shared_folder: Path) -> Callable[[str], Golden]:
    """``golden("idc_match")`` reads a topic; skips where it is absent."""

    def read(topic: str) -> Golden:
        path = shared_folder / "golden" / f"{topic}.safetensors"
        if not path.is_file():
            pytest.skip(f"no golden file {path.name}")
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            meta = json.loads((file.metadata() or {}).get("meta", "{}"))
        exact = {name: t.double() if t.is_floating_point() else t for name, t in tensors.items()}
        return Golden(tensors=exact, meta=meta)

    return read


def convnet(golden: Golden, case: str) -> torch.nn.Module:
    """Our ConvNet-3 with the released weights of a case, in float64."""
    prefix = f"in.{case}.model."
    theirs = {n.removeprefix(prefix): t for n, t in golden.tensors.items() if n.startswith(prefix)}
    channels = 1 if case == "gray" else 3
    side = golden.meta["cases"][case]["size"]
    network = networks.build(
        f"convnet3-w{golden.meta['width']}",
        channels=channels,
        classes=golden.meta["n_model_classes"],
        side=(side, side),
        seed=0,
        path=("golden",),
    ).double()
    own = dict(network.named_parameters())
    # Same modules in the same order in all codes: conv and norm of each block, the classifier.
    with torch.no_grad():
        for mine, name in zip(own, sorted(theirs, key=_position), strict=True):
            own[mine].copy_(theirs[name])
    return network


def _position(name: str) -> tuple[int, int, str]:
    parts = name.split(".")
    if parts[0] == "classifier":
        return (99, 0, _leaf(parts[-1]))
    if parts[0] == "layers":  # IDC and MDC: layers.conv.<d>, layers.norm.<d>
        return (int(parts[2]), int(parts[1] == "norm"), _leaf(parts[-1]))
    place = int(parts[1])  # DC: features.<4d> conv, features.<4d+1> norm
    return (place // 4, place % 4, _leaf(parts[-1]))


def _leaf(name: str) -> str:
    return {"weight": "0", "bias": "1"}[name]
