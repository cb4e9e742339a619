"""Listing and pruning of the cache: shards, pictures, finished work, checkpoints, clusterings, and what others left.

Pruning is always safe: whoever needs something again computes it again. A run that is under way when its shards are
removed says so and can simply be started again.
"""

from __future__ import annotations

import secrets
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fer_au.atomic import TEMPORARY_SUFFIX, is_leftover
from fer_au.errors import StoreError
from fer_au.shards.cache import ShardCache
from fer_au.shards.damaged import FOLDER as DAMAGED
from fer_au.shards.finished import FOLDER as FINISHED
from fer_au.shards.finished import read_record
from fer_au.shards.pictures import FOLDER as PICTURES
from fer_au.stores.reader import Store

_LEFTOVER_SECONDS = 24 * 3600.0
"""A temporary file of this age belongs to no run that still goes on."""


@dataclass(frozen=True)
class CachedOperation:
    """The shards of one operation.

    Attributes:
        name: Name of the operation, such as ``landmarks``; empty if no shard can be read.
        fingerprint: Key of the operation, see ``code.rows``.
        shards: Files of the shards.
        rows: Number of rows in the shards.
        size: Bytes on the disk.
        used: Time of the last use of a shard, seconds since 1970.
    """

    name: str
    fingerprint: str
    shards: tuple[Path, ...]
    rows: int
    size: int
    used: float


@dataclass(frozen=True)
class KeptWork:
    """One finished training or evaluation, one checkpoint of a training that was stopped, or one clustering.

    Attributes:
        kind: ``training``, ``evaluation``, ``checkpoint``, ``clusters``, ``pictures`` that were made of tables and
            videos, or ``damaged`` for what was set aside.
        path: Folder or file of the work.
        size: Bytes on the disk.
        used: Time of the last use, seconds since 1970.
    """

    kind: str
    path: Path
    size: int
    used: float


def list_work(root: Path, workspace: Path | None = None) -> list[KeptWork]:
    """List finished work, checkpoints and clusterings, and what was set aside as damaged, the longest unused first.

    Args:
        root: Folder of the cache.
        workspace: Folder ``.fer_au`` of a workspace; None for the cache alone.
    """
    found = [
        _kept(kind.name, folder)
        for kind in sorted((root / FINISHED).glob("*"))
        for folder in sorted(kind.glob("[0-9a-f]*"))
        if read_record(folder) is not None
    ]
    if (root / PICTURES).is_dir():
        found.append(_kept("pictures", root / PICTURES))
    for place in (root, *([workspace] if workspace is not None else [])):
        found += [_kept("damaged", path) for path in sorted((place / DAMAGED).glob("*"))]
    if workspace is not None:
        found += [_kept("checkpoint", folder) for folder in sorted(workspace.glob("checkpoints/[0-9a-f]*"))]
        found += [_kept("clusters", file) for file in sorted(workspace.glob("clusters/[0-9a-f]*.h5"))]
    return sorted(found, key=lambda work: (work.used, work.path))


def _kept(kind: str, path: Path) -> KeptWork:
    files = [path] if path.is_file() else [file for file in sorted(path.rglob("*")) if file.is_file()]
    states = [state for file in files if (state := _state(file)) is not None]
    used = max((used for _, _, used in states), default=0.0)
    return KeptWork(kind, path, sum(size for _, size, _ in states), used)


def list_operations(root: Path) -> list[CachedOperation]:
    """List the operations whose rows the cache holds, the longest unused first."""
    found = []
    for folder in sorted(path for path in root.glob("[0-9a-f][0-9a-f]/*") if path.is_dir()):
        cache = ShardCache(folder.name, root)
        keys = cache.keys()
        states = [state for path in sorted(folder.glob("*.h5")) if (state := _state(path)) is not None]
        found.append(
            CachedOperation(
                name=_operation_name(list(keys)),
                fingerprint=folder.name,
                shards=tuple(path for path, _, _ in states),
                rows=sum(map(len, keys.values())),
                size=sum(size for _, size, _ in states),
                used=max((used for _, _, used in states), default=0.0),
            )
        )
    return sorted(found, key=lambda operation: (operation.used, operation.fingerprint))


def prune(
    root: Path,
    *,
    older_than_days: float | None = None,
    max_bytes: int | None = None,
    operation: str | None = None,
    workspace: Path | None = None,
    dry_run: bool = False,
) -> tuple[int, int]:
    """Remove shards, finished work, checkpoints and clusterings, and always the leftovers of killed runs.

    Args:
        root: Folder of the cache.
        older_than_days: Age from which files are removed, in days since their last use.
        max_bytes: Size that the rest may have; the longest unused files are removed until it fits.
        operation: Name of an operation (``align``), beginning of a key, or kind of work (``training``, ``evaluation``,
            ``checkpoint``, ``clusters``, ``pictures``, ``damaged``) to which the removal is limited. Given alone, it
            removes all.
        workspace: Folder ``.fer_au`` whose checkpoints and clusterings count, too; None for none.
        dry_run: Whether files are only counted.

    Returns:
        The number of shards, sets of finished work and left-over files removed, and their bytes.
    """
    now = time.time()
    states = [
        (work.path, work.size, work.used)
        for work in list_work(root, workspace)
        if operation is None or work.kind == operation or work.path.name.startswith(operation)
    ]
    for group in list_operations(root):
        if operation is None or group.name == operation or group.fingerprint.startswith(operation):
            states += [state for path in group.shards if (state := _state(path)) is not None]
    states.sort(key=lambda state: (state[2], state[0]))
    everything = older_than_days is None and max_bytes is None and operation is not None
    age = None if older_than_days is None else older_than_days * 24 * 3600
    doomed = [state for state in states if everything or (age is not None and now - state[2] > age)]
    if max_bytes is not None:
        rest = states[len(doomed) :]
        total = sum(size for _, size, _ in rest)
        for state in rest:
            if total <= max_bytes:
                break
            doomed.append(state)
            total -= state[1]
    doomed += list_leftovers(root, workspace)
    if not dry_run:
        for path, _, _ in doomed:
            _remove(path)
        for folder in sorted(root.glob("[0-9a-f][0-9a-f]/*")) + sorted(root.glob("[0-9a-f][0-9a-f]")):
            with suppress(OSError):  # not empty
                folder.rmdir()
    return len(doomed), sum(size for _, size, _ in doomed)


def list_leftovers(root: Path, workspace: Path | None = None) -> list[tuple[Path, int, float]]:
    """List what killed runs left in the cache and in a workspace: path, size, and time of the last change.

    Args:
        root: Folder of the cache.
        workspace: Folder ``.fer_au`` of a workspace; None for the cache alone.
    """
    name, places = f".*{TEMPORARY_SUFFIX}", ("tmp/{}", "checkpoints/*/{}", "clusters/{}")
    own = [] if workspace is None else [*workspace.glob("clusters/*.features")]
    own += [path for place in places if workspace is not None for path in workspace.glob(place.format(name))]
    states = [state for path in {*root.rglob(name), *own} if (state := _state(path)) is not None]
    old = time.time() - _LEFTOVER_SECONDS
    return sorted(state for state in states if state[2] < old or _was_given_up(state[0]))


def _was_given_up(path: Path) -> bool:
    """Tell whether the process that wrote a temporary file is gone; spools and folders don't say."""
    try:
        return path.suffix == TEMPORARY_SUFFIX and is_leftover(path)
    except OSError:
        return False


def _state(path: Path) -> tuple[Path, int, float] | None:
    """Read path, size and time of the last use; None if the file went away."""
    try:
        state = path.stat()
    except OSError:
        return None
    return path, state.st_size, state.st_mtime


def _remove(path: Path) -> None:
    try:
        if path.is_dir():
            # Out of sight at once: a reader finds all of its files or none.
            aside = path.with_name(f".{path.name}.{secrets.token_hex(6)}{TEMPORARY_SUFFIX}")
            path.rename(aside)
            shutil.rmtree(aside)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{path}: cannot remove: {error.strerror or error}") from error


def _operation_name(shards: list[Path]) -> str:
    for path in shards:
        try:
            return str(Store.open(path, "shard").attributes.get("operation", ""))
        except StoreError:
            continue
    return ""
