"""A real browser, Chromium as the machine has it, and the pages to open in it.

Nothing is downloaded: where there is no Chromium the tests are skipped and say so.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import save_file

from condensery.report import write_report
from condensery.report.several_runs import ShownSet, set_against
from condensery.report.several_runs_page import render

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARTIFACTS = Path(__file__).parents[2] / "test-artifacts"
CLASSES, SIZES, SIDE, FACTOR = ("T-shirt & top", "trouser", "a bag"), 4, 9, 2
KEY = ("convnet3", "idc", None, 700, "fp32")


@pytest.fixture(scope="session")
def browser():
    """Closed with its event loop, so that nothing is left to warn about."""
    chromium = next(filter(works, map(shutil.which, NAMES)), None)
    if chromium is None:
        pytest.skip("no Chromium here: the pages are not tested in a browser (install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        own = driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        yield own
        own.close()


def works(path: str | None) -> bool:
    """Whether it starts: some systems have a stand-in that only tells where to get it."""
    if path is None:
        return False
    found = subprocess.run([path, "--version"], capture_output=True, check=False, timeout=60)
    return found.returncode == 0


@pytest.fixture
def opened(browser) -> Callable:
    """Open a file as a reader does; whatever it complains of or fetches fails the test."""

    @contextmanager
    def open_(path: Path) -> Iterator:
        context = browser.new_context(viewport={"width": 1180, "height": 800})
        complaints, requests = [], []
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        try:
            yield page
            assert complaints == []
            assert [u for u in requests if not u.startswith("data:")] == [path.as_uri()]
        finally:
            context.close()

    return open_


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """Where screenshots are left for people."""
    ARTIFACTS.mkdir(exist_ok=True)
    return ARTIFACTS


def written(path: Path, *, order: str) -> Path:
    """A condensed file with 2 x 2 images of an odd side in one."""
    rank, labels = (each.ravel() for each in np.mgrid[:SIZES, : len(CLASSES)])
    images = np.random.default_rng(0).integers(0, 256, (len(rank), 3, SIDE, SIDE), dtype=np.uint8)
    rows = [len(CLASSES) * size for size in range(1, SIZES + 1)]
    each = 3 * SIDE * SIDE + 12
    facts = {
        "format": 1,
        "library_version": "0.1.0",
        "name": "a set",
        "class_names": CLASSES,
        "sizes": SIZES,
        "rows": rows,
        "bytes": [each * count for count in rows],
        "decode": {"kind": "multi-formation", "factor": FACTOR, "order": order},
        "mean": [0.5] * 3,
        "std": [0.25] * 3,
        "zca": None,
        "learned_lr": None,
        "method": "mdc",
        "recipe": {"iterations": 5, "network": "convnet3"},
        "seed": 0,
        "data": {"name": "cifar10", "fingerprint": "abc", "images": 1000, "classes": 3},
        "observations": [],
        "created": "then",
    }
    tensors = {"images": images, "labels": labels.astype(np.int64), "rank": rank.astype(np.int32)}
    save_file(tensors, path, metadata={"condensery": json.dumps(facts)})
    return path


@pytest.fixture(scope="session")
def cropped(tmp_path_factory) -> SimpleNamespace:
    """One whose sizes are counted in crops, as a published release does."""
    path = written(tmp_path_factory.mktemp("crop") / "set.safetensors", order="crop")
    return SimpleNamespace(path=path, page=write_report(path.with_suffix(".html"), condensed=path))


@pytest.fixture(scope="session")
def condensed(tmp_path_factory) -> SimpleNamespace:
    """A condensed file, and its page with all that a run notes."""
    folder = tmp_path_factory.mktemp("page")
    path = written(folder / "condensed.safetensors", order="image")
    seen = [
        {
            **dict(zip(("network", "protocol", "epochs", "steps", "precision"), KEY, strict=True)),
            "set": name,
            "size": size,
            "seed": seed,
            "seconds": 2.0,
            "network": network,
            "accuracy": 0.3 + 0.05 * index + 0.1 * size / SIZES + 0.01 * seed,
        }
        for network in ("convnet3", "resnet10")
        for index, name in enumerate(("random", "herding", "condensed"))
        for size in (1, 2, SIZES)
        for seed in range(3)
    ]
    metrics = [
        {
            "outer": outer,
            "inner": inner,
            "loss": 9 - outer,
            "losses": {"4": 3, "2": 2},
            "subset": [1 + outer // 2],
            "frozen": [outer // 2],
        }
        for outer in range(5)
        for inner in range(3)
    ]
    proxy = [
        {"outer": o, "mean": 1 - o / 9, "relative": [1 - o / 8] * SIZES, "cpu": 70.0 * o}
        for o in (1, 3, 5)
    ]
    page = write_report(
        folder / "report.html",
        condensed=path,
        observations=seen,
        metrics=metrics,
        proxy=proxy,
        run={"expert_cpu_seconds": 90.0},
    )
    return SimpleNamespace(path=path, page=page, classes=CLASSES, sizes=SIZES)


@pytest.fixture(scope="session")
def versus(tmp_path_factory) -> SimpleNamespace:
    """A page of three runs whose order differs by column; one was tested at fewer sizes."""
    from condensery.report.accuracy import AccuracyPoint

    accuracies = {"mdc": (0.5, 0.6, 0.7), "idc": (0.4, 0.65, 0.8), "dc": (0.55, None, 0.6)}
    entries = [
        ShownSet(
            name=name,
            run=True,
            where=name,
            method=name,
            ipc=10,
            points={
                KEY: tuple(
                    AccuracyPoint(size=size, mean=mean, std=0.01, networks=3, seconds=float(size))
                    for size, mean in zip((1, 2, 10), means, strict=True)
                    if mean is not None
                )
            },
            bytes=tuple(1000 * size for size in range(1, 11)),
            data={"name": "cifar10"},
            facts=(("Method", name), ("Time to condense", "2 min 3 s")),
        )
        for name, means in accuracies.items()
    ]
    text = render(set_against(entries, against=None), entries, data="cifar10")
    page = tmp_path_factory.mktemp("versus") / "versus.html"
    page.write_text(text, encoding="utf-8")
    return SimpleNamespace(page=page)
