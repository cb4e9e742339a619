"""Processes of their own for functions of the tests, without seconds of imports for each.

    python -m tests.training.forks

One process imports torch and the training, and does nothing else; what it forks off is as a fresh process that has come
as far. It takes groups, one line of JSON each: it answers with their process ids, and with their exit codes once all
have ended. A process of a group that fails ends the others, as torch's launcher does.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from select import select
from typing import IO

ROOT = Path(__file__).parents[2]


@dataclass
class Group:
    """Processes that were started together."""

    pids: list[int]
    stderr: Path
    _answers: IO[str]

    @property
    def alive(self) -> bool:
        """Whether none of them has ended."""
        return not select([self._answers], [], [], 0)[0]

    def wait(self) -> list[int]:
        """Wait until all have ended; their exit codes, negative after a signal."""
        codes: list[int] = json.loads(self._answers.readline())
        return codes

    @property
    def said(self) -> str:
        """What they wrote to stderr."""
        return self.stderr.read_text()


class Forks:
    """Starts groups of processes, one group after the other.

    Args:
        server: The process that forks them.
    """

    def __init__(self, server: subprocess.Popen[str]) -> None:
        self._server = server

    def start(self, function: str, *arguments: str, environments: Sequence[Mapping[str, str]] = ({},)) -> Group:
        """Start one process for each environment, in the current folder.

        Args:
            function: ``module:name`` of what they call.
            arguments: Its arguments.
            environments: What each process has in its environment beside the current one.
        """
        stderr = Path(f"stderr-{Path(function).name.replace(':', '-')}.txt").resolve()
        stderr.write_bytes(b"")
        request = {"function": function, "arguments": arguments, "folder": str(Path.cwd()), "stderr": str(stderr)}
        request["environments"] = [{**os.environ, **own} for own in environments]
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(f"{json.dumps(request)}\n")
        self._server.stdin.flush()
        return Group(json.loads(self._server.stdout.readline()), stderr, self._server.stdout)

    def together(self, count: int, function: str, *arguments: str, **environment: str) -> Group:
        """Start processes that find each other, as torch's launcher sets them up."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, **environment}
        ranks = [{**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]
        return self.start(function, *arguments, environments=ranks)


@contextmanager
def forking() -> Iterator[Forks]:
    """Start the process that forks, and end it."""
    command = [sys.executable, "-m", "tests.training.forks"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, text=True) as server:
        yield Forks(server)
        assert server.stdin is not None
        server.stdin.close()


def _fork(request: Mapping[str, object], environment: Mapping[str, str]) -> int:
    """Fork one process; gives its id, and never returns in it."""
    if pid := os.fork():
        return pid
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(str(request["folder"]))
    stderr = os.open(str(request["stderr"]), os.O_WRONLY | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDWR)
    for source, target in ((nothing, 0), (nothing, 1), (stderr, 2)):
        os.dup2(source, target)
    module, _, name = str(request["function"]).partition(":")
    getattr(importlib.import_module(module), name)(*request["arguments"])  # type: ignore[misc]
    raise SystemExit


def _wait_for_all(pids: Sequence[int]) -> list[int]:
    codes: dict[int, int] = {}
    while len(codes) < len(pids):
        pid, status = os.wait()
        codes[pid] = os.waitstatus_to_exitcode(status)
        if codes[pid]:
            for other in set(pids) - codes.keys():
                os.kill(other, signal.SIGTERM)
    return [codes[pid] for pid in pids]


def _answer(numbers: list[int]) -> None:
    sys.stdout.write(f"{json.dumps(numbers)}\n")
    sys.stdout.flush()


def main() -> None:
    """Fork groups until there are no more requests."""
    import torch

    import fer_au.training.stage  # noqa: F401

    torch.set_num_threads(1)
    for line in sys.stdin:
        request = json.loads(line)
        pids = [_fork(request, environment) for environment in request["environments"]]
        _answer(pids)
        _answer(_wait_for_all(pids))


if __name__ == "__main__":
    main()
