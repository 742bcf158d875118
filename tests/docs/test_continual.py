"""The code of the page on continual learning runs; that of Avalanche where it is installed."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest
import torch

PAGE = Path(__file__).resolve().parents[2] / "docs" / "continual.md"
FIRST, PYTORCH, AVALANCHE = re.findall(
    r"^```python[^\n]*\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)


@pytest.fixture
def in_a_folder(monkeypatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(0)
        yield


@pytest.mark.usefixtures("in_a_folder")
def test_the_memory_at_the_top_of_the_page_is_filled_and_saved(tmp_path: Path, capsys):
    exec(FIRST, {})
    assert "ReplayMemory(6 classes, 5 images per class" in capsys.readouterr().out
    assert (tmp_path / "memory.safetensors").exists()


@pytest.mark.usefixtures("in_a_folder")
def test_a_loop_that_replays_the_memory_does_not_forget_all_old_classes(capsys):
    names: dict[str, object] = {}
    exec(PYTORCH, names)
    said = capsys.readouterr().out
    assert "ReplayMemory(10 classes, 2 images per class, 1,520 of 2,000 bytes)" in said
    share = re.search(r"all classes: ([\d.]+)%", said)
    assert share is not None
    assert float(share[1]) > 75  # without the memory it is 48 or 49
    images, targets = names["remembered"](names["memory"])  # type: ignore[operator]
    assert len(images) == len(targets) == 20
    assert sorted(targets.tolist()) == [label for label in range(10) for _ in range(2)]


@pytest.mark.usefixtures("in_a_folder")
def test_a_buffer_of_avalanche_holds_the_memory(request, capsys):
    request.getfixturevalue("torchvision_if_there")  # which Avalanche imports
    pytest.importorskip("avalanche")
    names: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the package
        exec(PYTORCH, names)
        exec(AVALANCHE, names)
    sizes = re.findall(r"(\d+) images per class", capsys.readouterr().out)
    assert sizes[-5:] == ["5", "5", "4", "3", "2"]
    results = names["results"]
    assert results["Top1_Acc_Stream/eval_phase/test_stream/Task000"] > 0.4  # type: ignore[index]
