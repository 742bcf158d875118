"""What the pages say to type is what the library understands: commands, options, keys, imports."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import shlex
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from condensery.cli.commands import COMMANDS
from condensery.cli.main import main
from condensery.cli.parser import Parser
from condensery.data import ImageData, load_data
from condensery.methods import recipe_for
from condensery.part_tables import markdown
from condensery.parts import changed
from condensery.registry import SLOTS, names

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

FENCED = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:^\n|\A)((?:^(?: {4}[^\n]*)?\n)+)", re.MULTILINE)
OTHERS = {"--slow", "--no-deps", "--python", "--max-restarts"}
"""Options of other programs."""


class Typed(NamedTuple):
    """A line that is typed at a prompt."""

    page: str
    words: tuple[str, ...]


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks() -> Iterator[tuple[str, str, str]]:
    """Page, language (empty where none is said) and text of every block of code."""
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        for info, code in FENCED.findall(text):
            yield named(path), info.split(" ")[0], code
        for code in INDENTED.findall(FENCED.sub("\n", text)):
            yield named(path), "", textwrap.dedent(code)


def typed() -> Iterator[Typed]:
    for page, language, text in blocks():
        if language not in ("", "sh", "bash", "console"):
            continue
        for line in text.replace("\\\n", " ").splitlines():
            if re.match(r"\s*([A-Z_]+=\S+ )*(condensery |\./run |python )", line):
                words = shlex.split(line, comments=True)
                words = [word.strip("[]") for word in words]  # what may be left out
                while "=" in words[0]:  # the environment of the command
                    words = words[1:]
                yield Typed(page, tuple(words))


def spoken() -> Iterator[tuple[str, str]]:
    """Page and text of every piece of code within a line of prose."""
    for path in PAGES:
        text = FENCED.sub("\n", path.read_text(encoding="utf-8"))
        for code in re.findall(r"`([^`\n]+)`", text):
            yield named(path), code


def of(program: str) -> list[Typed]:
    return [line for line in typed() if line.words[0] == program]


def shown(value: object) -> str:
    return " ".join(value.words) if isinstance(value, Typed) else str(value)


@pytest.fixture(scope="module")
def options() -> dict[str, set[str]]:
    """``{command: options}`` of the command line."""
    found: dict[str, set[str]] = {}
    for name, command in COMMANDS.items():
        parser = Parser(prog=name)
        command.add_arguments(parser)
        found[name] = {text for action in parser._actions for text in action.option_strings}
    return found


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return load_data("digits").train


def test_a_command_of_a_page_is_understood(
    each, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    ran: list[Any] = []

    def noted(arguments: object) -> int:
        ran.append(arguments)
        return 0

    for command in COMMANDS.values():
        monkeypatch.setattr(command, "run", noted)
    for line in each(of("condensery")):
        ran.clear()
        assert main(list(line.words[1:])) == 0, f"{line.page}: {capsys.readouterr().err}"
        assert ran, f"{line.page}: {shown(line)} runs nothing"


def after(option: str, words: Sequence[str], otherwise: str) -> str:
    return words[words.index(option) + 1] if option in words else otherwise


def test_a_key_that_a_page_sets_is_one_of_its_method(each, digits: ImageData):
    for line in each([x for x in of("condensery") if x.words[1] == "condense"]):
        words = list(line.words)
        preset = after("--preset", words, "quick")
        recipe = recipe_for(after("--method", words, "mdc"), digits, ipc=2, preset=preset)
        keys = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
        for key in keys:
            name, _, value = key.partition("=")
            if (name, value) == ("objective", "moments") or name == "objective.square":
                continue  # the part that docs/extending.md adds; test_extending sets it
            recipe = changed(recipe, name, value)


def test_a_command_of_run_exists(each):
    for line in each(of("./run")):
        commands = re.findall(r"^def (\w+)\(arguments", (ROOT / "run").read_text(), re.MULTILINE)
        assert line.words[1] in commands, f"{line.page}: ./run knows {commands}"


def test_a_script_that_a_page_starts_exists_and_has_the_options(each):
    for line in each(of("python")):
        if line.words[1].startswith("-"):
            continue
        source = (ROOT / line.words[1]).read_text(encoding="utf-8")
        for word in line.words[2:]:
            if word.startswith("--"):
                assert f'"{word.partition("=")[0]}"' in source, f"{line.page}: {word}"


def test_an_option_that_prose_names_exists(options: dict[str, set[str]]):
    known = set.union(OTHERS, *options.values())
    for path in (ROOT / "benchmarks").glob("*.py"):
        known |= set(re.findall(r'add_argument\(\s*"(--[\w-]+)"', path.read_text(encoding="utf-8")))
    for page, code in spoken():
        for word in re.findall(r"(?:^|\s)(--[\w-]+)(?!\S*\.\.\.)", code):
            assert word in known, f"{page}: `{code}`"


def test_a_command_that_prose_names_exists_and_has_the_options(options: dict[str, set[str]]):
    for page, code in spoken():
        words = shlex.split(code) if code.startswith("condensery ") else []
        if len(words) < 2 or words[1].startswith("-"):
            continue
        assert words[1] in COMMANDS, f"{page}: `{code}`"
        for word in words[2:]:
            if word.startswith("--"):
                assert word in options[words[1]], f"{page}: `{code}`"


PYTHON = [(page, text) for page, language, text in blocks() if language == "python"]


def test_python_of_a_page_imports_what_exists_and_calls_it_with_arguments_it_takes(each):
    for page, text in each(PYTHON):
        tree = ast.parse(text)
        found: dict[str, object] = {"condensery": importlib.import_module("condensery")}
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.ImportFrom)
                and str(node.module).partition(".")[0] == "condensery"
            ):
                module = importlib.import_module(str(node.module))
                for name in node.names:
                    assert hasattr(module, name.name), f"{page}: {node.module}.{name.name}"
                    found[name.asname or name.name] = getattr(module, name.name)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (called := _called(node.func, found, page)):
                inspect.signature(called).bind_partial(
                    *(None for argument in node.args if not isinstance(argument, ast.Starred)),
                    **{word.arg: None for word in node.keywords if word.arg},
                )


def _called(node: ast.expr, found: dict[str, object], page: str) -> Callable[..., Any] | None:
    """The library's function behind a name or ``condensery.name``, if it is one."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        owner = found.get(node.value.id)
        if owner is None:
            return None
        assert hasattr(owner, node.attr), f"{page}: {ast.unparse(node)}"
        known: object = getattr(owner, node.attr)
    else:
        known = found.get(node.id) if isinstance(node, ast.Name) else None
    return known if callable(known) else None


def test_every_method_has_a_card_that_says_what_it_is_made_of(each):
    for name in each(names("method")):
        text = (ROOT / "docs" / "methods" / f"{name}.md").read_text(encoding="utf-8")
        for part in ("Idea", "Parts", "Presets"):
            assert re.search(rf"\*\*{part}\.?\*\*|^## {part}", text, re.MULTILINE), (
                f"{name}: {part}"
            )
        assert re.search(r"\*\*Equation\.\*\*|^    \S", text, re.MULTILINE), f"{name}: the equation"
        assert re.search(r"^## (Measured|Result)", text, re.MULTILINE), f"{name}: what was measured"


def test_every_page_is_in_the_menu():
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for path in (ROOT / "docs").rglob("*.md"):
        page = path.relative_to(ROOT / "docs").as_posix()
        assert re.search(rf"- {re.escape(page)}$", menu, re.MULTILINE), f"mkdocs.yml lacks {page}"


def test_the_overview_of_methods_names_each_of_them():
    text = (ROOT / "docs" / "methods" / "index.md").read_text(encoding="utf-8")
    for name in names("method"):
        assert f"[{name}]({name}.md)" in text, name


def test_the_tables_of_parts_are_those_of_the_registry():
    page = (ROOT / "docs" / "parts.md").read_text(encoding="utf-8")
    assert page.endswith(f"-->\n\n{markdown(tuple(SLOTS))}"), "condensery parts --markdown"


def test_the_pages_of_measurements_are_those_of_the_kept_files(
    each, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")  # as for a script there
    drawn = tmp_path / "pictures"
    drawn.mkdir()
    for script, page in each([("frontier", "frontier.md"), ("reference", "reference-sets.md")]):
        importlib.import_module(script).write_page(tmp_path)
        made, kept = tmp_path / page, ROOT / "docs" / page
        assert made.read_bytes() == kept.read_bytes(), f"python benchmarks/{script}.py page"
    shown = {path.name for path in (ROOT / "docs" / "pictures").glob("frontier-*.svg")}
    assert {path.name for path in drawn.iterdir()} == shown
