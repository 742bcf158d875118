"""Small tensors of the CPU on another device, each value sent once.

Which examples belong together is known on the CPU and seldom changes. The device would wait if it
were sent again at every step.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock

import torch
from torch import Tensor

_MOST = 2048
"""Number of remembered values; those that were not used for the longest time are forgotten."""

_LARGEST = 2**20
"""Bytes of the largest remembered value; it would take longer to recognise larger ones."""

_known: OrderedDict[tuple[object, ...], Tensor] = OrderedDict()
_lock = Lock()


def on(device: torch.device | str, tensor: Tensor) -> Tensor:
    """A tensor on a device; if the same value was sent before, the tensor of that time.

    Args:
        device: Only tensors that go from the CPU to another device are remembered.
        tensor: Without a graph.

    Returns:
        A tensor that must not be changed in place.
    """
    device = torch.device(device)
    if device.type == "cpu" or tensor.device.type != "cpu":
        return tensor.to(device)
    if tensor.numel() * tensor.element_size() > _LARGEST:
        return sent(device, tensor)
    content = tensor.contiguous().reshape(-1).view(torch.uint8).numpy()
    value = hashlib.blake2b(content.data, digest_size=16).digest()
    key = (str(device), tensor.dtype, tuple(tensor.shape), value)
    with _lock:
        if key not in _known:
            _known[key] = sent(device, tensor)
            while len(_known) > _MOST:
                _known.popitem(last=False)
        _known.move_to_end(key)
        return _known[key]


def sent(device: torch.device | str, tensor: Tensor) -> Tensor:
    """A tensor on a device, without waiting for the end of the copy where that can be."""
    device = torch.device(device)
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def positions(mask: Tensor) -> Tensor:
    """The positions where a mask of the CPU is true, ``[position]``.

    A mask as an index makes a device wait, because the size of the result is not known.
    """
    return mask.nonzero()[:, 0]
