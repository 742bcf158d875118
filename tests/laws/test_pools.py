"""Every pool gives the same results: threads, and workers of other processes that may be lost."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Collection, Generator, Iterable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TypeVar

import pytest
import torch

import condensery
from condensery.api import train_experts
from condensery.data import Data, load_data
from condensery.devices import model
from condensery.errors import ConfigError
from condensery.evaluation import Observation, evaluate
from condensery.parallel import THREADS, Pool, pool_of
from condensery.runs import EvaluationPlan, machine
from condensery.selection import random_selection

T = TypeVar("T")
R = TypeVar("R")


class Losing:
    """Workers that have copies of everything, and of which each third is lost halfway."""

    device, threads, slots = "cpu", 1, 2

    def __init__(self) -> None:
        self.lost, self._number = 0, count(1)

    def as_completed(
        self,
        task: Callable[[T], Iterable[R]],
        given: Iterable[T],
        *,
        shared: Collection[object] = (),
        again: Callable[[T, R], T] | None = None,
        one_thread: bool = True,
        what: str = "task",
    ) -> Generator[tuple[T, R]]:
        for each in given:
            now, ended = each, False
            while not ended:
                there, argument = pickle.loads(pickle.dumps((task, now)))
                found, ended = list(there(argument)), next(self._number) % 3 != 0
                for result in found if ended else found[: len(found) // 2]:
                    result = pickle.loads(pickle.dumps(result))
                    now = now if again is None else again(now, result)
                    yield each, result
                self.lost += not ended


@pytest.fixture(scope="module")
def digits() -> Data:
    data = load_data("digits")
    test = replace(data.test, images=data.test.images[:50], labels=data.test.labels[:50])
    return replace(data, test=test)


def test_every_pool_gives_the_same_observations(
    digits: Data, threads: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
):
    def observations(pool: Pool) -> list[Observation]:
        found = evaluate(
            random_selection(digits.train, ipc=2, seed=5),
            digits,
            networks=["convnet2-w4", "mlp"],
            seeds=2,
            steps=2,
            baselines=("random", "first"),
            on=pool,
        )
        return [replace(each, seconds=0.0) for each in found.run()]

    threads(1)
    expected, losing = observations(THREADS), Losing()
    assert observations(losing) == expected
    assert losing.lost > 3
    assert len({each.accuracy for each in expected}) > 1
    assert {each.device for each in expected} == {model("cpu")}


def test_every_pool_gives_the_same_experts_in_the_same_files(
    digits: Data, tmp_path: Path, threads: Callable[[int], None]
):
    threads(1)
    losing = Losing()
    for name, pool in (("threads", THREADS), ("losing", losing)):
        experts = train_experts(
            digits,
            tmp_path / name,
            preset="smoke",
            network="convnet2-w4",
            experts=3,
            epochs=3,
            on=pool,
        )
        assert sorted((m.index, m.epoch) for m in experts) == [
            (i, e) for i in (0, 1, 2) for e in (1, 2, 3)
        ]
        for index in (0, 1, 2):
            found = experts.snapshots(index, 0, 1, 2, 3)
            torch.save(found, tmp_path / f"{name}{index}")
    for index in (0, 1, 2):
        one, other = (torch.load(tmp_path / f"{name}{index}") for name in ("threads", "losing"))
        assert all(torch.equal(a[k], b[k]) for a, b in zip(one, other, strict=True) for k in a)
    assert losing.lost == 1


def test_every_pool_gives_the_same_comparison(
    tmp_path: Path, threads: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
):
    """Two batches, one with experts; a checkpoint comes after every iteration."""
    monkeypatch.setattr(machine, "now", lambda: "then")
    monkeypatch.setattr("condensery.runs.comparison.driver.CHECKPOINT_EVERY", 0.0)
    threads(1)
    losing = Losing()
    for name, pool in (("threads", THREADS), ("losing", losing)):
        condensery.compare(
            "digits",
            tmp_path / name,
            methods=("mdc", "dm", "mtt"),
            ipc=2,
            preset="smoke",
            network="convnet2-w4",
            settings={"iterations": 2, "mdc:schedule.inner": 2, "mdc:schedule.steps": 1},
            evaluation=EvaluationPlan(networks=("convnet2-w4",), seeds=1, steps=2, sizes=(1, 2)),
            on=pool,
        )
    one, other = (tmp_path / name for name in ("threads", "losing"))
    for folder in ("runs", "sets"):
        files = sorted(path.name for path in (one / folder).iterdir())
        assert files == sorted(path.name for path in (other / folder).iterdir())
        for file in files:
            if not file.startswith("mtt"):  # says what its experts took
                assert (one / folder / file).read_bytes() == (other / folder / file).read_bytes()
    assert (one / "table.csv").read_text() == (other / "table.csv").read_text()
    assert not any((other / "checkpoints").iterdir())
    assert losing.lost > 3


def test_a_pool_that_cannot_be_is_refused_with_what_would_work(
    each, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("condensery.parallel.ray_pool.find_spec", lambda _: object())
    for on, more, said in each(
        [
            ("slurm", {}, r"--on slurm: is unknown.*--on ray:ADDRESS"),
            ("ray:", {}, "--on ray:: is unknown"),
            ("ray://10.0.0.5:10001", {}, r"Ray Client is not used.*ray job submit"),
            (None, {"gpus_per_task": 0.5}, r"--gpus-per-task 0\.5: .*together with --on ray"),
            ("ray", {"gpus_per_task": 0.5}, r"with --device cpu: .*tasks on cpu take none"),
            ("ray", {"gpus_per_task": 0.0, "device": "cuda"}, r"share above 0, such as 0\.25"),
            ("ray", {"device": "cuda:1"}, r"--device cuda:1 --on ray: Ray chooses the GPU"),
        ]
    ):
        with pytest.raises(ConfigError, match=said):
            pool_of(on, **more)


def test_where_ray_is_missing_the_package_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("condensery.parallel.ray_pool.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"pip install 'condensery\[ray\]', or leave --on out"):
        pool_of("ray")


def test_nothing_but_a_pool_of_ray_imports_ray(digits: Data):
    assert "ray" not in sys.modules
    pool_of(None)
    assert "ray" not in sys.modules
