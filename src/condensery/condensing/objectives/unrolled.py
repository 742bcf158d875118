"""A short training by plain gradient descent, differentiable as a whole with constant memory.

The graph of a training grows with its steps. Here only the parameters of every step are stored; in
the backward pass each step is computed again and differentiated a second time. The result equals
the gradient of the whole graph up to rounding (which is tested). It needs the memory of one step,
and the time of one more forward and backward pass for each step.

Knows nothing about experts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Parameters: TypeAlias = tuple[Tensor, ...]

StepLoss: TypeAlias = Callable[[int, Parameters, Tensor, Tensor], Tensor]
"""``(step, parameters, images, labels) -> loss``, the loss of a training step; deterministic and
twice differentiable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Descended:
    loss: StepLoss
    steps: int


def descended(
    loss: StepLoss,
    start: Parameters,
    *,
    images: Tensor,
    labels: Tensor,
    lr: Tensor,
    steps: int,
) -> Parameters:
    """The parameters after ``steps`` steps ``theta <- theta - lr * d loss / d theta``.

    Args:
        loss: The loss of a step.
        start: Parameters before the first step, in the order of the argument of ``loss``.
        images: Passed to ``loss``.
        labels: Passed to ``loss``.
        lr: Learning rate, a scalar.
        steps: At least 1.

    Returns:
        Parameters in the order of ``start``; once differentiable in ``images``, ``lr``, ``start``,
        and in ``labels`` of floating point.
    """
    return _Descent.apply(_Descended(loss=loss, steps=steps), images, labels, lr, *start)


class _Descent(torch.autograd.Function):
    """Forward: the training, with all parameters stored. Backward: all steps in reverse order.

    If ``v`` is the gradient of the final parameters and ``g_k`` the loss gradient of step ``k``,
    then for ``k = steps - 1, ..., 0``::

        d lr     -= <v, g_k>
        d images -= lr * d<v, g_k> / d images
        v        -= lr * d<v, g_k> / d theta_k
    """

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,  # noqa: ANN401 - torch's own
        way: _Descended,
        images: Tensor,
        labels: Tensor,
        lr: Tensor,
        *start: Tensor,
    ) -> Parameters:
        ctx.save_for_backward(images, labels, lr)
        ctx.way, ctx.noted = way, []
        now = tuple(p.detach() for p in start)
        for step in range(way.steps):
            ctx.noted.append(now)
            with torch.enable_grad():
                leaves = tuple(p.detach().requires_grad_() for p in now)
                value = way.loss(step, leaves, images.detach(), labels.detach())
                gradients = torch.autograd.grad(value, leaves)
            now = tuple(p - lr * g for p, g in zip(now, gradients, strict=True))
        return now

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,  # noqa: ANN401
        *ends: Tensor,
    ) -> tuple[Tensor | None, ...]:
        images, labels, lr = ctx.saved_tensors
        _, needs_images, needs_labels, *_ = ctx.needs_input_grad
        v = ends
        into_images, into_lr = torch.zeros_like(images), torch.zeros_like(lr)
        into_labels = torch.zeros_like(labels) if needs_labels else None
        for step in reversed(range(ctx.way.steps)):
            with torch.enable_grad():
                theta = tuple(p.detach().requires_grad_() for p in ctx.noted[step])
                shown = images.detach().requires_grad_(needs_images)
                leaf_labels = labels.detach().requires_grad_(needs_labels)
                value = ctx.way.loss(step, theta, shown, leaf_labels)
                gradients = torch.autograd.grad(value, theta, create_graph=True)
                along = torch.stack(
                    [(g * own).sum() for g, own in zip(gradients, v, strict=True)]
                ).sum()
            wanted = [t for t in (shown, leaf_labels) if t.requires_grad]
            (*pulled,) = torch.autograd.grad(along, [*theta, *wanted], materialize_grads=True)
            into_lr -= along.detach()
            v = tuple(own - lr * h for own, h in zip(v, pulled[: len(v)], strict=True))
            rest = pulled[len(v) :]
            if needs_images:
                into_images -= lr * rest[0]
            if into_labels is not None:
                into_labels -= lr * rest[-1]
        return (None, into_images if needs_images else None, into_labels, into_lr, *v)
