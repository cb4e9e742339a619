"""One reader of stores whose versions change under it: every value that it sees must be of one version.

    python -m tests.reliability.reader FOLDER HOW NUMBER

HOW is ``open`` (open and read again and again), ``kept`` (one open store, read for long), ``pickled`` (as it travels to
another process), ``fork`` or ``spawn`` (a DataLoader with two workers). Makes FOLDER/ready-NUMBER once it has met
enough, reads until FOLDER/stop exists, and then prints how often, and how many versions it met.
"""

from __future__ import annotations

import pickle
import re
import sys
import time
from pathlib import Path

import numpy as np

from fer_au.errors import StoreError
from fer_au.stores import Store

KINDS = ("faces", "landmarks", "heatmaps")
LARGEST = 200
READY = 10
ENOUGH = {"open": 4, "kept": 1, "pickled": 4, "fork": 4, "spawn": 1}
"""How many versions each kind of reader must meet."""
REPLACED = re.compile(r"\S+\.h5: was replaced by another version while it was in use; run again")


def version_of(store: Store, row: int, *, whole: bool) -> int:
    """The version that a row shows, in every one of its columns.

    Args:
        store: Of any of the kinds.
        row: Which row.
        whole: Read whole columns, kept by the store, or only this row.
    """

    def value(name: str) -> np.ndarray:
        return store[name][row] if whole else store.rows(name, row, row + 1)[0]

    if "data" in store:
        seen = {*store.ragged(row)[-40:].split(b" ")[1:2], *(b"%d" % int(value("score")),), *(b"%d" % value("box")[3],)}
        return int(only(seen))
    if "points" in store:
        return int(only({*value("points").ravel().tolist(), float(value("score"))}))
    return int(only(set(value("map").ravel().tolist())))


def only(values: set) -> object:
    assert len(values) == 1, f"values of several versions: {values}"
    return next(iter(values))


def check(store: Store, rng: np.random.Generator) -> int:
    """Look at some rows of one open store; all are of one version, the one that the file's attribute names."""
    rows = rng.integers(0, len(store), 4).tolist()
    seen = {version_of(store, row, whole=bool(number % 2)) for number, row in enumerate(rows)}
    assert seen == {int(store.attributes["version"])}, (store.path, seen, store.attributes)
    return seen.pop()


def read_stores(folder: Path, how: str, ready: Path) -> tuple[int, int]:
    rng = np.random.default_rng()
    times, versions, refused = 0, set(), 0
    stores = {kind: Store.open(folder / f"{kind}.h5", kind) for kind in KINDS}
    while not (folder / "stop").exists():
        kind = KINDS[times % 3]
        if how == "open":
            stores[kind] = Store.open(folder / f"{kind}.h5", kind)
        store = stores[kind]
        if how == "pickled":
            try:
                versions.add(check(pickle.loads(pickle.dumps(store)), rng))
            except StoreError as error:
                if not REPLACED.fullmatch(str(error)):
                    raise
                refused += 1
                stores[kind] = Store.open(folder / f"{kind}.h5", kind)
        else:
            versions.add(check(store, rng))
        times += 1
        if times >= READY and len(versions) >= ENOUGH[how] and (how != "pickled" or refused):
            ready.touch()
        time.sleep(0.01)
    assert how != "kept" or len(versions) <= 3  # one version of each kind, for ever
    assert how != "pickled" or refused
    return times, len(versions)


def read_batches(folder: Path, how: str, ready: Path) -> tuple[int, int]:
    from torch.utils.data import DataLoader, RandomSampler

    from fer_au.batches.faces import FaceDataset
    from fer_au.batches.samples import FaceSamples

    times, versions = 0, set()
    # Spawned workers take seconds to start, forked ones nothing: these see new versions with every epoch.
    samples = 200 if how == "fork" else 10**6
    while not (folder / "stop").exists():
        faces = FaceSamples(FaceDataset(folder, "train", 32))
        sampler = RandomSampler(faces, replacement=True, num_samples=samples)
        for batch in DataLoader(faces, batch_size=8, num_workers=2, multiprocessing_context=how, sampler=sampler):
            for values in (batch["image"].flatten(1), batch["map"].flatten(1), batch["points"].flatten(1)):
                # A batch comes from one worker, which opened each store once.
                assert bool((values == values[0, 0]).all()), values
                versions.add(int(values[0, 0]))
            times += 1
            if times >= READY and len(versions) >= ENOUGH[how]:
                ready.touch()
            if (folder / "stop").exists():
                break
    return times, len(versions)


def main() -> None:
    folder, how, number = Path(sys.argv[1]), *sys.argv[2:]
    read = read_batches if how in ("fork", "spawn") else read_stores
    times, versions = read(folder, how, folder / f"ready-{number}")
    sys.stdout.write(f"{times} {versions}\n")


if __name__ == "__main__":
    main()
