"""``rerank(condensed, ...)``: the same images in another order, so that other prefixes come first.

All arguments are checked before a network is trained.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from condensery.clustering import following_means
from condensery.condensed.artifact import CondensedSet
from condensery.condensed.manifest import stored_tensors
from condensery.data import Data, ImageData
from condensery.devices import computing, usable
from condensery.errors import ConfigError, nearest
from condensery.evaluation import EvaluatedSet, protocol_for, usual_protocol
from condensery.evaluation.evaluate import counted_as
from condensery.evaluation.normalisation import check_whitening, normalised_as, normalised_train
from condensery.networks import batched_features, build
from condensery.reranking.dynamics import watched
from condensery.reranking.rules import SCORES
from condensery.rng import stream
from condensery.training import Training

RULES = (*SCORES, "random", "herding")
"""The names of all rules."""

_SAMPLE = 500
"""Real images of a class for its mean feature in ``herding``."""


def rerank(
    condensed: CondensedSet,
    data: Data | None = None,
    *,
    by: str = "lbpe",
    first: Literal["easy", "hard"] = "easy",
    epochs: int = 100,
    best: int = 10,
    networks: int = 1,
    network: str = "convnet3",
    seed: int = 0,
    device: str = "cpu",
    on_step: Callable[[], None] = lambda: None,
) -> CondensedSet:
    """The same set with another order of the images of every class; no pixel is changed.

    A rule scores the decoded examples, and a stored image has the mean of its scores; images with
    equal scores keep their order. The full set contains the same images. A set with
    ``order="crop"``, whose sizes are not prefixes, has ``order="image"`` afterwards.

    Args:
        condensed: Any set, also an imported or selected one.
        data: The data of the set; needed for ``by="herding"`` and for whitened images.
        by: ``"lbpe"``, ``"el2n"``, ``"forgetting"``, ``"margin"`` or ``"entropy"``: scores by a
            network that is trained on the set. ``"random"``. ``"herding"``: the next image moves
            the mean feature nearest to that of real images, under an untrained network.
        first: Which end of a score comes first.
        epochs: Epochs of the training, at least 1 (YOCO: 100 for CIFAR-10, 200 for more classes);
            its learning rate is constant.
        best: For ``lbpe``: the number of epochs, with most correct answers, that are summed (YOCO:
            10; 3 for sets of MTT, DSA and KIP), in 1..epochs.
        networks: Number of networks with different initialisations whose scores are averaged, at
            least 1.
        network: Architecture: a name, or ``"package.module:factory"``.
        seed: Seed of all draws.
        device: Such as ``"cpu"``, ``"cuda"`` or ``"auto"``.
        on_step: Called after every training step.

    Returns:
        The set; its manifest has, under ``reranked``, the choices and the hash of the set before.
        Observations of the full size are kept; those of other sizes are removed, as their images
        have changed.

    Raises:
        ConfigError: If a choice is unknown or out of range, or data are needed.
        DataError: If the whitening of the set was fitted to other images than those of ``data``.

    Source:
        He, Xiao, Zhou 2023, *You Only Condense Once*: LBPE, balanced, easy first, with the
        training of the IDC evaluation. Differs: whole stored images are ordered, by the mean score
        of their crops (released: single crops, so that a size is not a prefix of the stored
        images); the average over networks and ``herding`` are ours; for sets with learned labels,
        training and scores use these.

    Example:
        ``rerank(CondensedSet.load("idc.safetensors")).take(2)``
    """
    _check(by=by, first=first, epochs=epochs, best=best, networks=networks)
    device = usable(device)
    images, row = condensed.decode_rows()
    images = _as_seen(condensed, data, by=by).normalise(images)
    with computing(device, "fp32"):
        if by == "herding":
            assert data is not None
            order = _herded(condensed, data, images, row, network=network, seed=seed, device=device)
            position = torch.empty(len(condensed), dtype=torch.float64)
            position[order] = torch.arange(len(condensed), dtype=torch.float64)
        elif by == "random":
            rng = stream(seed, "rerank", "random")
            position = torch.rand(len(condensed), generator=rng, dtype=torch.float64)
        else:
            training = _training(condensed)
            score = torch.zeros(len(images))
            for number in range(networks):
                dynamics = watched(
                    build(
                        network,
                        channels=images.shape[1],
                        classes=condensed.classes,
                        side=(images.shape[2], images.shape[3]),
                        seed=seed,
                        path=("rerank", "network", number),
                    ).to(device),
                    images.to(device),
                    _labels(condensed)[row].to(device),
                    training=training,
                    epochs=epochs,
                    order=stream(seed, "rerank", "order", number),
                    view=stream(seed, "rerank", "view", number),
                    on_step=on_step,
                )
                score += SCORES[by](dynamics, best)
            position = _mean_by_row(score[:, None], row, len(condensed))[:, 0]
            position = position if first == "easy" else -position
    how: dict[str, object] = {"by": by, "seed": seed}
    if by in SCORES:
        how |= {"first": first, "epochs": epochs, "network": network, "networks": networks}
        how |= {"best": best} if by == "lbpe" else {}
    elif by == "herding":
        how["network"] = network
    return _ordered(condensed, position, how)


def rerank_steps(condensed: CondensedSet, *, by: str, epochs: int = 100, networks: int = 1) -> int:
    """The number of training steps of ``rerank``."""
    count = len(condensed) * condensed.parameterization.examples_each
    return networks * epochs * -(-count // _training(condensed).batch) if by in SCORES else 0


def _check(*, by: str, first: str, epochs: int, best: int, networks: int) -> None:
    if by not in RULES:
        raise ConfigError(
            f"by = {by!r} is unknown; known are {', '.join(RULES)}.{nearest(by, RULES)}"
        )
    if first not in ("easy", "hard"):
        raise ConfigError(f"first = {first!r}, but what comes first is 'easy' or 'hard'.")
    for name, value in (("epochs", epochs), ("networks", networks)):
        if value < 1:
            raise ConfigError(f"{name} = {value}, but at least 1 is needed.")
    if by == "lbpe" and not 1 <= best <= epochs:
        raise ConfigError(
            f"best = {best} epochs are to be summed of a training of {epochs}: give 1..{epochs}."
        )


def _labels(condensed: CondensedSet) -> Float[Tensor, "row class_"]:
    """Class probabilities of every stored row."""
    if condensed.soft_labels is not None:
        return condensed.soft_labels
    return functional.one_hot(condensed.labels, condensed.classes).float()


def _as_seen(condensed: CondensedSet, data: Data | None, *, by: str) -> ImageData:
    """Images with the normalisation and the whitening of the set."""
    if data is not None:
        check_whitening(condensed, data)
        return normalised_train(condensed, data)
    if by == "herding":
        raise ConfigError("by = 'herding' needs the real images that the set was made from (data).")
    if condensed.manifest["zca"] is not None:
        raise ConfigError(
            f"{condensed.name} is of whitened images, and only the real images tell how they are "
            "whitened: give the data that it was made from (data)."
        )
    return ImageData(
        name=condensed.name,
        images=torch.zeros(1, *condensed.shape, dtype=torch.uint8),
        labels=torch.zeros(1, dtype=torch.int64),
        class_names=tuple(condensed.class_names),
        mean=tuple(condensed.mean),
        std=tuple(condensed.std),
    )


def _training(condensed: CondensedSet) -> Training:
    """The training of the IDC evaluation, for every method of the set."""
    side = min(condensed.shape[1:])
    evaluated = EvaluatedSet(
        data=str(condensed.manifest["data"]["name"]),
        examples_each=condensed.parameterization.examples_each,
        ipc=condensed.sizes,
        classes=condensed.classes,
        side=side,
        mean=condensed.mean,
        std=condensed.std,
    )
    return protocol_for(usual_protocol(side), evaluated).training


def _mean_by_row(
    values: Float[Tensor, "example value"], row: Int[Tensor, "example"], rows: int
) -> Float[Tensor, "row value"]:
    sums = torch.zeros(rows, values.shape[1]).index_add_(0, row, values)
    return sums / torch.bincount(row, minlength=rows)[:, None]


def _herded(
    condensed: CondensedSet,
    data: Data,
    images: Tensor,
    row: Tensor,
    *,
    network: str,
    seed: int,
    device: str,
) -> Int[Tensor, "row"]:
    """The rows of each class, so that each next one moves the mean feature nearest to the real."""
    counted = counted_as(condensed, replace(data, test=data.train), classes=None)
    train = normalised_as(condensed, counted)
    probe = build(
        network,
        channels=images.shape[1],
        classes=condensed.classes,
        side=(images.shape[2], images.shape[3]),
        seed=seed,
        path=("rerank", "network", 0),
    ).to(device)
    seen = _mean_by_row(batched_features(probe, images.split(64)).cpu(), row, len(condensed))
    orders: list[Tensor] = []
    for class_ in range(condensed.classes):
        held = (condensed.labels == class_).nonzero()[:, 0]
        held = held[condensed.rank[held].argsort()]
        if not len(held):
            continue
        own = train.of_class(class_)
        rng = stream(seed, "rerank", "real", class_)
        own = own[torch.randperm(len(own), generator=rng)[:_SAMPLE]]
        real = (train.normalise(train.pixels(part)) for part in own.split(64))
        mean = batched_features(probe, real).mean(dim=0).cpu()
        orders.append(held[following_means(seen[held], mean, count=len(held))])
    return torch.cat(orders)


def _ordered(
    condensed: CondensedSet, position: Float[Tensor, "row"], how: Mapping[str, object]
) -> CondensedSet:
    """The set with the rows of every class sorted by their position; stable for ties."""
    rank = torch.empty_like(condensed.rank)
    for class_ in range(condensed.classes):
        held = (condensed.labels == class_).nonzero()[:, 0]
        held = held[condensed.rank[held].argsort()]
        held = held[position[held].argsort(stable=True)]
        rank[held] = torch.arange(len(held), dtype=rank.dtype)
    rows = (rank.long() * condensed.classes + condensed.labels).argsort(stable=True)
    kinds, before = stored_tensors(condensed.manifest), condensed.manifest
    decode, soft = dict(before["decode"]), condensed.soft_labels
    if decode.get("order") == "crop":
        decode["order"] = "image"
    parent = hashlib.sha256(condensed.to_bytes()).hexdigest()
    return CondensedSet(
        stored={
            name: tensor[rows] if kinds[name] == "rows" else tensor
            for name, tensor in condensed.stored.items()
        },
        labels=condensed.labels[rows],
        rank=rank[rows],
        soft_labels=None if soft is None else soft[rows],
        manifest={
            **before,
            "name": f"{condensed.name}-rerank",
            "decode": decode,
            "observations": [x for x in before["observations"] if x["size"] == condensed.sizes],
            "reranked": {**how, "parent": parent},
        },
    )
