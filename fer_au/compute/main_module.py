"""The user's script, which Python imports in every worker: left out where that would start its work anew, or fail."""

from __future__ import annotations

import ast
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fer_au.errors import FerAuError


def can_be_imported() -> bool:
    """Tell whether workers can import the script that is running: it has a file, and its work stands below a guard.

    The line of the script that runs now would run again in every worker, unless it stands below
    ``if __name__ == "__main__":``. A script from standard input has no file. What has no name of a file at all, such
    as ``python -c`` or a notebook, Python doesn't import.
    """
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    if file is None or getattr(main, "__spec__", None) is not None:
        return True
    line = _running_line()
    try:
        script = ast.parse(Path(file).read_bytes())
    except FileNotFoundError:
        return False
    except (OSError, SyntaxError, ValueError):  # no source, such as a program of another kind
        return True
    running = [node for node in script.body if line and node.lineno <= line <= (node.end_lineno or 0)]
    return all(isinstance(node, ast.If) and "__name__" in ast.unparse(node.test) for node in running)


def _running_line() -> int:
    """Find the line of the script's own level that runs now; 0 if this thread wasn't called from there."""
    frame, main, line = sys._getframe(), vars(sys.modules["__main__"]), 0
    while (above := frame.f_back) is not None:
        frame = above
        if frame.f_globals is main and frame.f_code.co_name == "<module>":
            line = frame.f_lineno
    return line


@contextmanager
def left_out() -> Iterator[None]:
    """Start processes inside the block that don't import the script."""
    main = vars(sys.modules["__main__"])
    file = main.pop("__file__", None)
    try:
        yield
    finally:
        if file is not None:
            main["__file__"] = file


def check_not_needed(runs: object) -> None:
    """Refuse work that holds parts of the script, which workers would have to import.

    Raises:
        FerAuError: It does; the message says what to write.
    """
    if b"__main__" in pickle.dumps(runs):
        name = getattr(sys.modules["__main__"], "__file__", "the script")
        raise FerAuError(
            f"{name}: workers must import this script for the parts that it defines, and would start its work anew: "
            'keep it in a file, with its calls below `if __name__ == "__main__":`, or set FER_AU_WORKERS=1'
        )
