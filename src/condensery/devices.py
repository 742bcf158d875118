"""Which device computes, and what is set while it does.

On a device that is not the CPU, one thread of the CPU gives it its work: several would only wait
for each other. float32 is exact ("ieee") unless TF32 is asked for, whatever torch does by default.
After ``torch.use_deterministic_algorithms(True)`` everything else that lets a GPU add in another
order is set as well. None of this stays set: code of the user outside of our work has its own
settings. What stays is that a CPU process keeps freed memory (``keep_freed_memory``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

import torch

from condensery.errors import ConfigError
from condensery.parallel import one_worker

_T = TypeVar("_T")


def accelerated(device: torch.device | str) -> bool:
    """Whether the device is not the CPU."""
    return torch.device(device).type != "cpu"


def usable(device: str) -> str:
    """The device that a user asked for.

    Args:
        device: Such as ``"cpu"`` or ``"cuda"``; ``"auto"`` is ``"cuda"`` if there is a GPU that can
            compute and differentiate a convolution, and otherwise ``"cpu"``.

    Raises:
        ConfigError: If torch cannot use the device here, with its reason.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() and _fails("cuda") is None else "cpu"
    reason = _fails(device)
    if reason is not None:
        raise ConfigError(
            f"--device {device}: cannot be used ({reason}). Use cpu, auto, or cuda where there is "
            "one."
        )
    return device


def _fails(device: str) -> str | None:
    """Why a small computation fails on a device; None if it does not."""
    try:
        if not accelerated(device):
            return None
        x = torch.ones(1, 1, 4, 4, device=device, requires_grad=True)
        torch.nn.functional.conv2d(x, x.detach()[..., :3, :3]).sum().backward()
        x.grad.sum().item()  # pyright: ignore[reportOptionalMemberAccess]
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        return str(error).partition("\n")[0].rstrip(".")
    return None


def model(device: torch.device | str) -> str:
    """The device and what decides its rounding.

    Returns:
        Such as ``"cpu (AVX512)"``, or ``"cuda (NVIDIA H200), deterministic"``.
    """
    kind = torch.device(device).type
    if kind == "cpu":
        return f"{kind} ({torch.backends.cpu.get_cpu_capability()})"
    name = f"{kind} ({torch.cuda.get_device_name(device)})" if kind == "cuda" else kind
    return name + (", deterministic" if torch.are_deterministic_algorithms_enabled() else "")


def free_memory(device: torch.device | str) -> int | None:
    """Bytes that are free on a GPU; None for other devices."""
    device = torch.device(device)
    there = device.type == "cuda" and torch.cuda.is_available()
    return torch.cuda.mem_get_info(device)[0] if there else None


def check_precision(device: torch.device | str, precision: str) -> None:
    """Refuse a precision that the device does not have.

    Raises:
        ConfigError: For ``"tf32"`` on a CPU.
    """
    if precision == "tf32" and not accelerated(device):
        raise ConfigError(
            f"precision = 'tf32' on {device}: only GPUs multiply so. Use precision = fp32, or bf16 "
            "on a processor that multiplies bfloat16."
        )


@contextmanager
def deterministic(when: bool = True) -> Generator[None]:
    """``torch.use_deterministic_algorithms(True)`` in the body.

    Args:
        when: If False, nothing changes.
    """
    change = when and not torch.are_deterministic_algorithms_enabled()
    if change:
        torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        if change:
            torch.use_deterministic_algorithms(False)


@contextmanager
def computing(device: torch.device | str, precision: str) -> Generator[None]:
    """What is set while the library computes on a device; see the module.

    Args:
        device: The device of the networks.
        precision: ``"tf32"`` lets a GPU round the factors of float32 products to 10 bits, in
            convolutions and matrix products. ``"fp32"`` and ``"bf16"`` do not.

    Raises:
        ConfigError: For ``"tf32"`` on a CPU, which does not have it; if a GPU cannot compute
            something in a fixed order, and torch was asked for it.
    """
    check_precision(device, precision)
    if not accelerated(device):
        keep_freed_memory()
        yield
        return
    ordered = torch.are_deterministic_algorithms_enabled()
    wanted = _products("tf32" if precision == "tf32" else "ieee") + (_ordered() if ordered else [])
    before = [(setting, name, getattr(setting, name)) for setting, name, _ in wanted]
    try:
        for setting, name, value in wanted:
            setattr(setting, name, value)
        with one_worker():
            yield
    except RuntimeError as error:
        if not ordered or "deterministic" not in str(error):
            raise
        raise ConfigError(
            f"--deterministic on {device}: torch has no such algorithm ({str(error)[:300]}). Leave "
            "--deterministic out, or choose a part that does without this operation."
        ) from error
    finally:
        for setting, name, value in before:
            setattr(setting, name, value)


@cache
def keep_freed_memory() -> None:
    """Let glibc keep up to 64 MB of freed memory instead of giving it back to the system.

    Otherwise every page of a feature map faults again at its next use: a fifth of the time. glibc
    learns from the blocks that are freed (the largest mapped one, up to 32 MB) how much it should
    keep (twice as much), so this allocates one such block and frees it. The block is never
    written, so it costs no memory. Other allocators are not affected.
    """
    torch.empty(2**25 - 2**16, dtype=torch.uint8)


def _ordered() -> list[tuple[Any, str, Any]]:
    """What has to be set besides ``torch.use_deterministic_algorithms``.

    cuBLAS reads its variable before its first product, and cuDNN otherwise chooses among its
    algorithms by their time.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    cudnn = torch.backends.cudnn
    return [(cudnn, "deterministic", True), (cudnn, "benchmark", False)]


def _products(kind: str) -> list[tuple[Any, str, Any]]:
    """How float32 is multiplied on a GPU, ``"ieee"`` or ``"tf32"``; since 2.9 for each operator."""
    cuda, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    if hasattr(cuda, "fp32_precision"):
        return [(part, "fp32_precision", kind) for part in (cuda, cudnn.conv, cudnn.rnn)]  # pyright: ignore[reportAttributeAccessIssue]
    return [(part, "allow_tf32", kind == "tf32") for part in (cuda, cudnn)]


def steps_on(device: torch.device | str, precision: str, steps: Iterator[_T]) -> Generator[_T]:
    """The same steps, each under ``computing``; between two steps nothing is set."""
    ask: Callable[[], _T] = steps.__next__
    while True:
        with computing(device, precision):
            try:
                found = ask()
            except StopIteration:
                return
        yield found
