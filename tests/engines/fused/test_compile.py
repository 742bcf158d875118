"""Compiled code and what replaces something that all threads share wait for each other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from condensery import networks
from condensery.engines.fused.compile import Compiled
from condensery.engines.fused.network_plan import network_plan
from condensery.engines.fused.plan import plan
from condensery.engines.toolchain import Fallback
from condensery.parallel import exclusive_lock, shared_lock


class Uncompiled(Compiled):
    """Takes the function itself for the compiled one."""

    def _first_call(self, kind: tuple[object, ...], *arguments: Tensor) -> Tensor:
        self.compiling = kind
        self._compiled[kind] = self._function
        return self._function(*arguments)


def uncompiled(function: Callable[[Tensor], Tensor]) -> Uncompiled:
    return Uncompiled(function, kind=lambda x: (x.dtype,), dynamic=lambda _: ())


def waits(do: Callable[[], object]) -> bool:
    """Whether a thread that does this is still about it after a while."""
    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    thread.join(timeout=0.1)
    return thread.is_alive()


def compute() -> None:
    with shared_lock:
        pass


def replace() -> None:
    with exclusive_lock():
        pass


def build() -> torch.nn.Module:
    return networks.build("convnet2-w4", channels=1, classes=2, side=(8, 8), seed=0, path=())


def fails() -> None:
    raise RuntimeError


def test_what_replaces_something_waits_for_compiled_code(each):
    for do in each(
        [
            partial(plan, build()),
            build,
            lambda: uncompiled(torch.neg)(torch.zeros(1)),
            lambda: Fallback(fails, int, what="nothing")(),
        ]
    ):
        with shared_lock:
            assert waits(do)
        with exclusive_lock():
            do()
            assert waits(do)


def test_a_network_is_shown_an_image_while_nothing_else_computes():
    network = build()
    seen: list[bool] = []
    network.register_forward_hook(lambda *_: seen.append(waits(compute)))
    network_plan(network, torch.zeros(1, 1, 8, 8))
    assert seen[-1]


def test_compiled_code_runs_beside_compiled_code_alone():
    go, begun = threading.Event(), threading.Event()

    def slow(x: Tensor) -> Tensor:
        if x.ndim:
            begun.set()
            assert go.wait(timeout=10)
        return -x

    compiled = uncompiled(slow)
    compiled(torch.zeros(()))
    with exclusive_lock():
        assert waits(lambda: compiled(torch.zeros(())))
    other = threading.Thread(target=compiled, args=[torch.zeros(1)])
    other.start()
    assert begun.wait(timeout=10)
    assert torch.equal(compiled(torch.ones(())), -torch.ones(()))
    assert waits(replace)
    go.set()
    other.join(timeout=10)
