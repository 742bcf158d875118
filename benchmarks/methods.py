"""Every method on one data set, beside random and k-means images: accuracy, CPU seconds, memory.

Result: benchmarks/results/fashion-methods.md has the tables, the .jsonl beside it the numbers.

A row is one condensation, made by ``condensery condense`` in a process of its own (so that seconds
and peak memory are its own), and the networks that are trained on its set by the protocol of its
method. The baselines are trained once for all rows that share it. A finished row is a line of
``--out`` and is not made again; several processes may fill one file, with ``--only`` of their own.

    python benchmarks/methods.py DATA --work FOLDER --out FILE.jsonl
    python benchmarks/methods.py DATA --out FILE.jsonl --print   # what there is
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

import condensery
from condensery.evaluation import Observation

Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One condensation.

    Attributes:
        method: Name of the method.
        ipc: Images per class.
        iterations: Outer iterations.
        sizes: Size policy; "" is the method's own.
        tested: Sizes that networks are trained on.
        settings: Changed keys of the recipe.
    """

    method: str
    ipc: int
    iterations: int
    sizes: str = ""
    tested: tuple[int, ...]
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Unique in a plan."""
        return "-".join(filter(None, (self.method, str(self.ipc), self.sizes)))


_EXPERTS = {"schedule.trajectories": "4", "learned_lr.initial": "0.06"}
"""MTT: experts of the preset's length, fewer; a smaller first learning rate of the student."""

_LENGTHS: tuple[tuple[str, int, int, dict[str, str]], ...] = (
    ("dm", 250, 500, {}),
    ("kip", 30, 30, {}),
    ("idc", 5, 10, {}),
    ("dc", 5, 10, {}),
    ("mdc", 5, 10, {}),
    ("mtt", 100, 50, _EXPERTS),
    ("nested", 5, 10, {}),
    ("dsa", 5, 10, {}),
    ("dream", 5, 10, {}),
)
"""``(method, outer iterations for 1 image per class, for 10, changed keys)``."""

ROWS = (
    *(
        Row(method=method, ipc=ipc, iterations=iterations, tested=tested, settings=settings)
        for method, small, large, settings in _LENGTHS
        for ipc, iterations, tested in ((10, large, (1, 3, 10)), (1, small, (1,)))
    ),
    *(
        Row(method=method, ipc=10, iterations=n, sizes=sizes, tested=(1, 3, 10), settings=settings)
        for sizes in ("all", "most-learnable")
        for method, _, n, settings in _LENGTHS
        if method in ("dm", "kip", "dc", "dsa", "mtt")
    ),
)

PUBLISHED = {
    ("dc", 1): "70.5 ± 0.6",
    ("dc", 10): "82.3 ± 0.4",
    ("dsa", 1): "70.6 ± 0.6",
    ("dsa", 10): "84.6 ± 0.3",
    ("idc", 1): "81.0",
    ("idc", 10): "86.0",
}
"""Fashion-MNIST, full length, ConvNet-3 of width 128: as each code's repository says."""


def main() -> None:
    """Make the rows that are missing, then print the table."""
    arguments = parse()
    wanted = set(filter(None, arguments.only.split(",")))
    rows = [row for row in ROWS if not wanted or wanted & {row.method, row.name}]
    if not arguments.print:
        torch.set_num_threads(1)
        arguments.work.mkdir(parents=True, exist_ok=True)
        data = condensery.load_data(arguments.data)
        for row in rows:
            if row.name not in {record["row"] for record in read(arguments.out)}:
                record = made(row, data, arguments)
                with arguments.out.open("a") as file:
                    file.write(json.dumps(record) + "\n")
                print(table([record]), flush=True)
    print(table(read(arguments.out)))


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Every method beside random and k-means images.")
    parser.add_argument("data")
    parser.add_argument("--only", default="", help="methods and rows, such as dc,dm-10-all")
    parser.add_argument("--networks", type=int, default=3, help="evaluation networks per set")
    parser.add_argument("--network", default="convnet3-w64", help="evaluation network")
    parser.add_argument("--steps", type=int, default=300, help="of an evaluation network")
    parser.add_argument("--precision", default="bf16", help="of the evaluation")
    parser.add_argument("--work", type=Path, help="folder for runs, experts and selections")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines of finished rows")
    parser.add_argument("--print", action="store_true", help="only the table of what there is")
    arguments = parser.parse_args()
    if arguments.work is None and not arguments.print:
        parser.error("--work FOLDER is needed to condense; --print shows what there is")
    return arguments


def read(path: Path) -> list[Record]:
    """Finished rows; a line that a kill tore is none."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def made(row: Row, data: condensery.Data, arguments: argparse.Namespace) -> Record:
    """Condense one row and train networks on its set."""
    settings = dict(row.settings)
    before: Record = {}
    buffer = str(arguments.work.absolute() / "experts")
    if row.method == "mtt":
        before["experts"] = measured(
            ["experts", arguments.data, "--out", buffer, *_set(row.settings)]
        )
        settings["schedule.buffer"] = buffer
    out = arguments.work / row.name
    command = ["condense", arguments.data, "--method", row.method, "--ipc", str(row.ipc)]
    command += ["--size-policy", row.sizes] if row.sizes else []
    command += _set({"iterations": str(row.iterations), **settings})
    cost = measured([*command, "--no-evaluate", "--overwrite", "--out", str(out)])
    condensed = condensery.CondensedSet.load(out / "condensed.safetensors")
    baselines = selections(data, arguments.work)
    known = [Observation(**o) for r in read(arguments.out) for o in r["observations"]]
    observations = [
        observation
        for size in row.tested
        for observation in condensery.evaluate(
            condensed,
            data,
            sizes=[size],
            networks=[arguments.network],
            seeds=arguments.networks,
            steps=arguments.steps,
            precision=arguments.precision,
            baselines=["random", baselines[size]],
            known=known,
        ).run()
    ]
    return {
        "row": row.name,
        **asdict(row),
        "command": " ".join(
            [
                "condensery",
                *(
                    word.replace(arguments.data, "DATA").replace(buffer, "EXPERTS")
                    for word in command
                ),
            ]
        ),
        "updates": len((out / "metrics.jsonl").read_text().splitlines()),
        **cost,
        **before,
        "protocol": observations[0].protocol,
        "machine": f"{platform.machine()}, torch {torch.__version__}",
        "date": time.strftime("%Y-%m-%d"),
        "observations": [asdict(o) for o in observations],
    }


def _set(settings: dict[str, str]) -> list[str]:
    return [word for pair in settings.items() for word in ("--set", "=".join(pair))]


def measured(words: Sequence[str]) -> Record:
    """Run one command of ours on one thread: CPU seconds and peak resident memory.

    Both with the compiler's, if it has to compile.
    """
    command = [sys.executable, "-m", "condensery.cli.main", *words, "--threads", "1"]
    begun = time.time()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"This failed: {' '.join(command)}")
    return {
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "seconds": round(time.time() - begun, 1),
        "peak_mb": round(used.ru_maxrss / 1024),
    }


def selections(data: condensery.Data, work: Path) -> dict[int, condensery.CondensedSet]:
    """K-means images by size, chosen once for all rows, by the features of one network."""
    paths = {
        n: work / f"k-means-{n}.safetensors" for n in sorted({n for r in ROWS for n in r.tested})
    }
    for size, path in paths.items():
        if not path.exists():
            condensery.select(
                data,
                by="k-means",
                ipc=size,
                network="convnet3-w32",
                train_steps=300,
            ).save(path)
    return {size: condensery.CondensedSet.load(path) for size, path in paths.items()}


def table(records: Iterable[Record]) -> str:
    """Markdown: one line a row and tested size, per cent, deviation over networks."""
    lines = [
        "| method | sizes | size | condensed | random | k-means | published "
        "| updates | CPU s | peak MB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for record in records:
        for size in record["tested"]:
            cells = [
                _cell(
                    o["accuracy"]
                    for o in record["observations"]
                    if o["size"] == size and o["set"] == which
                )
                for which in ("condensed", "random", "k-means")
            ]
            published = PUBLISHED.get((record["method"], size), "") if size == record["ipc"] else ""
            costs = (record["updates"], round(record["cpu_seconds"]), record["peak_mb"])
            words = [record["method"], record["sizes"] or "own", size, *cells, published, *costs]
            lines.append(f"| {' | '.join(map(str, words))} |")
    return "\n".join(lines)


def _cell(fractions: Iterable[float]) -> str:
    found = [100 * fraction for fraction in fractions]
    if not found:
        return "-"
    several = len(set(found)) > 1  # a regression has no seed
    deviation = f" ± {statistics.stdev(found):.1f}" if several else ""
    return f"{statistics.mean(found):.1f}{deviation}"


if __name__ == "__main__":
    main()
