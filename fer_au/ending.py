"""How a command ends: with an exit code, and after an error or Ctrl-C with one line that is true."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from fer_au.errors import ConfigProblemsError, FerAuError

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

INTERRUPTED = 130
_ATOMIC = "no file is left half written"  # see `fer_au.atomic`
_AGAIN_SECONDS = 0.02
_LOOK_SECONDS = 0.5
_IMPORTING = "<frozen importlib._bootstrap>"


def run_main(main: Callable[[], None], after_interrupt: str = _ATOMIC) -> int:
    """Run a command and turn the project's errors into lines on stderr, one each.

    Set ``FER_AU_DEBUG=1`` to see the traceback instead.

    Args:
        main: The command.
        after_interrupt: What Ctrl-C leaves of its work.

    Returns:
        The exit code: 0, 2 for a ``FerAuError``, 130 after Ctrl-C.
    """
    try:
        main()
    except FerAuError as error:
        if os.environ.get("FER_AU_DEBUG") == "1":
            raise
        if _process.interrupted:  # a library or a broken worker made the interrupt an error
            return _interrupted(after_interrupt)
        from fer_au.terminal import visible

        for line in error.lines if isinstance(error, ConfigProblemsError) else (str(error),):
            sys.stderr.write(f"error: {visible(' '.join(line.split()))}\n")
        return 2
    except KeyboardInterrupt:
        return _interrupted(after_interrupt)
    return 0


def run_process(command: Callable[[], int], after_interrupt: str = _ATOMIC) -> NoReturn:
    """Run a command as all that this process is for, and end the process with its exit code.

    Call it before anything large is imported: from here on, Ctrl-C at any moment is one line. In a command's own code
    it is a ``KeyboardInterrupt``, so that files and workers are left in order. It ends the process at once where an
    exception would be lost or become another one: in an import, and at the second Ctrl-C. Nothing more is lost then
    than by ``kill -9``. After the command's end it is too late, and does nothing.

    A stage takes the death of the DVC that started it for Ctrl-C: nobody would record what it makes, and the next
    ``dvc repro`` would wait for it.

    Args:
        command: Gives the exit code; ``run_main`` is in it.
        after_interrupt: What Ctrl-C leaves of its work, as in ``run_main``.
    """
    _process.after_interrupt = after_interrupt
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a background job of a shell is to ignore it
        signal.signal(signal.SIGINT, _process.interrupt)
        sys.unraisablehook = _process.report_swallowed
    if "DVC_STAGE" in os.environ:
        _process.watch_dvc()
    # Functions of atexit run last to first: this one comes after those of all libraries. What would be left of the
    # interpreter's end (a second where torch is torn down) hears no handler: Ctrl-C would be an exit by signal then,
    # and a failure to DVC.
    atexit.register(_process.leave)
    try:
        code = command()
        if _process.interrupted and code != INTERRUPTED:  # a library swallowed it
            _process.stop()
        _process.code = code
    except Exception:
        if not _process.interrupted or os.environ.get("FER_AU_DEBUG") == "1":
            raise
        _process.stop()
    except KeyboardInterrupt:
        _process.stop()
    sys.exit(code)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait for the end of a block that a ``KeyboardInterrupt`` would leave in disorder.

    So it is in processes of ``run_process`` alone, and for the first Ctrl-C.
    """
    _process.holds += 1
    try:
        yield
    finally:
        _process.holds -= 1
        if _process.waiting and not _process.holds:
            _process.waiting = False
            raise KeyboardInterrupt


class _Process:
    """The state of this process.

    Attributes:
        after_interrupt: What Ctrl-C leaves of the command's work.
        interrupted: Whether Ctrl-C came.
        said: Whether the line about it was written.
        holds: Number of blocks under way that let Ctrl-C wait.
        waiting: Whether one waits.
        code: Exit code of the command once it has ended.
    """

    def __init__(self) -> None:
        self.after_interrupt = ""
        self.interrupted = self.said = self.waiting = False
        self.holds = 0
        self.code: int | None = None

    def interrupt(self, _: int, frame: FrameType | None) -> None:
        """Handle Ctrl-C."""
        if self.code is not None:
            return
        if self.interrupted or _imports(frame):
            self.stop()
        self.interrupted = True
        if self.holds:
            self.waiting = True
        else:
            raise KeyboardInterrupt

    def watch_dvc(self) -> None:
        """Interrupt the command when the DVC that started it is gone; it may be deaf to Ctrl-C, as under nohup."""
        import threading
        import time

        from fer_au.ancestry import Ancestry  # psutil takes its 20 ms from stages alone

        ancestry = Ancestry()

        def watch() -> None:
            while ancestry.holds():
                time.sleep(_LOOK_SECONDS)
            if self.code is not None:
                return
            if signal.getsignal(signal.SIGINT) == self.interrupt:
                os.kill(os.getpid(), signal.SIGINT)
            else:
                self.stop()

        threading.Thread(target=watch, daemon=True).start()

    def report_swallowed(self, swallowed: UnraisableHookArgs) -> None:
        """Handle an exception that Python can't raise, as in ``__del__``: a lost Ctrl-C is sent anew."""
        if isinstance(swallowed.exc_value, KeyboardInterrupt):
            import threading

            timer = threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), signal.SIGINT))
            timer.daemon = True
            timer.start()
        else:
            sys.__unraisablehook__(swallowed)

    def stop(self) -> NoReturn:
        """Say that the command was interrupted, and end at once."""
        if not self.said:
            with suppress(OSError):  # nobody reads it any more
                os.write(2, _line(self.after_interrupt).encode())  # sys.stderr may be in the midst of a line of its own
        os._exit(INTERRUPTED)

    def leave(self) -> None:
        """End the process; where there is no exit code, as after a bug, Python does."""
        if self.code is None:
            return
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # nobody reads it any more
                stream.flush()
        os._exit(self.code)


_process = _Process()


def _interrupted(after_interrupt: str) -> int:
    """Say what Ctrl-C leaves, once, and give the exit code."""
    _process.said = True
    sys.stderr.write(_line(after_interrupt))
    return INTERRUPTED


def _line(after_interrupt: str) -> str:
    """Write the line that follows Ctrl-C; of processes that train together, the first one speaks for all."""
    return f"interrupted: {after_interrupt}\n" if os.environ.get("RANK", "0") == "0" else ""


def _imports(frame: FrameType | None) -> bool:
    """Tell whether a frame belongs to an import under way."""
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTING:
            return True
        frame = frame.f_back
    return False
