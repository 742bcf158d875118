"""What holds for every order, and what is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch

from condensery import condense, evaluate, load_data
from condensery.condensed.artifact import CondensedSet
from condensery.data import Data
from condensery.errors import ConfigError
from condensery.parameterizations import MultiFormation
from condensery.reranking import RULES, rerank, rerank_steps
from condensery.reranking import order as order_module
from condensery.reranking.dynamics import Dynamics
from condensery.types import Examples

FAST = {"epochs": 3, "best": 2, "network": "convnet2-w4"}


@pytest.fixture(scope="module")
def digits() -> Data:
    data = load_data("digits")
    return replace(
        data, test=replace(data.test, images=data.test.images[:50], labels=data.test.labels[:50])
    )


def made(digits: Data, decode: str = "image", *, soft: bool = False, ipc: int = 3) -> CondensedSet:
    """A set of random pixels whose last class holds one image fewer."""
    rows = [(rank, class_) for rank in range(ipc) for class_ in range(10)]
    rows.remove((ipc - 1, 9))
    rank, class_ = (torch.tensor(x) for x in zip(*rows, strict=True))
    rng = torch.Generator().manual_seed(0)
    labels = torch.rand(len(rows), 10, generator=rng).softmax(1) if soft else class_
    train = digits.train
    return CondensedSet.from_stored(
        Examples(
            images=torch.rand(len(rows), 1, 8, 8, generator=rng), labels=labels, class_=class_,
            rank=rank,
        ),
        name="made", class_names=train.class_names, mean=train.mean, std=train.std,
        decode=MultiFormation(factor=2, order=decode).decode_json(), method="idc", recipe={},
        seed=0, data=train.record(), created="then",
    )  # fmt: skip


def by_bytes(set_: CondensedSet) -> dict[bytes, tuple[int, ...]]:
    """Label and soft label of every stored image."""
    soft = set_.soft_labels if set_.soft_labels is not None else torch.zeros(len(set_), 1)
    return {
        image.numpy().tobytes(): (int(label), *own.tolist())
        for image, label, own in zip(set_.images, set_.labels, soft, strict=True)
    }


def test_every_rule_gives_the_same_images_in_another_order(each, digits: Data):
    for soft, by in each([(soft, by) for soft in (False, True) for by in RULES]):
        before = made(digits, soft=soft)
        after = rerank(before, digits, by=by, **FAST)
        assert by_bytes(after) == by_bytes(before)
        assert after.rows == before.rows
        assert not torch.equal(after.images, before.images)
        how = after.manifest["reranked"]
        assert (how["by"], how["seed"]) == (by, 0)
        assert how["parent"] == hashlib.sha256(before.to_bytes()).hexdigest()
        assert rerank(before, digits, by=by, **FAST).to_bytes() == after.to_bytes()


def scored(monkeypatch: pytest.MonkeyPatch, score: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Every example has a score that is a function of its pixels."""

    def watching(network, images, labels, *, epochs, **rest):
        value = score(images)
        zeros = torch.zeros(epochs, len(images))
        return Dynamics(
            error=value.expand(epochs, -1), margin=zeros, right=zeros.bool(), entropy=value
        )

    monkeypatch.setattr(order_module, "watched", watching)


def test_images_come_by_the_mean_score_of_their_crops_class_by_class(
    each, digits: Data, monkeypatch: pytest.MonkeyPatch
):
    scored(monkeypatch, lambda images: images.flatten(1).mean(dim=1))
    for decode, first in each([(d, f) for d in ("image", "crop") for f in ("easy", "hard")]):
        before = made(digits, decode)
        after = rerank(before, first=first, **FAST)
        assert after.manifest["decode"]["order"] == "image"
        assert after.prefixes
        for class_ in range(10):
            examples = after.decode()
            own = examples.rows(examples.class_ == class_)
            means = [
                float(own.images[own.rank == r].mean()) for r in range(3) if (own.rank == r).any()
            ]
            assert means == sorted(means, reverse=first == "hard")


def test_equal_images_stay_in_their_order(digits: Data, monkeypatch: pytest.MonkeyPatch):
    scored(monkeypatch, lambda images: torch.ones(len(images)))
    for first in ("easy", "hard"):
        before = made(digits)
        assert torch.equal(rerank(before, first=first, **FAST).images, before.images)


def test_an_order_does_not_depend_on_the_order_before(digits: Data, monkeypatch):
    """Whatever permutation comes in: the score decides alone where no two images are equal."""
    scored(monkeypatch, lambda images: images.flatten(1).square().mean(dim=1))
    before = made(digits)
    shuffled = rerank(before, by="random", seed=5)
    assert not torch.equal(shuffled.images, before.images)
    assert torch.equal(rerank(shuffled, **FAST).images, rerank(before, **FAST).images)


def test_the_full_size_is_the_same_set_and_keeps_its_observations(digits: Data):
    before = made(digits)
    record = {"accuracy": 0.5, "std": 0.0, "random": 0.4, "random_std": 0.0, "networks": ["x"],
              "seeds": 1, "protocol": "idc", "epochs": 3}  # fmt: skip
    before = before.with_observations([{**record, "size": size} for size in (1, 2, 3)])
    after = rerank(before, by="random")
    assert [x["size"] for x in after.observations] == [3]
    one, two = before.decode(), after.decode()
    pixels = [sorted(x.numpy().tobytes() for x in d.images) for d in (one, two)]
    assert pixels[0] == pixels[1]


def test_two_networks_are_averaged_and_their_steps_are_told(digits: Data):
    before = made(digits)
    told: list[None] = []
    orders = [
        rerank(before, networks=n, on_step=partial(told.append, None), **FAST) for n in (1, 2)
    ]
    assert not torch.equal(orders[0].images, orders[1].images)
    steps = [rerank_steps(before, by="lbpe", epochs=3, networks=n) for n in (1, 2)]
    assert steps == [6, 12]  # 116 crops in batches of 64
    assert len(told) == sum(steps)
    assert rerank_steps(before, by="herding") == 0


def test_a_set_of_whitened_images_needs_its_data(digits: Data):
    white = condense(
        digits, method="dm", preset="smoke", ipc=1, settings={"whiten": "zca", "iterations": "1"}
    ).result()
    with pytest.raises(ConfigError, match=r"is of whitened images.*give the data"):
        rerank(white, **FAST)
    assert len(rerank(white, digits, **FAST)) == 10


def test_what_cannot_work_is_refused_before_a_network_is_trained(
    each, digits: Data, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(order_module, "watched", lambda *_, **__: pytest.fail("trained"))
    for choices, said in each(
        [
            ({"by": "lbp"}, "Did you mean 'lbpe'"),
            ({"first": "soft"}, "'easy' or 'hard'"),
            ({"epochs": 0}, "epochs = 0"),
            ({"networks": 0}, "networks = 0"),
            ({"epochs": 5, "best": 6}, "best = 6 epochs are to be summed of a training of 5"),
            ({"by": "herding"}, "needs the real images"),
            ({"network": "convnett3"}, "convnett3"),
        ]
    ):
        with pytest.raises(ConfigError, match=said):
            rerank(made(digits), **choices)


def test_a_reranked_set_is_cut_evaluated_and_written_as_any_other(digits: Data, tmp_path):
    after = rerank(made(digits), **FAST)
    path = tmp_path / "new.safetensors"
    after.take(2).save(path)
    small = CondensedSet.load(path)
    assert small.manifest["reranked"]["by"] == "lbpe"
    found = evaluate(small, digits, sizes=[2], networks=["convnet2-w4"], seeds=1, steps=2)
    assert 0 <= next(iter(found)).accuracy <= 1
