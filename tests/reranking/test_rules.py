"""Every score against its formula, written out with numpy and loops."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch

from condensery.augment import Identity
from condensery.errors import ConfigError
from condensery.networks import build
from condensery.reranking import SCORES, Dynamics
from condensery.reranking.dynamics import watched
from condensery.rng import stream
from condensery.training import SGDTraining, batches


def drawn(seed: int, epochs: int = 13, examples: int = 7) -> Dynamics:
    rng = stream(seed, "dynamics")
    right = torch.rand(epochs, examples, generator=rng) > 0.4
    right[:, 2] = False
    return Dynamics(
        error=torch.rand(epochs, examples, generator=rng),
        margin=torch.rand(epochs, examples, generator=rng) - 0.5,
        right=right,
        entropy=torch.rand(examples, generator=rng),
    )


def naive_lbpe(d: Dynamics, best: int) -> np.ndarray:
    correct = d.right.numpy().sum(axis=1)
    taken = sorted(range(len(correct)), key=lambda e: (-correct[e], e))[:best]
    return np.sum([d.error.numpy()[e] for e in taken], axis=0)


def naive_forgetting(d: Dynamics, best: int) -> np.ndarray:
    right = d.right.numpy()
    counts = []
    for example in range(right.shape[1]):
        own = right[:, example]
        events = sum(bool(a) and not b for a, b in pairwise(own))
        counts.append(events if own.any() else len(own))
    return np.array(counts)


def test_scores_are_their_formulas(each):
    for seed in each(range(3)):
        d = drawn(seed)
        expected = {
            "lbpe": naive_lbpe(d, 4),
            "el2n": d.error.numpy()[:10].sum(axis=0),
            "forgetting": naive_forgetting(d, 4),
            "margin": -d.margin.numpy().sum(axis=0),
            "entropy": d.entropy.numpy(),
        }
        assert expected.keys() == SCORES.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(SCORES[name](d, 4).numpy(), values, rtol=1e-5, err_msg=name)


def test_more_epochs_than_there_are_cannot_be_summed():
    with pytest.raises(ConfigError, match=r"best = 14, but the training has 13 epochs"):
        SCORES["lbpe"](drawn(0), 14)


def test_dynamics_are_what_the_network_says_before_each_step(each):
    """Plain training by hand, in numpy where it is about what is noted."""
    images = torch.randn(10, 1, 8, 8, generator=stream(0, "images"))
    soft = torch.softmax(3 * torch.randn(10, 3, generator=stream(1, "labels")), dim=1)
    hard = torch.eye(3)[torch.arange(10) % 3]
    training = SGDTraining(
        batch=4, lr=0.1, momentum=0, weight_decay=0, augment=Identity(), cutmix=0
    )
    for labels in each([soft, hard]):
        steps: list[None] = []
        networks = [
            build("convnet2-w4", channels=1, classes=3, side=(8, 8), seed=2, path=("n",))
            for _ in range(2)
        ]
        found = watched(
            networks[0], images, labels, training=training, epochs=3, order=stream(3),
            view=stream(4), on_step=partial(steps.append, None),
        )  # fmt: skip
        assert len(steps) == 9
        order, own = batches(10, 4, rng=stream(3)), networks[1]
        for epoch in range(3):
            for _ in range(3):
                at = next(order)
                logits = own(images[at])
                told = torch.softmax(logits, dim=1).detach().numpy()
                for example, p in zip(at.tolist(), told, strict=True):
                    y = labels[example].numpy()
                    assert found.error[epoch, example] == pytest.approx(
                        np.sqrt(((p - y) ** 2).sum()), abs=1e-5
                    )
                    others = max(v for c, v in enumerate(p) if c != y.argmax())
                    assert found.margin[epoch, example] == pytest.approx(
                        p[y.argmax()] - others, abs=1e-5
                    )
                    assert bool(found.right[epoch, example]) == (p.argmax() == y.argmax())
                loss = -(labels[at] * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()
                gradients = torch.autograd.grad(loss, list(own.parameters()), allow_unused=True)
                with torch.no_grad():
                    for p, gradient in zip(own.parameters(), gradients, strict=True):
                        p -= 0.1 * (0 if gradient is None else gradient)
        with torch.no_grad():
            last = torch.softmax(own(images), dim=1).numpy()
        np.testing.assert_allclose(
            found.entropy.numpy(), -(last * np.log(last)).sum(axis=1), atol=1e-4
        )
