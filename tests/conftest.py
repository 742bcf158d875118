"""Fixtures and marks that all packages of tests share."""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch

from condensery.engines import toolchain

T = TypeVar("T")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    slow = pytest.mark.skip(reason="slow: run with --slow")
    gpu = pytest.mark.skip(reason="no CUDA device here")
    for item in items:
        # Not ``item.keywords``: they also hold the names of all folders above the test.
        if item.get_closest_marker("slow") and not config.getoption("--slow"):
            item.add_marker(slow)
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(gpu)


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder with golden vectors and real data beside the project; skips where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("CONDENSERY_SHARED", beside))
    if not folder.is_dir():
        pytest.skip(f"no folder {folder.name}/ beside the project (set CONDENSERY_SHARED)")
    return folder


@pytest.fixture(scope="session")
def torchvision(torchvision_if_there: Any) -> Any:
    """The package; skips where it is absent."""
    return torchvision_if_there or pytest.skip("could not import 'torchvision'")


@pytest.fixture(scope="session")
def torchvision_if_there() -> Any:
    """The package or ``None``, also where its C++ operators are built for another torch.

    No network that classifies images calls them, but without them the import fails: the wheel of
    PyPI is for CUDA, and the torch of the tests is often for processors alone.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module("torchvision")
        except ImportError:
            return None
        except RuntimeError:
            for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
                del sys.modules[name]
            library = torch.library.Library("torchvision", "FRAGMENT")
            for operator in ("nms", "qnms"):
                library.define(f"{operator}(Tensor a, Tensor b, float c) -> Tensor")
            _kept.append(library)  # its operators go with it
            return importlib.import_module("torchvision")


_kept: list[object] = []


@pytest.fixture(scope="session")
def timm(torchvision: Any) -> Any:
    """The package."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("timm")


class Each:
    """Goes through the cases of a test; the report of a failure names the case where it came."""

    def __init__(self) -> None:
        self.case = ""

    def __call__(self, cases: Iterable[T]) -> Iterator[T]:
        known = list(cases)
        assert known, "there is no case"
        for number, case in enumerate(known, start=1):
            self.case = f"case {number} of {len(known)}: {case!r}"
            yield case
        self.case = ""


@pytest.fixture
def each() -> Each:
    """``for case in each(CASES)``: many small inputs in one test, and a failure says which."""
    return Each()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Write the case into the report of a test that failed in a loop over ``each``."""
    report = yield
    each = getattr(item, "funcargs", {}).get("each")
    if report.failed and isinstance(each, Each) and each.case:
        report.sections.append(("failed at", each.case))
        if crash := getattr(report.longrepr, "reprcrash", None):
            crash.message = f"{each.case}: {crash.message}"
    return report


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets how many threads torch uses, for one test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def no_cache_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fixtures of a module have a cache of their own, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONDENSERY_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test begins with an empty cache; the folder is there once something is in it."""
    own = tmp_path_factory.getbasetemp() / "caches" / str(next(_numbers))
    monkeypatch.setenv("CONDENSERY_CACHE", str(own))
    return own


_numbers = count()


@pytest.fixture(autouse=True)
def nothing_has_failed_to_compile() -> Iterator[None]:
    """A process compiles nothing more after the first failure; this ends with the test."""
    yield
    process = toolchain._process
    if process.cause is not None or process.warned:
        process.__init__()
