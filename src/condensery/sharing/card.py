"""The card of a condensed set on the Hugging Face Hub: ``README.md`` with a YAML head.

Knows nothing about uploads. Needs PyYAML (extra ``hub``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from condensery.condensed.artifact import CondensedSet
from condensery.data.known import KNOWN
from condensery.data.skipped import in_words
from condensery.evaluation import table
from condensery.formatting import byte_count, markdown_table
from condensery.registry import names
from condensery.sharing.licence import Licence

_SHOWN = 20  # sizes that the table of sizes shows before it leaves some out


def configuration(ipc: int) -> str:
    """Name of the configuration of a size, for ``datasets.load_dataset``."""
    return f"ipc-{ipc}"


def rank_file(rank: int, *, sizes: int) -> str:
    """Path of the Parquet file with the images of one rank."""
    return f"data/rank-{rank:0{_digits(sizes)}}.parquet"


def patterns_below(ipc: int, *, sizes: int) -> list[str]:
    """Patterns of the files of all ranks below ``ipc``, in the order of the ranks.

    A pattern stands for all ranks with the same first digits, so that a set of many sizes has a
    short card.

    Args:
        ipc: The size.
        sizes: The largest size, which decides how many digits a rank has.
    """
    digits = f"{ipc:0{_digits(sizes)}}"
    found: list[str] = []
    for place, digit in enumerate(digits):
        if int(digit):
            last = "0" if digit == "1" else f"[0-{int(digit) - 1}]"
            any_digits = "[0-9]" * (len(digits) - place - 1)
            found.append(f"data/rank-{digits[:place]}{last}{any_digits}.parquet")
    return found


def _digits(sizes: int) -> int:
    return len(str(sizes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What the card of a set says.

    Attributes:
        condensed: The set.
        name: ``"USER/NAME"`` on the Hub.
        licence: The licence of the publisher.
        images: Number of images of the sizes 1, 2, ... as other programs load them.
        file_bytes: Size of the condensed file.
        shown: Numbers of classes and ranks on the contact sheet.
    """

    condensed: CondensedSet
    name: str
    licence: Licence
    images: Sequence[int]
    file_bytes: int
    shown: tuple[int, int]

    def text(self) -> str:
        """The whole file."""
        yaml = import_module("yaml")
        head = yaml.safe_dump(
            self.head(), sort_keys=False, allow_unicode=True, width=1000, default_flow_style=False
        )
        parts = [self._title(), self._picture(), self._loading(), self._sizes(), self._origin()]
        body = "\n\n".join(part for part in parts if part)
        # A class name of a folder that is not UTF-8 cannot be written as it is.
        return f"---\n{head}---\n\n{body}\n".encode("utf-8", "replace").decode()

    def head(self) -> dict[str, Any]:
        """The YAML head, as the Hub documents it."""
        condensed, data = self.condensed, self.condensed.manifest["data"]
        known = KNOWN.get(data["name"])
        default = configuration(condensed.sizes)
        return {
            "pretty_name": condensed.name,
            **self.licence.head(),
            "task_categories": ["image-classification"],
            **({"source_datasets": [known.hub[0]]} if known is not None and known.hub else {}),
            "size_categories": [_size_category(self.images[-1])],
            "tags": ["dataset-condensation", "dataset-distillation", "condensery"],
            "configs": [
                {
                    "config_name": configuration(ipc),
                    **({"default": True} if configuration(ipc) == default else {}),
                    "data_files": [
                        {"split": "train", "path": patterns_below(ipc, sizes=condensed.sizes)}
                    ],
                }
                for ipc in range(1, condensed.sizes + 1)
            ],
        }

    def _title(self) -> str:
        condensed, data = self.condensed, self.condensed.manifest["data"]
        height, width = condensed.shape[1:]
        kind = {1: "grey", 3: "colour"}.get(condensed.shape[0], f"{condensed.shape[0]}-channel")
        sizes = (
            f"all sizes from 1 to {condensed.sizes} images" if condensed.sizes > 1 else "1 image"
        )
        how = "real images that were selected" if self._selected else "condensed"
        return (
            f"# {_plain(condensed.name)}\n\n"
            f"{_plain(data['name'])} ({data['images']:,} images of {condensed.classes} classes), "
            f"{how} by `{condensed.method}` with the Python package Condensery: one data set with "
            f"**{sizes} per class**. The images are {kind}, {height} x {width} pixels. A smaller "
            "size consists of the first images of every class of a larger one."
        )

    @property
    def _selected(self) -> bool:
        """Whether the images are real ones."""
        return self.condensed.method in names("selection")

    def _picture(self) -> str:
        classes, ranks = self.shown
        whole = self.condensed.classes, self.condensed.sizes
        part = (
            f" Shown are {classes} of {whole[0]} classes, evenly spaced, and the first {ranks} of "
            f"{whole[1]} ranks."
            if (classes, ranks) != whole
            else ""
        )
        return (
            "![A row of images for every class](contact-sheet.png)\n\n"
            "A row is a class, and a column is a rank: the set of size *k* is the first *k* "
            f"columns.{part}"
        )

    def _loading(self) -> str:
        condensed = self.condensed
        ipc = min(5, condensed.sizes)
        soft = condensed.soft_labels is not None
        columns = "image, label, rank" + (", soft_labels" if soft else "")
        learned = (
            " The labels are learned: `soft_labels` has a number for every class." if soft else ""
        )
        return f"""## Load it

```python
from datasets import load_dataset

train = load_dataset("{self.name}", "{configuration(ipc)}", split="train")
print(train[0])  # {columns}
```

There is one configuration for every size, `{configuration(1)}` to \
`{configuration(condensed.sizes)}`. \
`rank` says which sizes an image belongs to: those above its rank.{learned}

With Condensery (`pip install 'condensery[hub]'`), from the file of all sizes:

```python
from condensery import CondensedSet

condensed = CondensedSet.load("hf://{self.name}")
loader = condensed.as_dataloader({ipc}, normalise=True)  # batches of (images, labels)
```

```
condensery pull {self.name} --out condensed.safetensors
```

{self._normalisation()}"""

    def _normalisation(self) -> str:
        condensed, manifest = self.condensed, self.condensed.manifest
        notes = [
            f"Normalise every channel by (value / 255 - mean) / std with mean "
            f"`{_numbers(condensed.mean)}` and std `{_numbers(condensed.std)}`, the test images, "
            "too."
        ]
        if manifest["zca"] is not None:
            notes.append(
                f"The set was condensed for images whitened by `{manifest['zca'].get('kind')}`, "
                "which must be fitted to the original training images; Condensery does it when it "
                "evaluates."
            )
        if manifest["learned_lr"] is not None:
            notes.append(f"The set has learned a learning rate: {manifest['learned_lr']:.4g}.")
        if condensed.parameterization.examples_each > 1:
            notes.append(
                f"The file stores {len(condensed):,} images, of which each is decoded to "
                f"{condensed.parameterization.examples_each} training images; the configurations "
                "hold the decoded ones."
            )
        notes.append("The test images are those of the original data set, which this one lacks.")
        return " ".join(notes)

    def _sizes(self) -> str:
        condensed = self.condensed
        tested = {record["size"] for record in condensed.observations}
        every = range(1, condensed.sizes + 1)
        steps = (
            step * 10**power for power in range(len(str(condensed.sizes))) for step in (1, 2, 5)
        )
        some = tested | {size for size in steps if size < condensed.sizes} | {condensed.sizes}
        shown = every if condensed.sizes <= _SHOWN else sorted(some)
        rows = [["images per class", "configuration", "images", "bytes in the file"]]
        for ipc in shown:
            stored = byte_count(condensed.bytes_of(ipc))
            rows.append([str(ipc), configuration(ipc), f"{self.images[ipc - 1]:,}", stored])
        accuracies = (
            "Test accuracy in per cent of networks trained on each size alone, mean and standard "
            "deviation over seeds after the last epoch; `random` is random real images of the same "
            f"number.\n\n{table(condensed.observations)}"
            if condensed.observations
            else "The set was not evaluated before it was published."
        )
        return f"## Sizes\n\n{markdown_table(rows)}\n\n{accuracies}"

    def _origin(self) -> str:
        condensed, manifest = self.condensed, self.condensed.manifest
        data = manifest["data"]
        rows = {
            "Method": condensed.method,
            "Preset": manifest["recipe"].get("preset"),
            "Seed": str(condensed.seed),
            "Data": f"{data['name']}, {data['images']:,} training images, fingerprint "
            f"`{data['fingerprint']}`",
            "Condensery": f"version {manifest['library_version']}",
            "Created": manifest["created"],
            "File": f"`condensed.safetensors`, {byte_count(self.file_bytes)}",
        }
        lines = [f"* {word}: {_plain(str(text))}" for word, text in rows.items() if text]
        lines += [f"* Left out: {_plain(line)}" for line in in_words(data.get("left_out", []))]
        lines += [f"* Note: {_plain(line)}" for line in data.get("notices", [])]
        recipe = json.dumps(manifest["recipe"], indent=1, ensure_ascii=False)
        fence = "`" * 4
        return f"""## Recipe

{chr(10).join(lines)}

<details><summary>The whole recipe</summary>

{fence}json
{recipe}
{fence}

</details>

## Licence

{self.licence.sentence(data=_plain(data["name"]))}"""


def _plain(text: str) -> str:
    """Text on one line, in which no character begins Markdown or HTML."""
    line = " ".join(text.split())
    for character in "\\*_[]<>|#":
        line = line.replace(character, f"\\{character}")
    return line


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4f}" for value in values)


def _size_category(images: int) -> str:
    """The word of the Hub for a number of examples."""
    ends: Mapping[str, int] = {"1K": 10**3, "10K": 10**4, "100K": 10**5, "1M": 10**6}
    low = "n"
    for word, end in ends.items():
        if images < end:
            return f"n<{word}" if low == "n" else f"{low}<n<{word}"
        low = word
    return "1M<n<10M"
