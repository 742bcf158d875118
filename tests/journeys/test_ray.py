"""Ray itself: two simulated nodes, of which one is killed, and Ctrl-C in a terminal.

``tests/parallel/test_ray_pool.py`` tests the same with a stand-in, in seconds.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from condensery.data import load_data
from condensery.evaluation import Observation, read_observations
from condensery.selection import random_selection

SCRIPT = """
import json, sys
from pathlib import Path
from dataclasses import replace

import ray
import torch
from ray.cluster_utils import Cluster

from condensery import load_data
from condensery.api import train_experts
from condensery.evaluation import evaluate
from condensery.parallel import THREADS, pool_of, ray_pool
from condensery.selection import random_selection

torch.set_num_threads(1)
data = load_data("digits")
condensed = random_selection(data.train, ipc=3, seed=0)


def networks(on):
    return evaluate(
        condensed, data, sizes=[1, 2, 3], networks=["convnet2-w8"], seeds=2, steps=30, on=on
    )


def experts(on, folder):
    made = train_experts(
        data, folder, preset="smoke", network="convnet2-w4", experts=3, epochs=2, on=on
    )
    list(made)
    return [made.snapshots(index, 2)[0] for index in range(3)]


alone = networks(THREADS).run()
node = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
second = cluster.add_node(**node)
pool = pool_of(f"ray:{cluster.address}")
evaluation = networks(pool)
slots = pool.slots
for count, _ in enumerate(evaluation, start=1):
    if count == 2:
        cluster.remove_node(second, allow_graceful=False)
there = evaluation.run()
one, other = experts(THREADS, sys.argv[1] + "/threads"), experts(pool, sys.argv[1] + "/ray")
try:
    evaluate(condensed, data, sizes=[1], networks=["convnet2-w8"], steps=-1, on=pool)
except Exception as error:
    refused = type(error).__name__
own = ray_pool._versions()
ray_pool._versions = lambda: {**own, "torch": "1.0"}
try:
    networks(pool).run()
except Exception as error:
    differs = str(error)
Path(sys.argv[1], "found.json").write_text(json.dumps({
    "slots": slots,
    "networks": len(there),
    "same": [replace(a, seconds=0) == replace(b, seconds=0) for a, b in zip(alone, there)],
    "experts": all(torch.equal(a[name], b[name]) for a, b in zip(one, other) for name in a),
    "refused": refused,
    "differs": differs,
}))
ray.shutdown()
cluster.shutdown()
"""

# Ray gives its workers niceness 15, with which they stand still on a busy machine.
QUIET = {"RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(find_spec("ray") is None, reason="the extra ray is not installed"),
]


def test_ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on(tmp_path: Path):
    data = load_data("digits")
    random_selection(data.train, ipc=3, seed=0).save(tmp_path / "set.safetensors")
    choices = "evaluate set.safetensors --data digits --networks convnet2-w8 --seeds 2 --steps 200"

    def begun(*more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "condensery", *choices.split(), "--no-save", *more],
            env={**os.environ, **QUIET},
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def key(observation: Observation) -> tuple[object, ...]:
        return (observation.key, observation.accuracy, observation.device)

    there, here = tmp_path / "there.jsonl", tmp_path / "here.jsonl"
    stopped = begun("--on", "ray", "--out", str(there))
    while not read_observations(there):
        assert stopped.poll() is None, stopped.stderr and stopped.stderr.read()[-2000:]
        time.sleep(0.05)
    os.killpg(stopped.pid, signal.SIGINT)  # a terminal sends it to all processes of the command
    _, said = stopped.communicate(timeout=120)
    assert stopped.returncode == 130, said
    kept = read_observations(there)
    assert 1 <= len(kept) < 12
    for more in (("--on", "ray", "--out", str(there)), ("--threads", "1", "--out", str(here))):
        again = begun(*more)
        _, said = again.communicate(timeout=300)
        assert again.returncode == 0, said
    assert read_observations(there)[: len(kept)] == kept
    assert {*map(key, read_observations(there))} == {*map(key, read_observations(here))}


def test_a_node_that_is_killed_changes_no_observation(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        env={**os.environ, **QUIET},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["slots"] == 2
    assert (found["networks"], all(found["same"])) == (12, True)
    assert found["experts"]
    assert found["refused"] == "ConfigError"
    assert "this one 1.0: results would mix" in found["differs"]
