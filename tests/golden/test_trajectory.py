"""Grand loss and gradients of MTT, against the released code in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from condensery import networks
from condensery.augment import Identity
from condensery.condensing.objectives import TrajectoryMatching, trajectory
from condensery.engines import Autograd
from condensery.types import Examples, StepContext, nested

from .conftest import Golden

RUNS = {"": 0, "partial.": 4}
"""Prefix of a run's tensors, and images a student step (0: all)."""


def network(golden: Golden) -> nn.Module:
    meta = golden.meta
    return networks.build(
        f"convnet{meta['depth']}-w{meta['width']}",
        channels=golden["in.syn"].shape[1],
        classes=meta["n_classes"],
        side=(meta["size"], meta["size"]),
        seed=0,
        path=("golden",),
    ).double()


def parameters(golden: Golden, vector: Tensor, like: nn.Module) -> dict[str, Tensor]:
    """The released flat vector as our parameters; both codes hold modules in the same order."""
    own = dict(like.named_parameters())
    theirs = [torch.Size(shape) for shape in golden.meta["param_shapes"]]
    assert [p.shape for p in own.values()] == theirs
    parts = vector.split([shape.numel() for shape in theirs])
    return {name: v.view(own[name].shape) for name, v in zip(own, parts, strict=True)}


def close(ours: Tensor, theirs: Tensor) -> None:
    assert (ours - theirs).abs().max() <= 1e-10 * theirs.abs().max()


@pytest.mark.parametrize("run", RUNS, ids=["all images", "batches"])
def test_grand_loss_and_gradients_are_the_released_ones(golden, monkeypatch, run):
    vectors = golden("mtt_unroll")
    student = network(vectors)
    start = parameters(vectors, vectors["in.start_params"], student)
    with torch.no_grad():
        for name, p in student.named_parameters():
            p.copy_(start[name])
    target = parameters(vectors, vectors["in.target_params"], student)
    steps = vectors.meta["partial_steps" if run else "steps"]
    chosen = [vectors[f"in.{run}step_indices.{step}"] for step in range(steps)]
    monkeypatch.setattr(trajectory, "batches", lambda *_, **__: iter(chosen))
    labels = vectors["in.labels"]
    examples = Examples(
        images=vectors["in.syn"].clone().requires_grad_(),
        labels=labels,
        class_=labels,
        rank=torch.zeros_like(labels),
        learned_lr=vectors["in.alpha"].clone().requires_grad_(),
    )
    objective = TrajectoryMatching(steps=len(chosen), batch=RUNS[run], augment=Identity())
    match = objective.bind(
        StepContext(at=(0, 0), network=student, target=target),
        examples,
        lambda shown: shown.images,  # normalised already
        engine=Autograd(),
        classes_per_pass=1,
    )
    profile = torch.ones(1, vectors.meta["n_classes"], dtype=torch.int64)
    losses = match(examples, nested(examples, profile, all_classes=True))
    close(losses[0], vectors[f"out.{run}grand_loss"])
    images, step = torch.autograd.grad(losses.sum(), [examples.images, examples.learned_lr])
    close(images, vectors[f"out.{run}grad_syn"])
    close(step, vectors[f"out.{run}grad_alpha"])
