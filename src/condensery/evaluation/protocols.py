"""The protocols of the papers by name, and the default protocol of a set.

Knows nothing about networks, and nothing about how a training is carried out.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from condensery.augment import Identity, PerExample, PhotoPerExample
from condensery.condensing.objectives import RidgeRegression
from condensery.data.known import may_be_mirrored
from condensery.errors import ConfigError
from condensery.evaluation.protocol import EvaluatedSet, Protocol, hard_name, has_soft_labels
from condensery.registry import find, parts, register
from condensery.training import AdamWTraining, SGDTraining

_EPOCHS = ((1, 3000), (10, 2000), (50, 1500), (200, 1000), (500, 500))
"""For ``imagenet``: number of epochs for up to so many images per class."""

_IMPORTED = {"datm": "datm", "pad": "datm"}
"""Protocols of methods whose sets can only be imported."""

_PHOTO = 64
"""Images with more pixels on a side are photographs for the protocols."""


@register("protocol", "idc")
def idc(evaluated: EvaluatedSet) -> Protocol:
    """The evaluation of IDC, DREAM and MDC for images of 28 to 32 pixels.

    SGD of batch 64 for 1000 epochs, learning rate 0.01, times 0.2 after 2/3 and 5/6 of them;
    colour, flip and one of crop, scale, rotate per image, and CutMix on half of the batches.
    Hard labels, also if the set has learned labels.

    Source:
        Kim et al. 2022 (IDC) and He et al. 2024 (MDC), as in their released evaluation code:
        no flip of digits; MNIST with a factor above 1 without CutMix; SVHN at factor 1 and one
        image per class with cutout in place of CutMix. Differs: the last epoch is reported
        (released: the best of four tests); digits other than MNIST and SVHN are not flipped.
    """
    name = evaluated.data.lower()
    flip = "flip_" if may_be_mirrored(name) else ""
    cutout, cutmix = "", 0.5
    if name == "mnist" and evaluated.examples_each > 1:
        cutmix = 0.0
    if name == "svhn" and evaluated.examples_each == 1 and evaluated.ipc == 1:
        cutout, cutmix = "cutout_", 0.0
    augment = PerExample(strategy=f"color_crop_{cutout}{flip}scale_rotate")
    return Protocol(name="idc", training=SGDTraining(augment=augment, cutmix=cutmix))


@register("protocol", "quick")
def quick(evaluated: EvaluatedSet) -> Protocol:
    """A short evaluation: 1500 steps of full batches, the learning rate along a cosine to 0.

    SGD of batch 64 with learning rate 0.02; augmentation and CutMix are those of ``idc``, and for
    photographs those of ``imagenet``, with 500 steps. Its accuracies are lower than those of
    ``idc`` and are not those of the papers.

    Source:
        Ours.
    """
    photographs = evaluated.side > _PHOTO
    usual = (imagenet if photographs else idc)(evaluated).training
    assert isinstance(usual, SGDTraining)
    return Protocol(
        name="quick",
        training=replace(usual, lr=0.02, batch=64),
        steps=500 if photographs else 1500,
        decay="cosine",
        full_batches=True,
    )


@register("protocol", "imagenet")
def imagenet(evaluated: EvaluatedSet) -> Protocol:
    """The evaluation of IDC, DREAM and MDC for photographs of 128 and 224 pixels.

    SGD of batch 64, learning rate 0.01, times 0.2 after 2/3 and 5/6 of the epochs; a random resized
    crop, flip, colour jitter and lighting per image, and CutMix on every batch. The number of
    epochs falls with the number of decoded images per class of the whole set: 3000 for 1, 2000 up
    to 10, 1500 up to 50, 1000 up to 200, 500 up to 500, then 300. From 100 classes on, it is two
    thirds of this, in hundreds, with learning rate 0.1, weight decay 1e-4 and batch 128.

    Source:
        Kim et al. 2022 (IDC) and He et al. 2024 (MDC), as in their released evaluation code for
        ImageNet-10 and ImageNet-100. Differs: the last epoch is reported (released: the best of
        four tests); baselines have as many epochs as the set (released: as many as their own
        number of images gives).
    """
    epochs = _imagenet_epochs(evaluated)
    training = SGDTraining(
        augment=PhotoPerExample(mean=evaluated.mean, std=evaluated.std), cutmix=1.0
    )
    if evaluated.classes >= 100:
        epochs = 2 * epochs // 3 // 100 * 100
        training = replace(training, batch=128, lr=0.1, weight_decay=1e-4)
    return Protocol(name="imagenet", training=training, epochs=epochs)


@register("protocol", "dance")
def dance(evaluated: EvaluatedSet) -> Protocol:
    """The evaluation of DANCE and TGDD: that of IDC for small images, for 1500 epochs.

    Photographs with a side above 64 pixels are augmented like small images, for as many epochs as
    in ``imagenet``. CutMix is always on half of the batches.

    Source:
        Zhang et al. 2024 (DANCE), as in the released evaluation code. Differs: the last epoch is
        reported (released: the best of many tests).
    """
    flip = "flip_" if may_be_mirrored(evaluated.data) else ""
    training = SGDTraining(augment=PerExample(strategy=f"color_crop_{flip}scale_rotate"))
    epochs = 1500 if evaluated.side <= _PHOTO else _imagenet_epochs(evaluated)
    return Protocol(name="dance", training=training, epochs=epochs)


@register("protocol", "ncfm")
def ncfm(evaluated: EvaluatedSet) -> Protocol:
    """The evaluation of NCFM: AdamW with batch 128 for 2000 epochs, halved after every fifth.

    Learning rate 0.001, weight decay 0.01; augmentation and CutMix are those of ``dance``. Hard
    labels.

    Source:
        Wang et al. 2025 (NCFM), as in the released evaluation code without a teacher. Differs: the
        last epoch is reported (released: the best of many tests); TinyImageNet is trained for as
        many epochs as the other sets.
    """
    augment = dance(evaluated).training.augment
    return Protocol(
        name="ncfm",
        training=AdamWTraining(batch=128, augment=augment),
        epochs=2000,
        milestones=tuple(Fraction(fifth, 5) for fifth in range(1, 5)),
        gamma=0.5,
    )


@register("protocol", "dc")
def dc(evaluated: EvaluatedSet) -> Protocol:
    """The evaluation of DC: no augmentation, and one drop of the learning rate with new momentum.

    SGD of batch 256 for 300 + 1 epochs with learning rate 0.01; after 152 epochs a new optimiser
    with a tenth of it. Hard labels. MNIST: 1000 + 1 epochs with one of crop, scale and rotate.

    Source:
        Zhao, Mopuri, Bilen 2021 (DC), as in the released evaluation code. Differs: on MNIST the
        operation is chosen for each batch and rotates by up to 15 degrees (released: for each
        image, 45); ConvNets with batch norm have no augmentation of their own.
    """
    if evaluated.data.lower() == "mnist":
        return _half("dc", PerExample(strategy="crop_scale_rotate", mode="dsa"), epochs=1000)
    return _half("dc", Identity(), epochs=300)


@register("protocol", "dsa")
def dsa(evaluated: EvaluatedSet) -> Protocol:
    """The evaluation of DSA and DM: that of DC, with one augmentation per batch, 1000 epochs.

    Each batch gets one of colour, crop, cutout, flip, scale and rotate, with different parameters
    for every image; no flip of digits. Hard labels.

    Source:
        Zhao, Bilen 2021 (DSA) and 2023 (DM), as in the released evaluation code. Differs: digits
        other than MNIST and SVHN are not flipped.
    """
    flip = "flip_" if may_be_mirrored(evaluated.data) else ""
    strategy = f"color_crop_cutout_{flip}scale_rotate"
    return _half("dsa", PerExample(strategy=strategy, mode="dsa"), epochs=1000)


@register("protocol", "mtt")
def mtt(evaluated: EvaluatedSet) -> Protocol:
    """The evaluation of MTT: that of DSA, with the learning rate that the set has learned.

    Networks on the baselines have the same learning rate.

    Raises:
        ConfigError: If the set has not learned a learning rate above 0.

    Source:
        Cazenavette et al. 2022 (MTT), as in the released evaluation code. Differs: the final set
        is tested (released: the best result of many sets during the run).
    """
    lr = evaluated.learned_lr
    if lr is None or lr <= 0:
        found = "no learning rate" if lr is None else f"learning rate {lr}"
        raise ConfigError(
            f"protocols 'mtt' and 'datm' train with the learning rate that a set has learned, but "
            f"this set has learned {found}. Use protocol dsa, which is the same with learning rate "
            "0.01, or a set that mtt condensed."
        )
    protocol = dsa(evaluated)
    training = protocol.training
    assert isinstance(training, SGDTraining)
    return replace(protocol, name="mtt", training=replace(training, lr=lr))


@register("protocol", "datm")
def datm(evaluated: EvaluatedSet) -> Protocol:
    """The evaluation of DATM and PAD: that of MTT with batch 128, on the learned labels.

    Raises:
        ConfigError: If the set has not learned a learning rate above 0.

    Source:
        Guo et al. 2024 (DATM) and Li et al. 2024 (PAD), as in the released evaluation code and
        configurations. Differs: as ``mtt``; the stored labels are probabilities, the softmax of the
        released logits.
    """
    protocol = mtt(evaluated)
    training = protocol.training
    assert isinstance(training, SGDTraining)
    return replace(protocol, name="datm", training=replace(training, batch=128), labels="soft")


@register("protocol", "kip")
def kip(evaluated: EvaluatedSet) -> Protocol:
    """The evaluation of KIP: the regression for which the set was condensed, and no network.

    Learned labels are used if the set has any. A set of another objective is tested with the
    default kernel of KIP.

    Source:
        Nguyen et al. 2021 (KIP), as in the released notebook. Differs: none.
    """
    return Protocol(
        name="kip",
        training=SGDTraining(),
        labels="soft",
        regression=evaluated.regression or RidgeRegression(),
    )


@register("protocol", "frepo")
def frepo(evaluated: EvaluatedSet) -> Protocol:
    """An approximation of the evaluation of FRePo: that of DSA, with learned labels.

    A set without learned labels is trained with its classes.

    Source:
        Zhou, Nezhadarya, Ba 2022 (FRePo). Differs: SGD on the cross-entropy (released: Adam on the
        squared error, and a running average of the weights is tested).
    """
    return replace(dsa(evaluated), name="frepo", labels="soft")


@register("protocol", "adamw")
def adamw(evaluated: EvaluatedSet) -> Protocol:
    """The evaluation of IDC with another optimiser: AdamW, with a learning rate along a cosine.

    Batch 64 for 1000 epochs, learning rate 0.001, weight decay 0.01; augmentation and CutMix are
    those of ``idc``.

    Source:
        Ours: shows whether a result depends on the optimiser of the evaluation.
    """
    usual = idc(evaluated)
    training = AdamWTraining(augment=usual.training.augment, cutmix=usual.training.cutmix)
    return Protocol(name="adamw", training=training, decay="cosine")


@register("protocol", "teacher")
def teacher(evaluated: EvaluatedSet) -> Protocol:
    """The evaluation of relabelled sets: ``adamw`` on the labels of the experts.

    A set without learned labels is refused. If the set was relabelled, baselines get labels of the
    same experts.

    Source:
        Ours, with the optimiser of SRe2L and RDED. Differs: labels are stored and not computed for
        every batch, and the loss is the cross-entropy.
    """
    return replace(adamw(evaluated), name="teacher", labels="soft")


def _imagenet_epochs(evaluated: EvaluatedSet) -> int:
    """Number of epochs of ``imagenet``: fewer for more decoded images per class."""
    images = evaluated.ipc * evaluated.examples_each
    return next((count for most, count in _EPOCHS if images <= most), 300)


def _half(name: str, augment: Identity | PerExample, *, epochs: int) -> Protocol:
    """The common part of DC, DSA, DM and MTT: one drop just after the middle."""
    return Protocol(
        name=name,
        training=SGDTraining(batch=256, augment=augment, cutmix=0.0),
        epochs=epochs,
        milestones=(Fraction(1, 2),),
        gamma=0.1,
        extra=1,
        late=2,
        restart=True,
    )


def usual_protocol(side: int) -> str:
    """The protocol of IDC for images of ``side`` pixels, which compares all methods."""
    return "imagenet" if side > _PHOTO else "idc"


def published_protocol(method: str) -> str:
    """Name of the protocol with which a method was published; empty: the usual one."""
    return _IMPORTED.get(method) or getattr(parts("method").get(method), "protocol", "")


def full_epochs(name: str, evaluated: EvaluatedSet) -> int | None:
    """Published number of epochs of a protocol.

    Args:
        name: Name of the protocol in observations, such as ``"dsa"`` or ``"dsa-soft"``.
        evaluated: The set that is tested; the length of some protocols depends on the set.

    Returns:
        The number; ``None`` if no network is trained, or the protocol is unknown.
    """
    try:
        protocol = _resolved(hard_name(name), evaluated)
    except ConfigError:
        return None
    return None if protocol.regression is not None or protocol.steps else protocol.epochs


def _resolved(name: str, evaluated: EvaluatedSet) -> Protocol:
    protocol = find("protocol", name)(evaluated)
    if not isinstance(protocol, Protocol):
        raise ConfigError(
            f"protocol = {name!r} gave {protocol!r}. It must be a function from an EvaluatedSet "
            "to a condensery.evaluation.Protocol."
        )
    return protocol


def protocol_for(
    protocol: str | Protocol | None,
    evaluated: EvaluatedSet,
    *,
    epochs: int | None = None,
    steps: int | None = None,
    labels: str | None = None,
) -> Protocol:
    """A protocol resolved for one condensed set, at full length or at another.

    Args:
        protocol: A name, ``"package.module:function"``, or a ``Protocol`` of your own; ``None`` is
            the protocol with which the method of the set was published. If there is none, it is
            ``idc``, or ``imagenet`` for images with a side above 64 pixels.
        evaluated: The set that is tested.
        epochs: Number of epochs, instead of that of the protocol.
        steps: A fixed number of optimiser steps instead of epochs (see ``Protocol``).
        labels: ``"hard"`` or ``"soft"``, instead of the labels of the protocol. The name of the
            protocol then contains them, such as ``dsa-soft``; so does that of a protocol of your
            own with soft labels, because its results must not be mixed with those of hard labels.

    Raises:
        ConfigError: If a name is unknown, both ``epochs`` and ``steps`` are given, or the set lacks
            something that the protocol needs.
    """
    if epochs is not None and steps is not None:
        raise ConfigError(
            f"epochs = {epochs} and steps = {steps} are two lengths for one training. Give epochs "
            "(the papers' way) or steps (the same for every set and size), not both."
        )
    if protocol is None:
        protocol = published_protocol(evaluated.method) or usual_protocol(evaluated.side)
    if isinstance(protocol, str):
        protocol = _resolved(protocol, evaluated)
    if labels is not None and labels != protocol.labels:
        protocol = replace(protocol, name=f"{protocol.name}-{labels}", labels=labels)
    if protocol.labels == "soft" and not has_soft_labels(protocol.name):
        protocol = replace(protocol, name=f"{protocol.name}-soft")
    if epochs is not None:
        return replace(protocol, epochs=epochs, steps=None)
    return protocol if steps is None else replace(protocol, steps=steps)
