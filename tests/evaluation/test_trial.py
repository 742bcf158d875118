"""A trial is checked against a plain torch loop written out here."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from torch import nn
from torch.nn import functional

from condensery.augment import Identity
from condensery.condensed.artifact import CondensedSet
from condensery.data import Data
from condensery.evaluation import Protocol
from condensery.evaluation import trial as trial_module
from condensery.evaluation.trial import SetTrial, StoredPool, TrainingPool, fresh, pool, train
from condensery.parameterizations import MultiFormation, Pixels, Quantised
from condensery.rng import global_stream, stream
from condensery.selection import random_selection
from condensery.training import SGDTraining, accuracy
from condensery.types import Examples

WHOLE = Protocol(
    name="whole", training=SGDTraining(augment=Identity(), cutmix=0.0, batch=64), epochs=6
)


def stored_set(decode: dict[str, object], *, soft: bool = False) -> CondensedSet:
    """Two stored images for each of 3 classes."""
    class_ = torch.tensor([0, 1, 2] * 2)
    labels = class_
    if soft:  # learned labels that prefer another class
        labels = functional.one_hot((class_ + 1) % 3, 3).float()
    return CondensedSet.from_stored(
        Examples(
            images=torch.rand(6, 1, 8, 8, generator=stream(0)),
            labels=labels,
            class_=class_,
            rank=torch.tensor([0, 0, 0, 1, 1, 1]),
        ),
        name="stored",
        class_names=("c0", "c1", "c2"),
        decode=decode,
        mean=(0.25,),
        std=(0.5,),
        method="test",
        recipe={},
        seed=0,
        data={"name": "toy", "fingerprint": "", "images": 6, "classes": 3},
        created="",
    )


def trial(condensed: CondensedSet, data: Data, **changes: object) -> SetTrial:
    test = replace(data.test, mean=condensed.mean, std=condensed.std)
    given: dict[str, object] = {
        "set": "condensed",
        "images": condensed,
        "test": test,
        "size": 2,
        "network": "convnet2-w4",
        "seed": 3,
        "protocol": WHOLE,
        "precision": "fp32",
    }
    return SetTrial(**(given | changes))


def weights(network: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def test_training_is_plain_sgd_on_all_images_to_the_last_epoch(data: Data, condensed: CondensedSet):
    on = pool(condensed, 2, test=data.test)
    on = TrainingPool(on.images.double(), on.labels)
    network = fresh("convnet2-w4", data.test, size=2, seed=3).double()
    naive = fresh("convnet2-w4", data.test, size=2, seed=3).double()

    train(network, on, protocol=WHOLE, seed=3)

    optimiser = torch.optim.SGD(naive.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    for epoch in range(6):
        for group in optimiser.param_groups:
            group["lr"] = [0.01, 0.01, 0.01, 0.01, 0.002, 0.0004][epoch]
        optimiser.zero_grad()
        functional.cross_entropy(naive(on.images), on.labels).backward()
        optimiser.step()
    assert not torch.allclose(
        weights(naive), weights(fresh("convnet2-w4", data.test, size=2, seed=3)).double()
    )
    torch.testing.assert_close(weights(network), weights(naive), rtol=1e-9, atol=1e-12)


def test_a_run_is_train_then_test_whatever_the_global_state(data: Data, condensed: CondensedSet):
    one = trial(condensed, data)
    network = fresh("convnet2-w4", data.test, size=2, seed=3)
    train(network, pool(condensed, 2, test=data.test), protocol=WHOLE, seed=3)

    with global_stream(5, "elsewhere"):
        measured = one.run(compiled=False)

    assert measured.accuracy == accuracy(network, data.test)
    assert one.count == 6


def test_a_run_says_how_much_of_its_own_images_the_network_has_learned(
    data: Data, condensed: CondensedSet, monkeypatch: pytest.MonkeyPatch
):
    one = trial(condensed, data, size=4, protocol=replace(WHOLE, steps=5))
    own = pool(condensed, 4, test=data.test)
    network = fresh("convnet2-w4", data.test, size=4, seed=3)
    train(network, own, protocol=one.protocol, seed=3)
    with torch.no_grad():
        right = network(own.images).argmax(dim=1) == own.labels
    assert 0 < right.float().mean() < 1

    assert one.run(compiled=False).training_accuracy == right.float().mean()
    monkeypatch.setattr(trial_module, "TRAINING_SAMPLE", 4)  # of the 12 images at equal distances
    assert one.run(compiled=False).training_accuracy == pytest.approx(
        float(right[::3].float().mean())
    )


def test_a_batch_of_a_large_set_has_the_bits_of_the_decoded_set(data: Data, each):
    index = torch.tensor([3, 0, 11, 3, 7, 2])
    for part in each(
        [
            Pixels(),
            MultiFormation(factor=2),
            MultiFormation(factor=3),
            Quantised(bits=2, inner=MultiFormation(factor=2)),
        ]
    ):
        for size, labels in ((1, "hard"), (2, "soft")):
            condensed = stored_set(part.decode_json(), soft=labels == "soft")
            whole = pool(condensed, size, test=data.test, labels=labels)
            stored = StoredPool(condensed, size, test=data.test, labels=labels)
            at = index % len(whole.labels)
            for found, expected in zip(stored.batch(at), whole.batch(at), strict=True):
                assert found.equal(expected)
            assert len(stored.labels) == len(whole.labels)
            assert trial(condensed, data, size=size).count == len(whole.labels)


def test_a_large_set_is_never_decoded_as_a_whole(data: Data, monkeypatch: pytest.MonkeyPatch):
    condensed = stored_set(MultiFormation(factor=2).decode_json())
    expected = trial(condensed, data).run(compiled=False)
    crops = stored_set(MultiFormation(factor=2, order="crop").decode_json())
    monkeypatch.setattr(trial_module, "DECODED", 0)
    assert isinstance(trial(crops, data).pool(), TrainingPool)  # a size reads all rows
    monkeypatch.setattr(CondensedSet, "decode", lambda *_: pytest.fail("decoded as a whole"))
    assert trial(condensed, data).run(compiled=False) == expected


def test_the_twin_on_random_images_starts_from_the_same_network(data: Data):
    one = fresh("convnet2-w4", data.test, size=2, seed=3)

    assert torch.equal(weights(one), weights(fresh("convnet2-w4", data.test, size=2, seed=3)))
    for other in ({"size": 1, "seed": 3}, {"size": 2, "seed": 4}):
        assert not torch.equal(weights(one), weights(fresh("convnet2-w4", data.test, **other)))


def test_a_pool_holds_the_decoded_images_of_its_size_normalised(data: Data):
    condensed = stored_set({"kind": "multi-formation", "factor": 2, "order": "image"})
    test = replace(data.test, mean=condensed.mean, std=condensed.std)

    on = pool(condensed, 1, test=test)

    stored = Examples(
        images=condensed.images[:3].float() / 255,
        labels=condensed.labels[:3],
        class_=condensed.labels[:3],
        rank=condensed.rank[:3].long(),
    )
    expected = MultiFormation(factor=2).decode(stored)
    torch.testing.assert_close(on.images, (expected.images - 0.25) / 0.5)
    assert on.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert trial(condensed, data).count == 24


def test_learned_labels_are_not_used(data: Data):
    condensed = stored_set({"kind": "pixels"}, soft=True)
    assert condensed.soft_labels is not None

    on = pool(condensed, 2, test=data.test)

    assert on.labels.tolist() == [0, 1, 2, 0, 1, 2]


def test_learned_labels_are_used_where_the_protocol_asks_and_the_set_has_them(
    data: Data, condensed: CondensedSet
):
    learned = stored_set({"kind": "pixels"}, soft=True)

    on = pool(learned, 2, test=data.test, labels="soft")

    assert on.labels.argmax(dim=1).tolist() == [1, 2, 0, 1, 2, 0]
    baseline = pool(condensed, 2, test=data.test, labels="soft")
    assert baseline.labels.tolist() == [0, 1, 2, 0, 1, 2]
    soft = replace(WHOLE, labels="soft", epochs=60)
    wrong, right = (
        trial(learned, data, protocol=protocol).run(compiled=False)
        for protocol in (soft, replace(soft, labels="hard"))
    )
    assert wrong != right


def test_learned_labels_enter_the_fingerprint_where_they_are_used(data: Data):
    learned = stored_set({"kind": "pixels"}, soft=True)
    assert learned.soft_labels is not None
    other = replace(learned, soft_labels=learned.soft_labels.flip(1))
    soft = replace(WHOLE, labels="soft")

    assert trial(learned, data).fingerprint == trial(other, data).fingerprint
    one, two = (trial(x, data, protocol=soft).fingerprint for x in (learned, other))
    assert one != two


def test_a_restarted_optimiser_forgets_its_momentum(data: Data, condensed: CondensedSet):
    protocol = replace(WHOLE, milestones=(Fraction(1, 2),), gamma=0.1, restart=True)
    on = pool(condensed, 2, test=data.test)
    on = TrainingPool(on.images.double(), on.labels)
    network = fresh("convnet2-w4", data.test, size=2, seed=3).double()
    naive = fresh("convnet2-w4", data.test, size=2, seed=3).double()

    train(network, on, protocol=protocol, seed=3)

    for lr in (0.01, 0.001):
        optimiser = torch.optim.SGD(naive.parameters(), lr=lr, momentum=0.9, weight_decay=5e-4)
        for _ in range(3):
            optimiser.zero_grad()
            functional.cross_entropy(naive(on.images), on.labels).backward()
            optimiser.step()
    torch.testing.assert_close(weights(network), weights(naive), rtol=1e-9, atol=1e-12)


def test_the_fingerprint_changes_with_all_that_decides_the_result(data: Data):
    condensed = stored_set({"kind": "multi-formation", "factor": 2, "order": "image"})
    base = trial(condensed, data)
    brighter = replace(condensed, stored={"images": condensed.images // 2})
    same_prefix = condensed.images.clone()
    same_prefix[3:] = 0
    other_test = replace(data.test, images=data.test.images // 2)
    relabelled = replace(data.test, labels=data.test.labels.flip(0))
    changed = [
        trial(brighter, data),
        trial(condensed, data, size=1),
        trial(condensed, data, protocol=replace(WHOLE, gamma=0.5)),
        trial(condensed, data, test=replace(base.test, mean=(0.3,))),
        trial(condensed, data, test=replace(other_test, mean=base.test.mean, std=base.test.std)),
        trial(condensed, data, test=replace(relabelled, mean=base.test.mean, std=base.test.std)),
        trial(stored_set({"kind": "pixels"}), data),
    ]

    prints = [base.fingerprint, *(other.fingerprint for other in changed)]
    assert len(set(prints)) == len(prints)
    assert trial(condensed, data, seed=9, network="mlp").fingerprint == base.fingerprint
    prefix = replace(condensed, stored={"images": same_prefix})
    assert trial(prefix, data, size=1).fingerprint == trial(condensed, data, size=1).fingerprint


def test_decoded_crop_by_crop_every_size_depends_on_all_stored_images(data: Data):
    condensed = stored_set({"kind": "multi-formation", "factor": 2, "order": "crop"})
    images = condensed.images.clone()
    images[3:] = 0
    other = replace(condensed, stored={"images": images})

    assert trial(other, data, size=1).fingerprint != trial(condensed, data, size=1).fingerprint


def test_full_batches_are_counted(each, data: Data):
    for ipc, length, full in each(
        [
            (4, {"steps": 90}, 0),  # 12 images: no full batch of 64
            (4, {"steps": 90, "batch": 6}, 90),
            (4, {"steps": 90, "batch": 8}, 45),
            (4, {"epochs": 30, "batch": 5}, 60),
        ]
    ):
        batch = length.pop("batch", 64)
        protocol = replace(WHOLE, training=replace(WHOLE.training, batch=batch), **length)
        condensed = random_selection(data.train, ipc=ipc, seed=0)

        assert trial(condensed, data, size=ipc, protocol=protocol).full_batches == full


@pytest.mark.parametrize("compiled", [True, False])
def test_a_trial_trains_and_tests_as_it_is_asked_to(
    data: Data, condensed: CondensedSet, monkeypatch: pytest.MonkeyPatch, compiled: bool
):
    asked: list[tuple[object, object]] = []

    def answer(*given: object, precision: str, compiled: bool, **rest: object) -> float:
        asked.append((precision, compiled))
        return 0.5

    monkeypatch.setattr(trial_module, "train", answer)
    monkeypatch.setattr(trial_module, "accuracy", answer)
    monkeypatch.setattr(trial_module, "share_right", answer)

    assert trial(condensed, data, precision="bf16").run(compiled=compiled) == (0.5, 0.5)
    assert asked == [("bf16", compiled)] * 3


def test_a_trial_knows_whether_every_batch_of_its_network_can_be_compiled(
    data: Data, condensed: CondensedSet
):
    assert trial(condensed, data, network="convnet2-w4").swept
    assert trial(condensed, data, network="mlp").swept
    assert not trial(condensed, data, network="convnet2-w4-bn").swept
    assert trial(condensed, data, protocol=replace(WHOLE, steps=7)).steps == 7


def test_a_users_factory_is_named_by_module_and_name(data: Data, condensed: CondensedSet):
    assert trial(condensed, data, network=nn.Linear).name == "torch.nn.modules.linear:Linear"
    assert trial(condensed, data, network="mlp").name == "mlp"
