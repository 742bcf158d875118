"""The pool of Ray with a stand-in for Ray, whose workers are calls in this process.

``tests/journeys/test_ray.py`` uses Ray itself.
"""

from __future__ import annotations

import pickle
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from condensery.data import load_data
from condensery.devices import deterministic
from condensery.errors import ConfigError, LostWorkers
from condensery.evaluation import read_observations
from condensery.interrupts import set_interrupt_check
from condensery.parallel import Pool, pool_of, ray_pool
from condensery.runs import EvaluationPlan, evaluate_file
from condensery.selection import random_selection


class TaskError(Exception):
    """An error in a task, with its cause."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Lost(Exception):
    """The worker of a task has ended."""


class Ray(ModuleType):
    """What ``RayPool`` uses of Ray. A task runs when its next result is asked for."""

    exceptions = SimpleNamespace(
        RayTaskError=TaskError,
        WorkerCrashedError=Lost,
        NodeDiedError=Lost,
        OutOfMemoryError=type("OutOfMemoryError", (Lost,), {}),
        ObjectLostError=Lost,
    )
    util = SimpleNamespace(get_node_ip_address=lambda: "127.0.0.1")
    cloudpickle = pickle

    def __init__(self) -> None:
        super().__init__("ray")
        self.__spec__ = ModuleSpec("ray", None)
        self.begun: list[dict[str, Any]] = []
        self.lose = 0  # how many of the next tasks are lost after their first result
        self.cancelled = 0

    def is_initialized(self) -> bool:
        return bool(self.begun)

    def init(self, **choices: Any) -> None:
        self.begun.append(choices)

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2.0}

    def put(self, value: object) -> tuple[object]:
        return (value,)

    def get(self, ref: Any) -> Any:
        (value,) = ref
        if isinstance(value, Exception):
            raise value
        return value

    def remote(self, function: Callable[..., Iterator[Any]]) -> Any:
        def submit(*arguments: Any) -> Iterator[tuple[Any]]:
            lost, self.lose = self.lose > 0, max(0, self.lose - 1)
            try:
                for number, result in enumerate(function(*arguments)):
                    if lost and number == 1:
                        yield (Lost("gone"),)
                        return
                    yield (result,)
            except Exception as error:
                yield (TaskError(error),)

        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=submit))

    def wait(self, streams: list[Any], **_: Any) -> tuple[list[Any], list[Any]]:
        return streams[:1], streams[1:]

    def cancel(self, stream: Any) -> None:
        del stream
        self.cancelled += 1


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ray:
    there = Ray()
    monkeypatch.setitem(sys.modules, "ray", there)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return there


def count_to(number: int) -> Iterator[int]:
    yield from range(number)


def test_ctrl_c_keeps_what_is_finished_and_the_same_call_trains_the_rest(ray: Ray, tmp_path: Path):
    data = load_data("digits")
    few = replace(data.test, images=data.test.images[:50], labels=data.test.labels[:50])
    data = replace(data, test=few)
    file, out = tmp_path / "set.safetensors", tmp_path / "observations.jsonl"
    random_selection(data.train, ipc=2, seed=5).save(file)

    def evaluated() -> None:
        plan = EvaluationPlan(networks=("convnet2-w4",), seeds=2, steps=2)
        evaluate_file(file, data, evaluation=plan, out=out, save=False, on="ray")

    def interrupt() -> None:
        if out.exists() and len(read_observations(out)) == 3:
            raise KeyboardInterrupt

    set_interrupt_check(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            evaluated()
    finally:
        set_interrupt_check(None)
    kept = read_observations(out)
    assert len(kept) == 3
    assert ray.cancelled == 8 - 2  # the third one has not said yet that it ended
    evaluated()
    assert read_observations(out)[:3] == kept
    assert len({each.key for each in read_observations(out)}) == 8


def test_a_worker_with_other_versions_is_refused_by_name(ray: Ray, monkeypatch: pytest.MonkeyPatch):
    there = ray_pool._versions()
    monkeypatch.setattr(ray_pool, "_versions", lambda: {**there, "torch": "1.0", "python": "4.0"})
    found = pool_of("ray").as_completed(count_to, [1, 2])
    said = rf"Node 127\.0\.0\.1 has torch {there['torch'][:3]}.* and python 3.*, this one 1\.0 and"
    with pytest.raises(ConfigError, match=said):
        next(found)
    assert ray.cancelled == 2


def test_a_lost_task_begins_again_twice_and_then_ends_the_work(ray: Ray):
    ray.lose = 2
    assert list(pool_of("ray").as_completed(count_to, [2])) == [(2, 0), (2, 1)]
    ray.lose = 3
    with pytest.raises(LostWorkers, match=r"Task 1 of 1 was lost 3 times \(last: node 127"):
        list(pool_of("ray").as_completed(count_to, [2]))


def settings(_: int) -> Iterator[tuple[int, bool]]:
    yield torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()


@pytest.mark.usefixtures("ray")
def test_a_worker_computes_with_the_threads_and_the_determinism_of_the_driver(
    threads: Callable[[int], None],
):
    threads(1)  # and afterwards as before
    with deterministic():
        assert list(pool_of("ray", threads=2).as_completed(settings, [1])) == [(1, (2, True))]
    assert list(pool_of("ray").as_completed(settings, [1])) == [(1, (1, False))]


def closed_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def connect(pool: Pool) -> None:
    assert pool.slots == 2


def test_an_address_without_a_cluster_is_refused_before_ray_waits_for_it(
    each, ray: Ray, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    port = closed_port()
    stale = tmp_path / "ray" / "ray_current_cluster"
    stale.parent.mkdir()
    for on, variable, file, said in each(
        [
            (f"ray:127.0.0.1:{port}", "", "", rf"answers at 127\.0\.0\.1:{port}: .*ray start"),
            (f"ray:localhost:{port}", "", "", "no Ray cluster answers"),
            ("ray:10.0.0.5", "", "", r"'10\.0\.0\.5' is no address of a cluster\. Give HOST:PORT"),
            ("ray:10.0.0.5:99999", "", "", "no Ray cluster answers at"),
            ("ray", f"127.0.0.1:{port}", "", rf"{port} \(RAY_ADDRESS\): .*Change RAY_ADDRESS"),
            ("ray", "", f"127.0.0.1:{port}\n", rf"{port} \(the file .*_cluster\): .*ray stop"),
        ]
    ):
        monkeypatch.setenv("RAY_ADDRESS", variable)
        stale.write_text(file)
        with pytest.raises(ConfigError, match=said):
            connect(pool_of(on))
    assert not ray.begun


def test_ray_is_given_an_address_that_answers_or_none(
    each, ray: Ray, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    file = tmp_path / "ray" / "ray_current_cluster"
    file.parent.mkdir()
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        for on, content, given in each(
            [
                ("ray", None, None),
                ("ray:local", f"127.0.0.1:{closed_port()}", "local"),
                (f"ray:{address}", None, address),
                ("ray", address, None),
            ]
        ):
            file.unlink(missing_ok=True)
            if content is not None:
                file.write_text(content)
            ray.begun.clear()
            connect(pool_of(on))
            assert [choices["address"] for choices in ray.begun] == [given]
