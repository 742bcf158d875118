"""Losses and image gradients of IDC, MDC, DC and DM, against the released codes in float64."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
import torch
from torch import Tensor

from condensery.condensing.objectives import DistributionMatching, GradientMatching, Objective
from condensery.engines import Autograd, Engine, OnePass
from condensery.parameterizations import MultiFormation
from condensery.types import Examples, Groups, StepContext, View, nested

from .conftest import Golden, convnet

ENGINES = [Autograd(), OnePass()]


def real_of(golden: Golden, case: str, classes: int) -> Examples:
    images = golden[f"in.{case}.real_u8"][:classes].double() / 255
    labels = torch.arange(classes).repeat_interleave(images.shape[1])
    return Examples(
        images=images.flatten(0, 1), labels=labels, class_=labels, rank=torch.zeros_like(labels)
    )


def stored_of(images: Tensor) -> Examples:
    """Class-major released images ``[class_, image, ...]`` as our rows: by rank, then class."""
    classes, count = images.shape[:2]
    label = torch.arange(classes).repeat(count)
    rank = torch.arange(count).repeat_interleave(classes)
    rows = images.transpose(0, 1).flatten(0, 1)
    return Examples(images=rows.clone(), labels=label, class_=label, rank=rank)


def normalised(golden: Golden, case: str) -> View:
    mean, std = (golden[f"in.{case}.{name}"][:, None, None] for name in ("mean", "std"))
    return lambda examples: (examples.images - mean) / std


def bound(
    objective: Objective, golden: Golden, case: str, classes: int, engine: Engine, view: View
) -> Callable[[Examples, Groups], Tensor]:
    moment = StepContext(at=(0, 0), network=convnet(golden, case))
    real = real_of(golden, case, classes)
    return objective.bind(moment, real, view, engine=engine, classes_per_pass=classes)


def close(ours: Tensor, theirs: Tensor, tolerance: float = 1e-10) -> None:
    scale = theirs.abs().max()
    assert (ours - theirs).abs().max() <= tolerance * scale


def test_idc_loss_and_gradient_are_the_released_ones(each, golden):
    for case, metric, engine in each(product(["rgb", "gray"], ["mse", "l1", "cos"], ENGINES)):
        vectors = golden("idc_match")
        stored = stored_of(vectors[f"in.{case}.stored"])
        stored.images.requires_grad_()
        objective = GradientMatching(metric="cosine" if metric == "cos" else metric)
        match = bound(objective, vectors, case, 3, engine, normalised(vectors, case))
        examples = MultiFormation(factor=2).decode(stored)
        full = torch.full((1, 3), int(stored.rank.max()) + 1)
        losses = match(examples, nested(examples, full, all_classes=False))
        close(losses.detach(), vectors[f"out.{case}.loss.{metric}"])
        (gradient,) = torch.autograd.grad(losses.sum(), stored.images)
        theirs = vectors[f"out.{case}.grad.{metric}"]
        close(gradient, stored_of(theirs).images)


def test_mdc_loss_and_gradient_are_the_released_ones(each, golden):
    for (case, size), order, engine in each(
        product(
            [("rgb", 0), ("rgb", 1), ("rgb", 2), ("rgb", 3), ("gray", 1), ("gray", 2)],
            ["image", "crop"],
            ENGINES,
        )
    ):
        vectors = golden("mdc_subset")
        name = f"{order}_major.n{size}" if size else "base"
        theirs = vectors[f"out.{case}.{name}.loss"]
        stored = stored_of(vectors[f"in.{case}.stored"][: len(theirs)])
        stored.images.requires_grad_()
        match = bound(
            GradientMatching(), vectors, case, len(theirs), engine, normalised(vectors, case)
        )
        examples = MultiFormation(factor=2, order=order).decode(stored)
        largest = int(stored.rank.max()) + 1
        profiles = torch.tensor([largest, size] if size else [largest])
        groups = nested(examples, profiles[:, None].expand(-1, len(theirs)), all_classes=False)
        losses = match(examples, groups).unflatten(0, (len(profiles), -1)).sum(dim=0)
        close(losses.detach(), theirs)
        (gradient,) = torch.autograd.grad(losses.sum(), stored.images)
        close(gradient, stored_of(vectors[f"out.{case}.{name}.grad"]).images)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda e: type(e).__name__)
def test_a_frozen_subset_counts_in_the_loss_and_moves_nothing_as_released(golden, engine):
    """The release detaches the first decoded crops; ours zeroes their gradient before decode's."""
    vectors, case, size, frozen = golden("mdc_subset"), "gray", 2, 1
    name = f"crop_major.n{size}_freeze{frozen}"
    theirs = vectors[f"out.{case}.{name}.loss"]
    stored = stored_of(vectors[f"in.{case}.stored"][: len(theirs)])
    stored.images.requires_grad_()
    match = bound(GradientMatching(), vectors, case, len(theirs), engine, normalised(vectors, case))
    examples = MultiFormation(factor=2, order="crop").decode(stored)
    largest = int(stored.rank.max()) + 1
    profiles = torch.tensor([largest, size])[:, None].expand(-1, len(theirs))
    losses = match(examples, nested(examples, profiles, all_classes=False)).unflatten(0, (2, -1))
    close(losses.sum(dim=0).detach(), theirs)
    (of_examples,) = torch.autograd.grad(losses.sum(), examples.images, retain_graph=True)
    of_examples = of_examples.masked_fill((examples.rank < frozen)[:, None, None, None], 0)
    (gradient,) = torch.autograd.grad(examples.images, stored.images, of_examples)
    close(gradient, stored_of(vectors[f"out.{case}.{name}.grad"]).images)


def test_the_probe_measures_the_released_feature_distance(each, golden):
    for case, order in each(product(["rgb", "gray"], ["image", "crop"])):
        vectors = golden("mdc_subset")
        theirs = vectors[f"out.{case}.{order}_major.feature_distance"]  # [class, size]
        classes, largest = theirs.shape
        stored = stored_of(vectors[f"in.{case}.stored"][:classes])
        match = bound(
            DistributionMatching(), vectors, case, classes, OnePass(), normalised(vectors, case)
        )
        examples = MultiFormation(factor=2, order=order).decode(stored)
        profiles = torch.arange(1, largest + 1)[:, None].expand(-1, classes)
        losses = match(examples, nested(examples, profiles, all_classes=False))
        close(losses.unflatten(0, (largest, classes)).T, theirs)


def test_dc_loss_and_gradient_are_the_released_ones(each, golden):
    for case, metric, engine in each(product(["rgb", "gray"], ["ours", "mse", "cos"], ENGINES)):
        vectors = golden("dc_match")
        synthetic = stored_of(vectors[f"in.{case}.syn"])  # normalised already
        synthetic.images.requires_grad_()
        real_view = normalised(vectors, case)

        def view(examples: Examples, real_view=real_view) -> Tensor:
            return examples.images if examples.images.requires_grad else real_view(examples)

        ours = {"ours": "cosine", "cos": "whole-cosine"}
        objective = GradientMatching(metric=ours.get(metric, metric), parameters="all")
        match = bound(objective, vectors, case, 3, engine, view)
        full = torch.full((1, 3), int(synthetic.rank.max()) + 1)
        losses = match(synthetic, nested(synthetic, full, all_classes=False))
        close(losses.detach(), vectors[f"out.{case}.loss_per_class.{metric}"])
        (gradient,) = torch.autograd.grad(losses.sum(), synthetic.images)
        close(gradient, stored_of(vectors[f"out.{case}.grad.{metric}"]).images)


@pytest.mark.parametrize("case", ["rgb", "gray"])
def test_dm_loss_and_gradient_are_the_released_ones(golden, case):
    vectors = golden("dm_match")
    synthetic = stored_of(vectors[f"in.{case}.syn"])
    synthetic.images.requires_grad_()
    real_view = normalised(vectors, case)

    def view(examples: Examples) -> Tensor:
        return examples.images if examples.images.requires_grad else real_view(examples)

    match = bound(DistributionMatching(), vectors, case, 3, Autograd(), view)
    full = torch.full((1, 3), int(synthetic.rank.max()) + 1)
    losses = match(synthetic, nested(synthetic, full, all_classes=False))
    close(losses.detach(), vectors[f"out.{case}.loss_per_class"])
    (gradient,) = torch.autograd.grad(losses.sum(), synthetic.images)
    close(gradient, stored_of(vectors[f"out.{case}.grad"]).images)
