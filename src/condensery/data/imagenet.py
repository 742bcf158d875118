"""The classes of ImageNet by WordNet number, and the subsets of the literature.

``imagenet_classes.tsv`` lists the 1,000 classes of ILSVRC 2012 in the order of their index: the
WordNet number, a tab, the names separated by commas (WordNet 3.0, Princeton University).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

__all__ = ["IMAGENET_10", "IMAGENET_100", "MTT_SUBSETS", "wordnet_names"]

_NUMBERS = """
n02869837 n01749939 n02488291 n02107142 n13037406 n02091831 n04517823 n04589890 n03062245
n01773797 n01735189 n07831146 n07753275 n03085013 n04485082 n02105505 n01983481 n02788148
n03530642 n04435653 n02086910 n02859443 n13040303 n03594734 n02085620 n02099849 n01558993
n04493381 n02109047 n04111531 n02877765 n04429376 n02009229 n01978455 n02106550 n01820546
n01692333 n07714571 n02974003 n02114855 n03785016 n03764736 n03775546 n02087046 n07836838
n04099969 n04592741 n03891251 n02701002 n03379051 n02259212 n07715103 n03947888 n04026417
n02326432 n03637318 n01980166 n02113799 n02086240 n03903868 n02483362 n04127249 n02089973
n03017168 n02093428 n02804414 n02396427 n04418357 n02172182 n01729322 n02113978 n03787032
n02089867 n02119022 n03777754 n04238763 n02231487 n03032252 n02138441 n02104029 n03837869
n03494278 n04136333 n03794056 n03492542 n02018207 n04067472 n03930630 n03584829 n02123045
n04229816 n02100583 n03642806 n04336792 n03259280 n02116738 n02108089 n03424325 n01855672
n02090622
"""

IMAGENET_100 = tuple(_NUMBERS.split())
"""The hundred classes drawn by Tian, Krishnan, Isola 2019 (CMC), which IDC and MDC use, in the
order of their class list, which is the order of the labels."""

IMAGENET_10 = IMAGENET_100[:10]
"""The first ten of them: ImageNet-10 of IDC, DREAM and MDC."""

_MTT_INDICES = {
    "imagenette": (0, 217, 482, 491, 497, 566, 569, 571, 574, 701),
    "imagewoof": (193, 182, 258, 162, 155, 167, 159, 273, 207, 229),
    "imagemeow": (281, 282, 283, 284, 285, 291, 292, 290, 289, 287),
    "imagesquawk": (84, 130, 88, 144, 145, 22, 96, 9, 100, 89),
    "imagefruit": (953, 954, 949, 950, 951, 957, 952, 945, 943, 948),
    "imageyellow": (309, 986, 954, 951, 987, 779, 599, 291, 72, 11),
}
"""Indices in ILSVRC 2012, in the order of the labels of Cazenavette et al. 2022 (MTT)."""


@cache
def wordnet_names() -> Mapping[str, tuple[str, ...]]:
    """All names of every class of ImageNet-1k, by WordNet number, in the order of its index."""
    text = (files("condensery.data") / "imagenet_classes.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines())
    return {number: tuple(names.split(", ")) for number, names in rows}


def _numbers(indices: tuple[int, ...]) -> tuple[str, ...]:
    by_index = list(wordnet_names())
    return tuple(by_index[index] for index in indices)


MTT_SUBSETS = {name: _numbers(indices) for name, indices in _MTT_INDICES.items()}
"""WordNet numbers of the ten-class subsets of ImageNet that MTT introduced, in its order."""
