"""Check the digests of any artefact: stores, model folders, metrics and tables. It finds faults, and raises none."""

from __future__ import annotations

from pathlib import Path

from fer_au.datasets.leaks import LEAKS, read_leaks
from fer_au.datasets.manifest import labels_digest, pictures_digest, read_manifest
from fer_au.errors import DataError, FerAuError
from fer_au.evaluation.metrics_file import BELOW, detail_path, read_metrics
from fer_au.models.config_file import CONFIG, HISTORY, WEIGHTS, check_folder
from fer_au.rejects import read_rejects
from fer_au.stores.beside import KEEPERS
from fer_au.stores.reader import Store, check_table
from fer_au.stores.schemas import SCHEMAS
from fer_au.stores.sources import LABELS, MANIFEST, PICTURES, check_sources
from fer_au.stores.verify import verify_store

_STORE = ".h5"
_OF_MODEL = (CONFIG, WEIGHTS, HISTORY)


def verify_artefact(path: Path) -> list[str]:
    """Recompute every digest of an artefact.

    Args:
        path: Store, folder of a model or a file of it, metrics, ``manifest.csv``, or a table of rejects.

    Returns:
        One line per fault; empty if all is well.
    """
    try:
        return _verify(path)
    except FerAuError as error:
        return [" ".join(str(error).split())]
    except Exception as error:
        reason = " ".join(str(error).split()) or "no reason given"
        return [f"{path}: can't be read: {type(error).__name__}: {reason}"]


def _verify(path: Path) -> list[str]:
    if path.suffix == _STORE and not path.is_dir():
        return verify_store(path) or _beside(path)
    if path.is_dir() or path.name in _OF_MODEL:
        folder = path if path.is_dir() else path.parent
        if path.is_dir() and all(one.name.startswith(".") for one in path.iterdir()):
            return []  # models/none, the start from nothing
        check_folder(folder)
        return [fault for store in sorted(folder.glob(f"*{_STORE}")) for fault in verify_store(store)]
    if path.suffix == ".json":
        _check_metrics(path)
        return []
    return _table(path)


def _beside(path: Path) -> list[str]:
    """Check the tables that a sound store keeps the digests of, or the metrics of an evaluation, where they are."""
    store = Store.open_any(path)
    faults: list[str] = []
    metrics = _twin(path, "metrics", ".json")
    if store.schema == SCHEMAS["evaluation"].name and metrics.is_file():
        _check_metrics(metrics)
    if store.schema != SCHEMAS["evaluation"].name:  # it lies elsewhere than what it was made from
        check_sources(store, _neighbours(path, store))
    for name in store.beside:
        try:
            if KEEPERS.get(name) is not None:
                check_table(path.parent, name)
        except DataError as error:
            faults.append(str(error))
    return faults


def _neighbours(path: Path, store: Store) -> dict[str, str]:
    """Find the files beside a store that it was made from: stores by their content, and parts of the manifest."""
    found = {}
    for name in store.sources:
        if name.endswith(_STORE) and (beside := path.with_name(name)).is_file():
            found[name] = Store.open_any(beside).content_sha256
    if (manifest := path.with_name(MANIFEST)).is_file():
        rows = read_manifest(manifest)
        found |= {PICTURES: pictures_digest(rows), LABELS: labels_digest(rows)}
    return found


def _check_metrics(path: Path) -> None:
    """Check a pair of metrics, given by either file, and the evaluation that belongs to them, if it is there."""
    parts = path.absolute().parts
    headline = path
    if "detail" in parts[-3:-1]:
        above = path.parents[1] if path.parent.name == "detail" else path.parents[2] / path.parent.name
        headline = above / path.name
    store = _twin(headline, "evaluation", _STORE)
    content = Store.open(store, "evaluation").content_sha256 if store.is_file() else None
    read_metrics(headline, detail_path(headline), content)


def _twin(path: Path, folder: str, ending: str) -> Path:
    """Find the metrics of an evaluation store, or the store of metrics: the same place in the other folder."""
    own = path.absolute()
    below = own.parent.name if own.parent.name in BELOW else ""
    return own.parents[2 if below else 1] / folder / below / f"{own.stem}{ending}"


def _table(path: Path) -> list[str]:
    name = next((name for name in KEEPERS if path.absolute().as_posix().endswith(f"/{name}")), None)
    if not path.exists():
        return [f"{path}: no such file or folder"]
    if name is None:
        return [f"{path}: carries no digest; give a store, a model's folder, metrics or a table of a data set"]
    folder = (path if len(path.parts) > name.count("/") + 1 else path.absolute()).parents[name.count("/")]
    keeper = folder / f"{KEEPERS[name]}{_STORE}"
    if not keeper.is_file() or name not in Store.open(keeper, KEEPERS[name]).beside:
        return [f"{path}: {keeper.name} beside it keeps no digest of it; run the stage again"]
    check_table(folder, name)
    if name == f"rejects/{LEAKS}":
        read_leaks(path)
    elif name != "manifest.csv":
        read_rejects(path)
    return []
