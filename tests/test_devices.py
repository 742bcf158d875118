"""What is set while the library computes on a device is not set outside; devices are checked."""

from __future__ import annotations

import os

import pytest
import torch

import condensery
from condensery import devices
from condensery.devices import computing, deterministic, free_memory, steps_on, usable
from condensery.errors import ConfigError
from condensery.parallel import map_threads, overlap, workers


def rounding():
    """How a GPU would multiply float32 now."""
    return [getattr(setting, name) for setting, name, _ in devices._products("ieee")]


NEW = hasattr(torch.backends.cuda.matmul, "fp32_precision")
EXACT, TF32 = ({"ieee"}, {"tf32"}) if NEW else ({False}, {True})
"""What ``rounding`` gives; torch before 2.9 has a switch in place of a word."""


@pytest.fixture
def fixed(monkeypatch):
    """``torch.use_deterministic_algorithms(True)``; another process decides what cuBLAS reads."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")  # which is removed in the end
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    with deterministic():
        yield


def test_a_device_that_torch_cannot_use_is_refused_with_its_reason(each):
    assert usable("cpu") == "cpu"
    for name in each(["nonsense", "cuda:99"]):
        with pytest.raises(ConfigError, match=rf"--device {name}: cannot be used \(.+\). Use cpu"):
            usable(name)
    with pytest.raises(ConfigError, match="cannot be used"):
        condensery.condense(condensery.load_data("digits"), device="nonsense", preset="smoke")


def test_auto_is_a_gpu_only_if_it_computes(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert usable("auto") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(devices, "_fails", lambda device: "no kernel image is available")
    assert usable("auto") == "cpu"
    monkeypatch.setattr(devices, "_fails", lambda device: None)
    assert usable("auto") == "cuda"
    assert free_memory("cpu") is None


def test_float32_is_exact_unless_tf32_is_asked_for_and_nothing_stays_set(each):
    before = rounding()
    for precision in each(["fp32", "bf16", "tf32"]):
        with computing("meta", precision):
            assert set(rounding()) == (TF32 if precision == "tf32" else EXACT)
        assert rounding() == before
    with pytest.raises(KeyError), computing("meta", "tf32"):
        raise KeyError
    assert rounding() == before
    with computing("cpu", "fp32"):
        assert rounding() == before


@pytest.mark.usefixtures("fixed")
def test_what_else_decides_an_order_is_set_while_a_device_computes():
    cudnn = torch.backends.cudnn
    with cudnn.flags(benchmark=True, deterministic=False):
        with computing("cpu", "fp32"):
            assert (cudnn.benchmark, cudnn.deterministic) == (True, False)
        assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
        with computing("meta", "fp32"):
            assert (cudnn.benchmark, cudnn.deterministic) == (False, True)
            assert getattr(torch._inductor.config, "deterministic", True)  # older ones have none
        assert (cudnn.benchmark, cudnn.deterministic) == (True, False)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert devices.model("meta") == "meta, deterministic"
    assert "deterministic" not in devices.model("cpu")


@pytest.mark.usefixtures("fixed")
def test_what_torch_cannot_do_in_a_fixed_order_is_refused_by_its_name():
    def refuse():
        with computing("meta", "fp32"):
            raise RuntimeError("grid_sampler_2d_backward does not have a deterministic algorithm.")

    with pytest.raises(ConfigError, match=r"--deterministic on meta: .*grid_sampler_2d_backward"):
        refuse()
    torch.use_deterministic_algorithms(False)
    with pytest.raises(RuntimeError, match="grid_sampler"):
        refuse()


def test_tf32_on_a_cpu_is_refused_before_any_work():
    data = condensery.load_data("digits")
    asked = {"method": "dm", "ipc": 1, "preset": "smoke"}
    with pytest.raises(ConfigError, match="precision = 'tf32' on cpu: only GPUs multiply so"):
        condensery.condense(data, **asked, settings={"precision": "tf32"})
    chosen = condensery.select(data, by="first", ipc=1)
    with pytest.raises(ConfigError, match="only GPUs multiply so"):
        condensery.evaluate(chosen, data, precision="tf32")
    with pytest.raises(ConfigError, match="only GPUs multiply so"), computing("cpu", "tf32"):
        pass


def test_between_two_steps_nothing_is_set():
    before = rounding()

    def work():
        for number in range(2):
            assert set(rounding()) == EXACT
            assert workers() == 1
            yield number

    seen = []
    for number in steps_on("meta", "fp32", work()):
        assert rounding() == before
        seen.append(number)
    assert seen == [0, 1]


def test_on_a_device_one_thread_does_everything(threads):
    from threading import get_ident

    threads(3)
    found, ran = set(), []
    with computing("meta", "fp32"):
        found.update(map_threads(lambda _: get_ident(), range(6), chunks=3))
        with overlap(lambda: ran.append(get_ident())):
            ran.append(0)
    assert found == {get_ident()}
    assert ran == [0, get_ident()]
    assert workers() == 3
