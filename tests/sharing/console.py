"""The commands of a Markdown guide, and a lab of people with homes of their own who type them."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.docs.blocks import Block, Command, missing_output, read_commands

_STEP = re.compile(r"^step: ([a-z0-9-]+)(?:, exit: (\d+))?$")


class GuideError(Exception):
    """The guide is not written as it should be, or a command of it doesn't do what the guide says."""


@dataclass(frozen=True)
class Step:
    """One console block; the comment above it names it, and the exit code of its last command where that isn't 0."""

    name: str
    exit_code: int
    commands: list[Command]

    @property
    def people(self) -> set[str]:
        """Who types, and whose homes are used."""
        text = " ".join(command.text for command in self.commands)
        return {command.person for command in self.commands} | set(re.findall(r"/home/([a-z]+)", text))


def read_steps(blocks: Sequence[Block]) -> list[Step]:
    """The console blocks of a guide as steps, in order.

    Raises:
        GuideError: A block without a name.
    """
    steps: list[Step] = []
    for block in blocks:
        match = _STEP.match(block.comment)
        if match is None:
            raise GuideError(f"{block}: a console block has no line '<!-- step: NAME -->' above it")
        steps.append(Step(match[1], int(match[2] or 0), read_commands(block)))
    return steps


@dataclass(frozen=True)
class Done:
    """A command that ran.

    Attributes:
        command: As the guide has it.
        output: stdout and stderr, as they came.
    """

    command: Command
    output: str

    @property
    def stages(self) -> list[str]:
        """The stages that DVC really ran: neither unchanged nor taken from its run cache. ``stamp`` runs always."""
        found = re.findall(r"^Running stage '([^']+)'", self.output, re.MULTILINE)
        return [stage for stage in found if stage != "stamp"]


class Lab:
    """A folder that plays the lab's disk; people whose shells remember folder, variables and umask.

    Args:
        folder: Holds ``lab``, what the guide calls ``/lab``, and ``home``.
        words: Further words of the guide -> what stands for them here.
        sources: The project whose ``fer_au`` runs.
        accounts: Person -> uid, for a lab of several users; the others have this process's.
        group: Gid of the lab's group, to which those users belong beside one of their own.
        programs: Folder with ``python``, ``dvc`` and ``fer-au``; default this process's.
    """

    def __init__(
        self,
        folder: Path,
        words: Mapping[str, str],
        sources: Path,
        accounts: Mapping[str, int] | None = None,
        group: int | None = None,
        programs: Path | None = None,
    ) -> None:
        self.folder = folder
        self.disk = folder / "lab"
        self.words = {r"(?<![\w.])/(lab|home)(?=/)": rf"{folder}/\1", **words}
        self.sources = sources
        self._accounts = accounts or {}
        self._group = group
        self._programs = programs or Path(sys.executable).parent
        self._groups: dict[str, list[int]] = {}
        self.disk.mkdir()

    def home(self, person: str) -> Path:
        """A person's home folder."""
        return self.folder / "home" / person

    def read(self, person: str, name: str) -> bytes:
        """A file of a person's clone ``fer``."""
        return (self.home(person) / "fer" / name).read_bytes()

    def run(self, step: Step) -> list[Done]:
        """Type a step's commands; what they left running ends with the step.

        Raises:
            GuideError: An exit code or an output differs from the guide's.
        """
        try:
            return [self._run(step, command) for command in step.commands]
        finally:
            for person in {command.person for command in step.commands}:
                self.stop_background(person)

    def _run(self, step: Step, command: Command) -> Done:
        output, code = self.type(command.person, command.text)
        expected = step.exit_code if command is step.commands[-1] else 0
        if code != expected:
            raise GuideError(f"{step.name}: {command.text}\nexited {code}, not {expected}:\n{output[-4000:]}")
        if (line := missing_output([self._here(line) for line in command.shown], output)) is not None:
            raise GuideError(f"{step.name}: {command.text}\ndid not print {line!r}:\n{output[-4000:]}")
        return Done(command, output)

    def type(self, person: str, text: str) -> tuple[str, int]:
        """Run one command line in a person's shell; what it starts with ``&`` goes on running.

        Returns:
            Its output and its exit code.
        """
        home = self.home(person)
        if not home.is_dir():
            self._move_in(person)
        state, log = home / ".shell", home / ".output"
        # Everyone has an environment of their own in their clone, and so runs that clone's code.
        sources = shlex.quote(str(self.sources))
        own = "$(git rev-parse --show-toplevel 2>/dev/null)"
        trap = f'PYTHONPATH={own}; [ -d "$PYTHONPATH/fer_au" ] || PYTHONPATH={sources}'
        keep = f'{{ echo "cd $(printf %q "$PWD")"; echo "umask $(umask)"; export -p; }} > {shlex.quote(str(state))}'
        lines = [f". {shlex.quote(str(state))}", f"trap {shlex.quote(trap)} DEBUG", self._here(text)]
        script = "\n".join([*lines, "code=$?", keep, "exit $code", ""])
        # Into a file: a pipe would stay open, and be waited for, as long as a background process lives.
        with log.open("w") as file:
            process = subprocess.Popen(
                ["bash", "-c", script],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
                **self._identity(person),
            )
            self._groups.setdefault(person, []).append(process.pid)
            code = process.wait(timeout=300)
        return log.read_text(errors="replace"), code

    def _identity(self, person: str) -> dict[str, Any]:
        """What starts a process as a person: her uid, a main group of her own, and the lab's group."""
        uid = self._accounts.get(person)
        return {} if uid is None else {"user": uid, "group": uid, "extra_groups": [self._group]}

    def stop_background(self, person: str) -> None:
        """End whatever a person's commands have left running."""
        for group in self._groups.pop(person, []):
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)

    def _here(self, text: str) -> str:
        for word, place in self.words.items():
            text = re.sub(word, place, text)
        return text

    def _move_in(self, person: str) -> None:
        home = self.home(person)
        home.mkdir(parents=True)
        # DVC's own git library reads /etc/gitconfig, whatever GIT_CONFIG_SYSTEM says: hence the include.
        system = self.folder / "gitconfig"
        (home / ".gitconfig").write_text(
            f"[user]\n\tname = {person}\n\temail = {person}@lab\n[init]\n\tdefaultBranch = main\n"
            f"[include]\n\tpath = {system}\n"
        )
        kept = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
        variables = {
            **kept,
            "HOME": str(home),
            "PATH": f"{self._programs}{os.pathsep}{os.environ['PATH']}",
            "USER": person,
            "GIT_CONFIG_SYSTEM": str(system),
            "PYTHONPATH": str(self.sources),
            "DVC_SITE_CACHE_DIR": str(home / ".site"),
            "DVC_NO_ANALYTICS": "1",
        }
        lines = ["unset $(compgen -e | grep -E '^(FER_AU|DVC|GIT|PYTHON|DASK|SLURM)')"]
        lines += [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
        (home / ".shell").write_text("\n".join([*lines, f"cd {shlex.quote(str(home))}"]) + "\n")
        if (uid := self._accounts.get(person)) is not None:
            for path in (home, *home.iterdir()):
                os.chown(path, uid, uid)


class Walk:
    """Goes through a guide's steps, several at a time where different people act.

    Everybody's own steps keep their order. Whoever publishes (``ana``, ``admin``) waits until the others are done with
    what was there before, and they wait for what is published.

    Args:
        lab: Where.
        steps: In the guide's order.
        check: Called right after a step.
    """

    _PUBLISHERS = frozenset({"admin", "ana"})

    def __init__(self, lab: Lab, steps: Sequence[Step], check: Callable[[Step, list[Done]], None]) -> None:
        self._lab = lab
        self._check = check
        self._pool = ThreadPoolExecutor(4)
        self._futures: dict[str, Future[None]] = {}
        everybody: list[str] = []
        latest: dict[str, str] = {}
        for step in steps:
            publishes = any(command.person in self._PUBLISHERS for command in step.commands)
            before = (
                everybody if publishes else [latest[one] for one in step.people | self._PUBLISHERS if one in latest]
            )
            earlier = [self._futures[name] for name in before]
            # The pool starts steps in this order, and each waits for earlier ones only: none can wait for ever.
            self._futures[step.name] = self._pool.submit(self._perform, step, earlier)
            everybody = [*everybody, step.name]
            latest |= dict.fromkeys((command.person for command in step.commands), step.name)

    def wait_for(self, name: str) -> None:
        """Wait for a step; raises what it or its check raised."""
        self._futures[name].result()

    def end(self) -> None:
        """Don't start what has not been started."""
        self._pool.shutdown(cancel_futures=True)

    def _perform(self, step: Step, earlier: Sequence[Future[None]]) -> None:
        for future in earlier:
            if future.exception() is not None:
                raise GuideError(f"{step.name}: not tried, an earlier step failed")
        self._check(step, self._lab.run(step))
