"""Condensery: dataset condensation whose every prefix is a good condensed set.

Public names are listed here and nowhere else; torch is imported when one is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from condensery.api import Condensation, condense, train_experts
    from condensery.augment import Augment, Identity, PerExample, PhotoPerExample, Siamese
    from condensery.condensed.artifact import CondensedSet
    from condensery.condensed.importing import import_set
    from condensery.condensed.joining import joined
    from condensery.condensing.init import (
        FirstImages,
        HerdedImages,
        Init,
        KMeansImages,
        Noise,
        RandomImages,
    )
    from condensery.condensing.objectives import (
        Calibrated,
        CharacteristicFunction,
        DistributionMatching,
        FeatureObjective,
        FeatureRegression,
        GradientMatching,
        KernelMMD,
        Match,
        Objective,
        RidgeRegression,
        TrajectoryMatching,
    )
    from condensery.condensing.progress import Progress, State
    from condensery.condensing.recipe import Recipe, read_recipe
    from condensery.condensing.samplers import KeptMeans, KMeansPerClass, RandomPerClass, Sampler
    from condensery.condensing.schedules import (
        Experts,
        Interpolated,
        NoNetwork,
        Pool,
        Redraw,
        RunContext,
        Schedule,
        Staged,
        TrainOnSynthetic,
    )
    from condensery.condensing.sizes import (
        AllSizes,
        MatchedSets,
        MostLearnable,
        OneSize,
        RandomSize,
        SizePolicy,
    )
    from condensery.condensing.updates import (
        SGD,
        Adam,
        ImageUpdate,
        Learned,
        LearnedLabels,
        LearnedLR,
        OnSimplex,
    )
    from condensery.data import Data, ImageData, load_data
    from condensery.evaluation import (
        EvaluatedSet,
        ExpertLabels,
        Protocol,
        Teacher,
        evaluate,
        relabel,
    )
    from condensery.kernels import RBF, FullyConnected, Kernel
    from condensery.methods import Method, recipe_for
    from condensery.parameterizations import MultiFormation, Parameterization, Pixels, Quantised
    from condensery.registry import register
    from condensery.replay import ReplayMemory
    from condensery.reranking import rerank
    from condensery.runs import (
        Comparison,
        EvaluationPlan,
        Run,
        compare,
        extend,
        resume,
        run,
        table,
    )
    from condensery.selection import SelectionRule, random_selection, select
    from condensery.sharing.export import export
    from condensery.sharing.publish import pull, push
    from condensery.training import AdamWTraining, SGDTraining, Training
    from condensery.types import Examples, Groups, StepContext

    __version__: str

__all__ = [
    "RBF",
    "SGD",
    "Adam",
    "AdamWTraining",
    "AllSizes",
    "Augment",
    "Calibrated",
    "CharacteristicFunction",
    "Comparison",
    "Condensation",
    "CondensedSet",
    "Data",
    "DistributionMatching",
    "EvaluatedSet",
    "EvaluationPlan",
    "Examples",
    "ExpertLabels",
    "Experts",
    "FeatureObjective",
    "FeatureRegression",
    "FirstImages",
    "FullyConnected",
    "GradientMatching",
    "Groups",
    "HerdedImages",
    "Identity",
    "ImageData",
    "ImageUpdate",
    "Init",
    "Interpolated",
    "KMeansImages",
    "KMeansPerClass",
    "KeptMeans",
    "Kernel",
    "KernelMMD",
    "Learned",
    "LearnedLR",
    "LearnedLabels",
    "Match",
    "MatchedSets",
    "Method",
    "MostLearnable",
    "MultiFormation",
    "NoNetwork",
    "Noise",
    "Objective",
    "OnSimplex",
    "OneSize",
    "Parameterization",
    "PerExample",
    "PhotoPerExample",
    "Pixels",
    "Pool",
    "Progress",
    "Protocol",
    "Quantised",
    "RandomImages",
    "RandomPerClass",
    "RandomSize",
    "Recipe",
    "Redraw",
    "ReplayMemory",
    "RidgeRegression",
    "Run",
    "RunContext",
    "SGDTraining",
    "Sampler",
    "Schedule",
    "SelectionRule",
    "Siamese",
    "SizePolicy",
    "Staged",
    "State",
    "StepContext",
    "Teacher",
    "TrainOnSynthetic",
    "Training",
    "TrajectoryMatching",
    "compare",
    "condense",
    "evaluate",
    "export",
    "extend",
    "import_set",
    "joined",
    "load_data",
    "pull",
    "push",
    "random_selection",
    "read_recipe",
    "recipe_for",
    "register",
    "relabel",
    "rerank",
    "resume",
    "run",
    "select",
    "table",
    "train_experts",
]

_NAMES = {
    "api": "Condensation condense train_experts",
    "condensed.artifact": "CondensedSet",
    "augment": "Augment Identity PerExample PhotoPerExample Siamese",
    "data": "Data ImageData load_data",
    "evaluation": "Protocol EvaluatedSet ExpertLabels Teacher evaluate relabel",
    "condensed.importing": "import_set",
    "condensed.joining": "joined",
    "condensing.init": "FirstImages HerdedImages Init KMeansImages Noise RandomImages",
    "kernels": "RBF FullyConnected Kernel",
    "methods": "Method recipe_for",
    "condensing.objectives": "Calibrated CharacteristicFunction DistributionMatching "
    "FeatureObjective FeatureRegression GradientMatching KernelMMD Match Objective "
    "RidgeRegression TrajectoryMatching",
    "parameterizations": "MultiFormation Parameterization Pixels Quantised",
    "condensing.progress": "Progress State",
    "condensing.recipe": "Recipe read_recipe",
    "registry": "register",
    "replay": "ReplayMemory",
    "reranking": "rerank",
    "runs": "Comparison EvaluationPlan Run compare extend resume run table",
    "condensing.samplers": "KeptMeans KMeansPerClass RandomPerClass Sampler",
    "condensing.schedules": "Experts Interpolated NoNetwork Pool Redraw RunContext Schedule "
    "Staged TrainOnSynthetic",
    "selection": "SelectionRule random_selection select",
    "sharing.export": "export",
    "sharing.publish": "pull push",
    "condensing.sizes": "AllSizes MatchedSets MostLearnable OneSize RandomSize SizePolicy",
    "training": "AdamWTraining SGDTraining Training",
    "types": "Examples Groups StepContext",
    "condensing.updates": "SGD Adam ImageUpdate Learned LearnedLabels LearnedLR OnSimplex",
}
_HOMES = {name: home for home, text in _NAMES.items() for name in text.split()}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public object
    if name == "__version__":
        return _version()
    if name in _HOMES:
        return getattr(import_module(f"condensery.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'condensery' has no attribute {name!r}")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("condensery")
    except PackageNotFoundError:  # a source tree that was never installed
        return "0+unknown"


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES, "__version__"])
