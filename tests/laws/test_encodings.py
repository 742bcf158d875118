"""Text is read and written in a named encoding: the locale's differs between machines."""

from __future__ import annotations

import ast
from pathlib import Path

import condensery

PACKAGE = Path(condensery.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

_OPENERS = ("os", "Image", "gzip", "bz2", "lzma", "tarfile", "zipfile")
"""Modules whose ``open`` is binary unless it is asked for text."""


def mode_of(call: ast.Call, position: int) -> str | None:
    """The mode that a call of ``open`` is given, if it is one."""
    given = [word.value for word in call.keywords if word.arg == "mode"]
    given += call.args[position : position + 1]
    for value in given:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return value.value if set(value.value) <= set("rwxabt+") else None
    return None


def lacks_encoding(call: ast.Call) -> bool:
    """Whether a call reads or writes text in the encoding of the locale."""
    named = {word.arg for word in call.keywords}
    if "encoding" in named or None in named:  # None: **options
        return False
    match call.func:
        case ast.Name(id="open"):
            return "b" not in (mode_of(call, 1) or "r")
        case ast.Name(id="TextIOWrapper") | ast.Attribute(attr="TextIOWrapper"):
            return len(call.args) < 2
        case ast.Attribute(attr="read_text"):
            return not call.args
        case ast.Attribute(attr="write_text"):
            return len(call.args) < 2
        case ast.Attribute(attr="open", value=value):
            opener = isinstance(value, ast.Name) and value.id in _OPENERS
            mode = mode_of(call, 1 if opener else 0)
            if opener:
                return mode is not None and "t" in mode
            return "b" not in mode if mode else not call.args
        case ast.Attribute(attr="run" | "Popen" | "check_output" | "NamedTemporaryFile"):
            text = any(w.arg in ("text", "universal_newlines") for w in call.keywords)
            return text or any(
                word.arg == "mode" and "b" not in str(getattr(word.value, "value", "b"))
                for word in call.keywords
            )
    return False


def found(code: str) -> list[int]:
    calls = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call))
    return sorted(call.lineno for call in calls if lacks_encoding(call))


def test_text_has_a_named_encoding():
    lines = {
        str(path.relative_to(PACKAGE)): found(path.read_text(encoding="utf-8")) for path in FILES
    }
    assert {name: where for name, where in lines.items() if where} == {}


def test_the_search_finds():
    for code in (
        "open(p)",
        "open(p, 'w')",
        "open(p, mode='a')",
        "p.open()",
        "p.open('w')",
        "p.open(mode='r')",
        "p.parent.open('a', newline='')",
        "p.read_text()",
        "(folder / name).write_text(text)",
        "p.write_text(text, newline='')",
        "io.TextIOWrapper(raw)",
        "gzip.open(p, 'rt')",
        "subprocess.run(words, text=True)",
        "tempfile.NamedTemporaryFile(mode='w')",
    ):
        assert found(code) == [1], code


def test_the_search_lets_pass():
    for code in (
        "open(p, 'rb')",
        "open(p, encoding='utf-8')",
        "p.open('rb')",
        "p.open(mode='wb')",
        "p.open('w', encoding='utf-8')",
        "p.read_text('utf-8')",
        "p.read_text(encoding='utf-8')",
        "p.write_text(text, 'utf-8')",
        "p.read_bytes()",
        "Image.open(file)",
        "gzip.open(p)",
        "archive.open(member)",
        "os.open(path, flags)",
        "subprocess.run(words)",
        "subprocess.run(words, text=True, encoding='utf-8')",
    ):
        assert found(code) == [], code
