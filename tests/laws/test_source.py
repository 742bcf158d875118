"""Laws read from the source: no global random state, and nothing that imports what imports it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import condensery

PACKAGE = Path(condensery.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

DRAWS = ("rand", "randn", "randint", "randperm", "multinomial", "bernoulli", "normal")
FORBIDDEN = (
    *(f"torch.{name}_like" for name in ("rand", "randn", "randint")),
    "torch.manual_seed",
    "torch.seed",
    "torch.initial_seed",
    "torch.random",
    "torch.set_rng_state",
    "torch.get_rng_state",
    "torch.cuda.manual_seed",
    "torch.cuda.manual_seed_all",
    "numpy.random",
    "random",
    "secrets",
    "uuid",
)
IN_PLACE = ("normal_", "uniform_", "bernoulli_", "random_", "exponential_", "log_normal_")
MAY_FOLLOW_THE_GLOBAL_STATE = "rng.py"  # global_stream, for constructors that are not ours
CONSTRUCTORS = "networks"  # torch.nn.init there; networks.build wraps it in global_stream


def where(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def aliases(tree: ast.Module) -> dict[str, str]:
    """``{name in the file: dotted name}`` of everything imported."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                full = name.name if name.asname else name.name.split(".")[0]
                found[name.asname or full] = full
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for name in node.names:
                found[name.asname or name.name] = f"{node.module}.{name.name}"
    return found


def dotted(node: ast.expr, known: dict[str, str]) -> str:
    if isinstance(node, ast.Attribute):
        inside = dotted(node.value, known)
        return f"{inside}.{node.attr}" if inside else ""
    return known.get(node.id, "") if isinstance(node, ast.Name) else ""


def forbidden(name: str) -> bool:
    return any(name == bad or name.startswith(f"{bad}.") for bad in FORBIDDEN)


def global_draws(tree: ast.Module) -> list[str]:
    """Everything that reads or moves a global random state."""
    known = aliases(tree)
    found = [name for name in known.values() if forbidden(name)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            name = dotted(node, known)
            if forbidden(name):
                found.append(f"{name}, line {node.lineno}")
        if not isinstance(node, ast.Call):
            continue
        keywords = {keyword.arg for keyword in node.keywords}
        name = dotted(node.func, known)
        if name in {f"torch.{draw}" for draw in DRAWS} and "generator" not in keywords:
            found.append(f"{name}() without generator, line {node.lineno}")
        method = node.func.attr if isinstance(node.func, ast.Attribute) else name.split(".")[-1]
        drawing = (*IN_PLACE, "multinomial", "bernoulli")
        if method in drawing and "generator" not in keywords and not name.startswith("torch.m"):
            found.append(f"{method}() without generator, line {node.lineno}")
    return found


def test_no_file_touches_a_global_random_state():
    wrong: dict[str, list[str]] = {}
    for path in FILES:
        found = global_draws(parsed(path))
        if where(path) == MAY_FOLLOW_THE_GLOBAL_STATE:
            touched = {text.split(",")[0] for text in found}
            assert touched == {
                "torch.random",
                "torch.random.get_rng_state",
                "torch.random.set_rng_state",
            }
            continue
        if where(path).startswith(f"{CONSTRUCTORS}/"):
            found = [text for text in found if not text.startswith(IN_PLACE)]
        if found:
            wrong[where(path)] = found
    assert wrong == {}


def test_the_search_for_global_draws_finds(each):
    for code in each(
        [
            "import torch\nx = torch.rand(3)",
            "import torch as t\nx = t.randn(3)",
            "from torch import randperm\nx = randperm(3)",
            "import torch\nx = torch.randint(3, (2,), device='cpu')",
            "import torch\nx = torch.rand_like(y)",
            "import torch\ntorch.manual_seed(0)",
            "import torch\ntorch.random.fork_rng()",
            "from torch.random import fork_rng",
            "import torch\ntorch.cuda.manual_seed_all(0)",
            "import numpy as np\nnp.random.default_rng()",
            "from numpy.random import default_rng",
            "from numpy import random",
            "import random",
            "from random import shuffle",
            "x.normal_()",
            "x.uniform_(0, 1)",
            "x.multinomial(2)",
            "from torch import nn\nnn.init.normal_(w)",
            "from torch.nn.init import kaiming_normal_, normal_\nnormal_(w)",
        ]
    ):
        assert global_draws(ast.parse(code))


def test_the_search_for_global_draws_lets_pass(each):
    for code in each(
        [
            "import torch\nx = torch.rand(3, generator=rng)",
            "import torch\nrng = torch.Generator().manual_seed(3)",
            "x.normal_(generator=rng)",
            "import torch\nx = torch.randint(2, (), generator=rng) + torch.zeros(3)",
        ]
    ):
        assert not global_draws(ast.parse(code))


def imported_modules(tree: ast.Module, path: Path) -> set[tuple[str, ...]]:
    """Modules of the package that a file imports, wherever in the file, as paths below it."""
    package = ["condensery", *path.relative_to(PACKAGE).parent.parts]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{module}.{name.name}" for name in node.names]
        else:
            continue
        found |= {
            module_of(name.split(".")[1:]) for name in names if name.startswith("condensery.")
        }
    return {module for module in found if module and not module[0].startswith("__")}


def module_of(parts: list[str]) -> tuple[str, ...]:
    """The part of a dotted name that is a module or a package, not an object of it."""
    known = []
    for part in parts:
        place = PACKAGE.joinpath(*known, part)
        if not place.is_dir() and not place.with_suffix(".py").exists():
            break
        known.append(part)
    return tuple(known)


def imports_by_package() -> dict[tuple[str, ...], dict[str, set[str]]]:
    """``{package: {what is directly in it: what else of it that imports}}``."""
    found: dict[tuple[str, ...], dict[str, set[str]]] = {}
    for path in FILES:
        own = path.relative_to(PACKAGE).with_suffix("").parts
        for other in imported_modules(parsed(path), path):
            shared = len(os.path.commonprefix([own, other]))
            if shared < min(len(own), len(other)) and own[shared] != "__init__":
                inside = found.setdefault(own[:shared], {})
                inside.setdefault(own[shared], set()).add(other[shared])
    return found


def test_nothing_imports_what_imports_it_at_any_level_of_the_packages(each):
    for _, imports in each(imports_by_package().items()):
        TopologicalSorter(imports).prepare()  # CycleError names the circle


def test_the_search_for_imports_finds(each):
    for code, file, modules in each(
        [
            ("from condensery import api", "cli/x.py", {("api",)}),
            ("import condensery.cli.main", "data/load.py", {("cli", "main")}),
            (
                "from ..sizes import base",
                "condensing/updates/x.py",
                {("condensing", "sizes", "base")},
            ),
            ("from . import adam", "condensing/updates/x.py", {("condensing", "updates", "adam")}),
            ("def f():\n    from condensery.api import condense", "data/x.py", {("api",)}),
            ("from condensery import __version__", "condensed/manifest.py", set()),
            ("import torch", "data/x.py", set()),
        ]
    ):
        assert imported_modules(ast.parse(code), PACKAGE / file) == modules


def loaded_by(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after ``code``."""
    text = f"import sys\n{code}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    source = str(PACKAGE.parent)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {source!r})\n{text}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_importing_the_package_loads_no_torch():
    assert "torch" not in loaded_by("import condensery")
