"""The values that parts exchange: examples, and the groups of examples that have a loss each.

Three words are reserved (docs/axes.md). An **example** is one training image as the network sees
it, after decoding. A **group** is a set of examples that is compared with real images and has one
loss. The **rank** of an example is the smallest size whose nested set contains it, minus one: the
set of size ``k`` is always ``rank < k``.

Knows nothing about networks, losses or methods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from condensery.placed import on, positions, sent
from condensery.rng import stream

ALL_CLASSES = -1
"""The ``class_`` of a group that contains all classes (kernel and trajectory methods)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Labelled images, real or synthetic, one example in each row.

    Attributes:
        images: ``[example, channel, height, width]``, floating point.
        labels: Class index ``[example]``, or class probabilities ``[example, class_]``; on the
            device of the images.
        class_: The class that each example belongs to, ``[example]``; always on the CPU.
        rank: ``[example]``, always on the CPU; 0 for real examples, which have no order.
        learned_lr: Learned learning rate for training on the examples, a scalar above 0; or None.
        shared: Tensors that a parameterization stores for all rows together, such as bases; empty
            for decoded and for real examples.
    """

    images: Float[Tensor, "example channel height width"]
    labels: Tensor
    class_: Int[Tensor, "example"]
    rank: Int[Tensor, "example"]
    learned_lr: Float[Tensor, ""] | None = None
    shared: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])

    def __len__(self) -> int:
        return self.images.shape[0]

    def with_images(self, images: Tensor) -> Examples:
        """The same examples with other pixels."""
        return replace(self, images=images)

    def to(self, device: torch.device | str) -> Examples:
        """The same examples with images and labels on another device.

        ``class_`` and ``rank`` stay on the CPU: a device would wait each time they are read.
        """
        send = sent if self.labels.is_floating_point() else on  # classes seldom change
        return Examples(
            images=sent(device, self.images),
            labels=send(device, self.labels),
            class_=self.class_.cpu(),
            rank=self.rank.cpu(),
            learned_lr=None if self.learned_lr is None else self.learned_lr.to(device),
            shared={name: tensor.to(device) for name, tensor in self.shared.items()},
        )

    def rows(self, index: Tensor) -> Examples:
        """The examples at ``index`` (positions or a mask, on the CPU), in that order."""
        index = positions(index) if index.dtype == torch.bool else index
        return Examples(
            images=self.images[on(self.images.device, index)],
            labels=self.labels[on(self.labels.device, index)],
            class_=self.class_[index],
            rank=self.rank[index],
            learned_lr=self.learned_lr,
            shared=self.shared,
        )


View = Callable[[Examples], Tensor]
"""From examples in [0, 1] to the normalised and augmented images that a network sees. The random
draw is fixed in the view, so that real and synthetic examples are augmented alike (siamese)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Which examples belong to each group, and which real target each group is matched to.

    All tensors are on the CPU; ``condensery.placed.on`` sends what a device needs, once.

    Attributes:
        member: ``[group, example]``.
        class_: The class of each group, ``[group]``, or ``ALL_CLASSES``.
        size: Images per class that the group stands for, ``[group]``.
        prefixes: Whether every group contains exactly the examples of its class whose rank is below
            its size. Sums over all groups are then one cumulative sum over ranks.
    """

    member: Bool[Tensor, "group example"]
    class_: Int[Tensor, "group"]
    size: Int[Tensor, "group"]
    prefixes: bool = False

    def __len__(self) -> int:
        return self.member.shape[0]

    def rows(self, index: Tensor) -> Groups:
        """The groups at ``index``, over the same examples."""
        return replace(
            self, member=self.member[index], class_=self.class_[index], size=self.size[index]
        )

    def only(self, example: Tensor) -> Groups:
        """The same groups over the examples at ``example`` alone."""
        return replace(self, member=self.member[:, example])

    def passes(self, classes: int, *, examples: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Divide the groups into passes of at most ``classes`` classes, or ``examples`` examples.

        Args:
            classes: At least 1.
            examples: A pass may contain more classes if they have at most so many examples.

        Yields:
            For each pass, the positions of its groups, and the positions of their examples. Every
            group is in one pass; a group of all classes counts as one class.
        """
        left = [(self.class_ == label).nonzero()[:, 0] for label in self.class_.unique()]
        while left:
            many = min(classes, len(left))
            while many < len(left) and len(self._members(left[: many + 1])) <= examples:
                many += 1
            yield torch.cat(left[:many]).sort().values, self._members(left[:many])
            left = left[many:]

    def _members(self, groups: Sequence[Tensor]) -> Tensor:
        return self.member[torch.cat(list(groups))].any(dim=0).nonzero()[:, 0]


FeaturesOf: TypeAlias = Callable[[Tensor], Tensor]
"""Features ``[example, feature]`` of normalised images, under a network that the caller knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """The context of one image update.

    Attributes:
        at: ``(outer, inner)`` iteration, both from 0; part of the path of every random draw.
        network: The network of this update; it must not be changed.
        seed: The seed of the run, from which ``stream`` draws.
        target: Parameters by name of ``network`` after training on real data, for objectives that
            need them; None if the schedule has none. They may be on the CPU: an objective sends
            what it reads to the device of the network.
        state: The state of the objective for the set that is matched; empty if it has none. It must
            not be changed in place.
        background: A function that may run while the images are updated (``parallel.overlap``),
            such as the next training steps of a network of which ``network`` is a copy. If it is
            not called, the schedule calls it before the next context.
        place: The number of ``network`` among networks that come again in the run; None if it never
            does.
        mean_features: The mean feature of the real images of a class under ``network``, from the
            class and a function that computes features; None: real examples are given.
    """

    at: tuple[int, int]
    network: nn.Module
    seed: int = 0
    target: Mapping[str, Tensor] | None = None
    state: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    background: Callable[[], object] | None = None
    place: int | None = None
    mean_features: Callable[[int, FeaturesOf], Tensor] | None = None

    def stream(self, *path: str | int) -> torch.Generator:
        """A random stream of this context, for the draws of an objective."""
        return stream(self.seed, *path, *self.at)


def by_class(examples: Examples) -> Groups:
    """One group of all examples for every class that has examples, ascending by class."""
    classes = examples.class_.unique()
    member = examples.class_[None, :] == classes[:, None]
    return Groups(member=member, class_=classes, size=member.sum(dim=1))


def nested(examples: Examples, sizes: Int[Tensor, "set class_"], *, all_classes: bool) -> Groups:
    """The groups of several sets: set ``s`` takes ``rank < sizes[s, c]`` of class ``c``.

    Args:
        examples: Synthetic examples.
        sizes: Images per class of each set, ``[set, class_]``, at least 1. A class with fewer
            images gives all of them.
        all_classes: Whether one group contains all classes of its set (its ``class_`` is then
            ``ALL_CLASSES``); otherwise there is one group for every class that has examples.

    Returns:
        Groups ordered by set, then class.
    """
    inside = examples.rank[None, :] < sizes[:, examples.class_]  # [set, example]
    if all_classes:
        class_ = torch.full((len(sizes),), ALL_CLASSES, device=sizes.device)
        return Groups(member=inside, class_=class_, size=sizes.amax(dim=1))
    classes = examples.class_.unique()
    own = examples.class_[None, :] == classes[:, None]  # [class_, example]
    member = (inside[:, None, :] & own[None, :, :]).flatten(0, 1)
    class_, size = classes.repeat(len(sizes)), sizes[:, classes].flatten()
    return Groups(member=member, class_=class_, size=size, prefixes=True)
