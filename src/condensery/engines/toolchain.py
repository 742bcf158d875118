"""Whether torch can compile on this machine, and how work continues uncompiled if it cannot.

``torch.compile`` needs a C++ compiler, the headers of Python, and a folder in which shared
libraries may be written and loaded. Any of these may be missing or broken. Everything that the
library compiles also exists uncompiled and gives the same results up to rounding, so a failure
never stops a run: it costs speed and one warning that names the cause.

After the first failure nothing more is compiled in the process, and ``cannot_compile`` returns the
cause.
"""

from __future__ import annotations

import ctypes
import getpass
import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import count
from pathlib import Path
from threading import Lock
from types import FunctionType
from typing import Generic, ParamSpec, TypeVar, cast

from condensery.parallel import exclusive_lock

_log = logging.getLogger(__name__)

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

PROBE_SECONDS = 60
"""Time limit of the compiler for an empty program; a working compiler takes 0.2 s."""

_OPTIONS = (
    "Compile nothing, and read no warning, with `--set compiled=false` (training of experts: "
    "`--set schedule.compiled=false`, evaluation: `--precision fp32`); in Python with "
    'settings={"compiled": "false"}, and precision="fp32" for evaluate().'
)


_copies = count()


def copy_of(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """A copy of a function that torch counts as another one.

    Torch compiles one function at most 8 times, for example for 8 networks, and then runs it
    uncompiled in the whole process, with a warning of its own.
    """
    original = cast(FunctionType, function)
    code = original.__code__.replace(co_name=f"{original.__name__}_{next(_copies)}")
    return FunctionType(code, original.__globals__, code.co_name, original.__defaults__)


class _Process:
    """What this process knows about compiling, protected by ``lock``."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.probed = False
        self.cause: str | None = None  # the first one
        self.fell_back = False
        self.warned: set[str] = set()


_process = _Process()


def compiler() -> str | None:
    """Path of the C++ compiler that ``torch.compile`` calls on a CPU, or None if there is none.

    The environment variable CXX names it; otherwise it is ``g++`` (macOS: ``clang++``, Windows:
    ``cl``).
    """
    usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    return shutil.which(os.environ.get("CXX") or usual)


def cannot_compile() -> str | None:
    """Why nothing is compiled in this process; None if compiling works, as far as is known.

    The first call compiles and loads an empty program (0.2 s) in the folder of ``torch.compile``.
    If that fails because of the folder (a space in its path, a file system mounted ``noexec``),
    another folder is tried, and torch is configured to use it.

    Returns:
        The first line in which the compiler, or the system, says what is wrong.
    """
    with _process.lock:
        if not _process.probed and _process.cause is None:
            _process.cause, _process.probed = _probe(), True
        return _process.cause


def fell_back() -> str | None:
    """Why something that should have been compiled was computed uncompiled in this process."""
    with _process.lock:
        return _process.cause if _process.fell_back else None


def go_uncompiled(cause: str, *, what: str) -> None:
    """Compile nothing more in this process, with one warning for every different cause.

    Args:
        cause: The fault, as ``cannot_compile`` returns it.
        what: The work that continues uncompiled, such as ``"Matching"``.
    """
    with _process.lock:
        _process.cause, _process.fell_back = _process.cause or cause, True
        if cause in _process.warned:
            return
        _process.warned.add(cause)
    _log.warning(
        "%s goes on uncompiled, which is slower and gives the same results up to rounding, because "
        "torch cannot compile here: %s. %s",
        what,
        cause.rstrip("."),
        _OPTIONS,
    )


class Fallback(Generic[_Arguments, _Result]):
    """Calls ``fast`` while this process can compile, and ``slow`` from the first failure on.

    Args:
        fast: The compiled function, which compiles in its first call and may then fail.
        slow: A function with the same results up to rounding.
        what: The work that continues uncompiled, such as ``"Matching"``.
        alone: Whether ``slow`` calls modules and must not run while another thread compiles.
    """

    def __init__(
        self,
        fast: Callable[_Arguments, _Result],
        slow: Callable[_Arguments, _Result],
        *,
        what: str,
        alone: bool = True,
    ) -> None:
        self._fast, self._slow, self._what = fast, slow, what
        self._alone = exclusive_lock if alone else nullcontext

    @property
    def failed(self) -> bool:
        """Whether only ``slow`` is called, because ``fast`` has failed."""
        return _process.cause is not None

    def __call__(self, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        """Call the fast function, or the slow one if compiling has failed."""
        if _process.cause is not None:
            go_uncompiled(_process.cause, what=self._what)
            return self._slowly(*args, **kwargs)
        try:
            return self._fast(*args, **kwargs)
        except Exception as error:
            # A mistake in the arguments shows again, and more clearly, in the slow function.
            result = self._slowly(*args, **kwargs)
            go_uncompiled(cause_of(error), what=self._what)
            return result

    def _slowly(self, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        with self._alone():
            return self._slow(*args, **kwargs)


def cause_of(error: BaseException) -> str:
    """One line that names the fault behind an error of ``torch.compile``.

    Returns:
        The compiler's own first error line where there is one, without the name of the generated
        file; otherwise the first line of the innermost error.
    """
    chain = list(_chain(error))
    for each in chain:
        output = getattr(each, "output", None) or getattr(each, "stderr", None)
        if isinstance(output, str | bytes):
            return _first_error(
                output if isinstance(output, str) else output.decode("utf-8", "replace")
            )
        _, marker, rest = str(each).partition("\nOutput:\n")  # an error that crossed a process
        if marker:
            return _first_error(rest)
    for each in chain:
        if isinstance(each, OSError) and each.strerror:
            where = f": {each.filename}" if each.filename else ""
            return f"{each.strerror}{where}"
    innermost = chain[-1]
    said = str(innermost).strip().splitlines()
    return said[0] if said else type(innermost).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes, from the outermost to the innermost."""
    seen: set[int] = set()
    while id(error) not in seen:
        seen.add(id(error))
        yield error
        error = getattr(error, "inner_exception", None) or error.__cause__ or error


def _first_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    found = next((line for line in lines if "error" in line.lower()), lines[0] if lines else "")
    return re.sub(r"^.+?:\d+(:\d+)?: ", "", found) or "the compiler fails and says nothing"


def _probe() -> str | None:
    """Why an empty program cannot be compiled and loaded; chooses the folder that torch uses."""
    if sys.platform == "win32":  # pragma: no cover - cl has other options; torch says what fails
        return None if compiler() else "there is no C++ compiler: cl is not found"
    path = compiler()
    if path is None:
        named = os.environ.get("CXX")
        return "there is no C++ compiler: " + (
            f"CXX names {named!r}, which is not found" if named else "g++ is not found"
        )
    first: OSError | None = None
    for folder in _folders():
        try:
            cause = _compile_in(folder, path)
        except subprocess.TimeoutExpired:
            return f"{path} has not compiled an empty program after {PROBE_SECONDS} s"
        except OSError as error:  # because of the folder, so that another one may do
            first = first or error
            continue
        if cause is None:
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder)
        return cause
    assert first is not None, "there is at least one folder"
    return cause_of(first)


def _folders() -> Iterator[Path]:
    """Folders for compiled code: that of torch first, and then other permanent ones."""
    try:
        user = getpass.getuser()
    except (KeyError, ImportError, OSError):
        user = str(os.getuid())
    name = "torchinductor_" + re.sub(r'[\\/:*?"<>|]', "_", user)
    usual = Path(tempfile.gettempdir(), name)
    chosen = Path(os.environ.get("TORCHINDUCTOR_CACHE_DIR") or usual).absolute()
    yield chosen
    if chosen == usual.absolute():  # the user has named no other
        home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
        yield Path(home, name)
        yield Path("/var/tmp", name)


def _compile_in(folder: Path, compiler: str) -> str | None:
    """The error of the compiler for an empty library; None if it compiles.

    Raises:
        OSError: If the library cannot be written there, or cannot be loaded from there.
    """
    if shlex.split(str(folder)) != [str(folder)]:  # torch splits the command that it has joined
        raise OSError(f"the path of the folder for compiled code has a space or a quote: {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=folder, prefix="probe-", ignore_cleanup_errors=True
    ) as inside:
        source, library = Path(inside, "probe.cpp"), Path(inside, "probe.so")
        source.write_text(
            '#include <Python.h>\nextern "C" int probe() { return 0; }\n', encoding="utf-8"
        )
        command = [
            *(compiler, "-shared", "-fPIC", "-I", sysconfig.get_path("include")),
            *(["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []),
            *(str(source), "-o", str(library)),
        ]
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PROBE_SECONDS,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
        if done.returncode:
            return _first_error(done.stdout.decode("utf-8", "replace"))
        ctypes.CDLL(str(library))
    return None
