"""Fill in the page templates of this folder, and write pages."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def filled(template: str, **values: object) -> str:
    """The text of a page. All values are escaped.

    Args:
        template: File name of a template in this folder.
        values: By the names that the template uses. A missing one is an error.
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template(template).render(**values)


def write_whole(path: Path, text: str) -> Path:
    """Write a page. Where that fails, a file that was there before is untouched.

    Returns:
        ``path``.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _source(name: str) -> str:
    return files("condensery.report").joinpath(name).read_text(encoding="utf-8")
