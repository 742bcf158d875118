"""Real images as a condensed set: what condensation has to beat at the same size.

A selection is an order of the images of every class; the set of size ``k`` is its first ``k``,
so sizes are nested by construction.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from condensery.artifact import CondensedSet
from condensery.data import ImageData
from condensery.errors import ConfigError
from condensery.parameterizations import Pixels, stored_rows
from condensery.rng import stream
from condensery.types import Examples

__all__ = ["herding", "random_selection", "select"]


def random_selection(data: ImageData, *, ipc: int, seed: int) -> CondensedSet:
    """``ipc`` real images per class, uniformly without replacement, as a condensed set.

    Args:
        data: The training split.
        ipc: Images per class, in 1..the largest class. A smaller class gives all it has.
        seed: Of the choice. A larger ``ipc`` with the same seed extends the same choice.

    Raises:
        ConfigError: If ``ipc`` is out of range.
    """
    orders: list[Tensor] = []
    for class_ in range(data.classes):
        own = data.of_class(class_)
        order = torch.randperm(len(own), generator=stream(seed, "random selection", class_))
        orders.append(own[order.to(own.device)])
    return select(data, orders, ipc=ipc, method="random", seed=seed)


def select(
    data: ImageData, orders: Sequence[Int[Tensor, "image"]], *, ipc: int, method: str, seed: int
) -> CondensedSet:
    """The first ``ipc`` real images of every class in a given order, as a condensed set.

    Args:
        data: The training split.
        orders: Positions in ``data`` for every class, the most wanted image first.
        ipc: Images per class, in 1..the longest order. A shorter one gives all it has.
        method: How the order came about, for the manifest.
        seed: Of the order, for the manifest.

    Raises:
        ConfigError: If ``ipc`` is out of range.
    """
    longest = max(len(order) for order in orders)
    if not 1 <= ipc <= longest:
        raise ConfigError(
            f"ipc = {ipc}, but the largest class of {data.name} has {longest} images to select "
            f"from. Ask for 1..{longest}."
        )
    rank, class_ = stored_rows(torch.tensor([min(ipc, len(order)) for order in orders]))
    pairs = zip(rank.tolist(), class_.tolist(), strict=True)
    index = torch.stack([orders[c][r] for r, c in pairs])
    images = data.pixels(index).cpu()
    return CondensedSet.from_stored(
        Examples(images=images, labels=class_.clone(), class_=class_, rank=rank),
        name=f"{method}-{data.name}",
        class_names=data.class_names,
        decode=Pixels().decode_json(),
        mean=data.mean,
        std=data.std,
        method=method,
        recipe={"method": method, "ipc": ipc},
        seed=seed,
        data={
            "name": data.name,
            "fingerprint": data.fingerprint,
            "images": len(data),
            "classes": data.classes,
        },
        created="",
    )


def herding(features: Float[Tensor, "image feature"], *, count: int) -> Int[Tensor, "image"]:
    """The herding order: every prefix has a mean close to the mean of all.

    Image ``k`` (from 0) is the one, not yet taken, that minimises
    ``|(k + 1) * mean - sum of the taken - its own|``; of equals the first.

    Args:
        features: Of the images of one class.
        count: How many to take, in 0..images.

    Returns:
        Positions ``[count]`` in order of selection.

    Raises:
        ConfigError: If there are fewer than ``count`` images.

    Source:
        Welling 2009, *Herding Dynamical Weights to Learn*, as the coreset baseline of IDC and
        MDC uses it. Differs: nothing.
    """
    if not 0 <= count <= len(features):
        raise ConfigError(f"count = {count}, but there are {len(features)} images to herd.")
    mean = features.mean(dim=0)
    wanted = mean.clone()  # (k + 1) * mean - sum of the taken
    free = torch.ones(len(features), dtype=torch.bool, device=features.device)
    order: list[int] = []
    for _ in range(count):
        distance = torch.linalg.vector_norm(wanted - features, dim=1)
        chosen = int(distance.where(free, torch.inf).argmin())
        free[chosen] = False
        order.append(chosen)
        wanted = wanted + mean - features[chosen]
    return torch.tensor(order, dtype=torch.int64)
