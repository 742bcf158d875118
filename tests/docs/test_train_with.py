"""The code of the page 'Train with ...' runs, a block for each program."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from pathlib import Path

import pytest
import torch

from condensery.data import load_data
from condensery.selection import select

PAGE = Path(__file__).resolve().parents[2] / "docs" / "train-with.md"
BLOCKS = dict(
    re.findall(
        r'^```python title="([^"]+)"\n(.*?)^```$', PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
)
OPENING = BLOCKS.pop("Opening")
OURS = {"condensery", "torch", *sys.stdlib_module_names}
OVER_TORCHVISION = {"torchvision", "timm", "lightning"}
"""Packages that import torchvision where it is installed."""


def packages(code: str) -> set[str]:
    """The other packages that a block imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found - OURS


def test_the_page_has_a_block_for_every_program():
    wanted = {
        "PyTorch",
        "Lightning",
        "timm",
        "torchvision",
        "scikit-learn",
        "datasets",
        "webdataset",
    }
    assert BLOCKS.keys() >= wanted
    text = PAGE.read_text()
    assert text.count("```python") == len(BLOCKS) + 1  # no block is left out here
    assert "IPC, EPOCHS = 5, 300" in OPENING


@pytest.mark.parametrize("title", BLOCKS)
def test_a_block_runs(title: str, request, monkeypatch, tmp_path: Path, capsys):
    code = BLOCKS[title]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the packages
        for package in sorted(packages(code)):
            if package in OVER_TORCHVISION:
                request.getfixturevalue("torchvision_if_there")
            pytest.importorskip(package)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        select(load_data("fashion-mini").train, by="first", ipc=2).save("condensed.safetensors")
        names: dict[str, object] = {}
        with torch.random.fork_rng():
            exec(OPENING.replace("IPC, EPOCHS = 5, 300", "IPC, EPOCHS = 2, 2"), names)
            exec(code, names)
    said = capsys.readouterr().out
    if "%" in code.rpartition("print(")[2]:
        share = re.search(r": ([\d.]+)%", said)
        assert share is not None
        assert 0 < float(share[1]) <= 100
    else:
        assert said
