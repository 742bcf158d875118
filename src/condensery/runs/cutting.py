"""A smaller set out of a condensed set: by size, bytes, time of training or accuracy."""

from __future__ import annotations

from condensery.condensed.artifact import CondensedSet
from condensery.condensed.choosing import by_accuracy
from condensery.devices import usable
from condensery.errors import ConfigError
from condensery.evaluation import TrainingTimer, by_seconds
from condensery.runs import machine


def cut(
    condensed: CondensedSet,
    *,
    ipc: int | None = None,
    bytes: int | None = None,
    seconds: float | None = None,
    accuracy: float | None = None,
    network: str | None = None,
    protocol: str | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    device: str = "cpu",
    threads: int | None = None,
) -> tuple[CondensedSet, str]:
    """Choose a size and take it.

    Args:
        condensed: The whole set.
        ipc: Images per class.
        bytes: Choose the largest size whose file has at most so many bytes.
        seconds: Choose the largest size on which a training takes at most this time here; some
            steps are measured.
        accuracy: Choose the smallest tested size with this share, in 0..1, of the accuracy at full
            size, by the observations of the set.
        network: The network for ``seconds`` and ``accuracy``, as the options below.
        protocol: Its protocol.
        epochs: Length of its training in epochs.
        steps: Length of its training in steps.
        device: The device for ``seconds``.
        threads: The threads of torch for ``seconds``.

    Returns:
        The smaller set, and the reason of the choice; empty for ``ipc``.

    Raises:
        ConfigError: If not exactly one of the first four is given, or no size fits.
    """
    given = [each for each in (ipc, bytes, seconds, accuracy) if each is not None]
    if len(given) != 1:
        raise ConfigError("Choose a size by one of ipc, bytes, seconds and accuracy.")
    if ipc is not None:
        return condensed.take(ipc), ""
    if bytes is not None:
        small = condensed.fit_bytes(bytes)
        return small, _why_bytes(condensed, small, bytes)
    largest = condensed.sizes
    if accuracy is not None:
        choice = by_accuracy(
            condensed.observations,
            accuracy,
            largest=largest,
            network=network,
            protocol=protocol,
            epochs=epochs,
            steps=steps,
        )
        return condensed.take(choice.size), choice.why
    assert seconds is not None
    device = usable(device)
    network = network or "convnet3"
    with machine.torch_threads(threads) as used:
        timer = TrainingTimer(
            condensed, network=network, device=device, protocol=protocol, epochs=epochs, steps=steps
        )
        choice = by_seconds(timer, seconds, largest=largest)
    where = f"{used} thread{'' if used == 1 else 's'}" if device == "cpu" else device
    return condensed.take(choice.size), f"{choice.why}, {network}, fp32, {where}"


def _why_bytes(whole: CondensedSet, small: CondensedSet, budget: int) -> str:
    size, taken = small.sizes, len(small.to_bytes())
    text = f"size {size} of {whole.sizes}: {taken:,} of {budget:,} bytes"
    if size == whole.sizes:
        return text
    return f"{text}; size {size + 1} takes {len(whole.take(size + 1).to_bytes()):,}"
