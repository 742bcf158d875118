"""A pretend accelerator: the CPU behind another device name, so device faults show without a GPU.

Inside ``Pretending()`` there is a device ``pretend:0``. Its tensors hold real CPU tensors, so
results are the CPU's bit for bit, but an operation that mixes them with tensors of the CPU is
refused, as CUDA refuses it; and whatever would make a GPU wait is noted with the line that asked:

    with Pretending() as seen:
        condense(data, method="mdc", ipc=2, preset="smoke", device="pretend:0").result()
    seen.total("sync")         # reads of a value, nonzero, unique, equal: the host waits
    seen.total("to-device")    # copies to the device, explicit or by a CPU index
    seen.total("to-host")
    for event, times in seen.most(10): ...

What it cannot show: CUDA kernels and their rounding (TF32, kernels that are not deterministic),
streams, graphs, memory, speed. It computes with one host thread.

It stands on ``torch.utils.backend_registration._setup_privateuseone_for_python_backend``, which is
experimental (seen in torch 2.13): ``available()`` says whether it is there. The name of the backend
is given once a process and stays.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import torch
from torch.utils import _pytree as tree
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["DEVICE", "Event", "Pretend", "Pretending", "available"]

DEVICE = "pretend:0"
_KIND = "pretend"
_SETUP = "_setup_privateuseone_for_python_backend"

_LIBRARIES: list[torch.library.Library] = []

aten = torch.ops.aten
_INDEXED = {
    aten.index.Tensor, aten.index_put_.default, aten.index_put.default,
    aten._index_put_impl_.default, aten._unsafe_index.Tensor,
}  # fmt: skip
"""CUDA takes an index of the CPU here, and copies it."""
_MOVES = {aten._to_copy.default, aten.copy_.default}
_WAITS = {
    aten._local_scalar_dense.default, aten.nonzero.default, aten._unique2.default,
    aten.unique_dim.default, aten.unique_consecutive.default, aten.equal.default,
    aten.is_nonzero.default, aten.masked_select.default,
}  # fmt: skip
"""The size of the result, or the result, is needed on the host."""


def available() -> bool:
    """Whether this torch has what the pretend device stands on."""
    return hasattr(backend_registration, _SETUP)


class Event(NamedTuple):
    """What would have cost a GPU time.

    Attributes:
        kind: ``"sync"``, ``"to-device"`` or ``"to-host"``.
        what: The operation; ``"index"`` for an index that lay on the CPU.
        place: ``file:line`` of the innermost frame of the watched package.
    """

    kind: str
    what: str
    place: str


class Pretend(torch.Tensor):
    """A tensor that says it is on the device."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> Pretend:
        """Around a tensor of the CPU."""
        made = torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, strides=inner.stride(), storage_offset=inner.storage_offset(),
            dtype=inner.dtype, device=torch.device(DEVICE),
        )  # fmt: skip
        made.inner = inner
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})

    def __repr__(self, **_: Any) -> str:
        return f"Pretend({self.inner!r})"

    def tolist(self) -> Any:
        """Reading values waits."""
        _note("sync", "tolist")
        return self.inner.tolist()


class Pretending(TorchDispatchMode):
    """The device is there inside; ``events`` counts what it saw.

    Args:
        package: Files whose path contains ``/PACKAGE/`` are named as places.

    Three things of torch are replaced meanwhile: autograd's threads are off (they know nothing of
    the mode), ``group_norm`` is written out (the double backward of the built-in one does not
    survive the disguise), and ``torch.tensor(device=)`` goes by way of the CPU.
    """

    _now: Pretending | None = None

    def __init__(self, package: str = "condensery") -> None:
        super().__init__()
        _register()
        self.events: Counter[Event] = Counter()
        self._package = f"/{package}/"
        self._undo: list[Callable[[], object]] = []

    def __enter__(self) -> Pretending:
        threads = torch.autograd.is_multithreading_enabled()
        torch.autograd.set_multithreading_enabled(False)
        self._undo.append(lambda: torch.autograd.set_multithreading_enabled(threads))
        self._replace(torch.nn.functional, "group_norm", _group_norm)
        self._replace(torch, "tensor", _tensor(torch.tensor))
        Pretending._now = self
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        Pretending._now = None
        while self._undo:
            self._undo.pop()()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})

    def total(self, kind: str) -> int:
        """How often something of a kind happened."""
        return sum(times for event, times in self.events.items() if event.kind == kind)

    def most(self, count: int | None = None) -> list[tuple[Event, int]]:
        """What happened most."""
        return self.events.most_common(count)

    def clear(self) -> None:
        """Count from here."""
        self.events.clear()

    def _replace(self, owner: Any, name: str, by: Any) -> None:
        before = getattr(owner, name)
        setattr(owner, name, by)
        self._undo.append(lambda: setattr(owner, name, before))

    def _place(self) -> str:
        for frame in reversed(traceback.extract_stack()):
            _, inside, rest = frame.filename.rpartition(self._package)
            if inside and rest != "placed.py":  # who asked it to send
                return f"{rest}:{frame.lineno}"
        return "?"


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """One operation: where its tensors are is checked, what is inside computes."""
    leaves = [t for t in tree.tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
    ours = [t for t in leaves if isinstance(t, Pretend)]
    plain = [t for t in leaves if not isinstance(t, Pretend) and t.ndim > 0]  # scalars may mix
    wanted = kwargs.get("device")
    there = None if wanted is None else torch.device(wanted).type == _KIND
    if ours and plain and func not in _MOVES:
        if func not in _INDEXED or not isinstance(args[0], Pretend):
            found = ", ".join(f"{tuple(t.shape)} on {t.device}" for t in leaves)
            raise RuntimeError(
                f"{func}: expected all tensors to be on the same device, found {found} ({_where()})"
            )
        _note("to-device", "index")
    if ours and func in _WAITS:
        _note("sync", str(func))
    if func is aten.copy_.default and ours and plain:
        _note("to-device" if isinstance(args[0], Pretend) else "to-host", "copy_")
    if func is aten._to_copy.default and there is not None and there != bool(ours):
        _note("to-device" if there else "to-host", "to")
    cpu = {name: _on_cpu(value) for name, value in kwargs.items()}
    out = func(*tree.tree_map(_inner, args), **tree.tree_map(_inner, cpu))
    on = bool(ours) if there is None else there
    if func is aten.copy_.default:
        on = isinstance(args[0], Pretend)
    known = {id(t.inner): t for t in ours} | {id(t): t for t in leaves}  # in place: the same object

    def disguised(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return known.get(id(value)) if id(value) in known else Pretend(value) if on else value

    return tree.tree_map(disguised, out)


def _inner(value: Any) -> Any:
    return value.inner if isinstance(value, Pretend) else value


def _on_cpu(value: Any) -> Any:
    pretends = isinstance(value, torch.device) and value.type == _KIND
    return torch.device("cpu") if pretends else value


def _note(kind: str, what: str) -> None:
    if Pretending._now is not None:
        Pretending._now.events[Event(kind, what, Pretending._now._place())] += 1


def _where() -> str:
    return "?" if Pretending._now is None else Pretending._now._place()


@cache
def _register() -> None:
    """Tell torch of the device, once a process."""
    if not available():
        raise RuntimeError(f"torch {torch.__version__} has no {_SETUP}: no pretend device here.")
    module = type(
        "_Module",
        (backend_registration._DummyBackendModule,),
        {"get_amp_supported_dtype": lambda self: [torch.bfloat16, torch.float16]},
    )()
    getattr(backend_registration, _SETUP)(_KIND, backend_module=module)
    # Autocast may be entered, and casts nothing.
    passing = torch.library.Library("_", "IMPL")
    passing.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    _LIBRARIES.append(passing)  # it undoes itself when it is dropped


def _group_norm(
    x: torch.Tensor, groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> torch.Tensor:
    """The definition, in operations whose derivatives are plain, too."""
    flat = x.reshape(x.shape[0], groups, -1)
    centred = flat - flat.mean(dim=2, keepdim=True)
    y = centred * (centred.square().mean(dim=2, keepdim=True) + eps).rsqrt()
    shape = [1, -1] + [1] * (x.ndim - 2)
    y = y.reshape(x.shape)
    y = y if weight is None else y * weight.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)


def _tensor(original: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def made(data: Any, *, device: Any = None, **rest: Any) -> torch.Tensor:
        found = original(data, **rest)
        return found if device is None else found.to(device)

    return made
