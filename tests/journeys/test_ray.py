"""A cluster of two simulated nodes, of which one is killed: the results are those of threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

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
from condensery.parallel import THREADS, pool_of
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
Path(sys.argv[1], "found.json").write_text(json.dumps({
    "slots": slots,
    "networks": len(there),
    "same": [replace(a, seconds=0) == replace(b, seconds=0) for a, b in zip(alone, there)],
    "experts": all(torch.equal(a[name], b[name]) for a, b in zip(one, other) for name in a),
    "refused": refused,
}))
ray.shutdown()
cluster.shutdown()
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(find_spec("ray") is None, reason="the extra ray is not installed")
def test_a_node_that_is_killed_changes_no_observation(tmp_path: Path):
    # Ray gives its workers the lowest priority, with which they stand still on a busy machine.
    quiet = {"RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        env={**os.environ, **quiet},
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
