"""Collect the provenance of the figures: artefacts and their hashes, software versions, settings."""

from __future__ import annotations

import json
from dataclasses import dataclass

from fer_au.cues import Codebook, create_codebook, list_codebooks
from fer_au.report.collect import Project
from fer_au.stores import Store
from fer_au.version import __version__
from fer_au.yaml_files import dump_yaml


@dataclass(frozen=True)
class Artefact:
    """Store that the page was made from."""

    path: str
    schema: str
    rows: int
    content_sha256: str
    fingerprint: str


@dataclass(frozen=True)
class RunRecord:
    """Settings of one experiment."""

    name: str
    seed: int
    base: str
    group: str
    environment: dict[str, str]
    model: str


@dataclass(frozen=True)
class Provenance:
    """Content of the page's last section."""

    version: str
    artefacts: list[Artefact]
    codebooks: list[Codebook]
    runs: list[RunRecord]
    params: str


def provenance(project: Project) -> Provenance:
    """Collect hashes, versions, seeds and parameters."""
    artefacts = [
        _artefact(f"data/{dataset.name}/{store.path.name}", store)
        for dataset in project.datasets.values()
        for store in (dataset.faces, dataset.landmarks, dataset.heatmaps)
    ]
    artefacts += [_artefact(f"evaluation/{one.name}.h5", one.results) for one in project.experiments]
    artefacts += [_artefact(f"evaluation/cross/{one.name}.h5", one.results) for one in project.cross]
    runs = [
        RunRecord(
            one.name,
            one.config.seed,
            one.config.base,
            one.config.group or "",
            {
                key.removeprefix("environment."): str(value)
                for key, value in sorted(one.metrics.items())
                if key.startswith("environment.")
            },
            json.dumps(one.model, indent=2, sort_keys=True, ensure_ascii=False),
        )
        for one in project.experiments
    ]
    text = dump_yaml(project.params)
    return Provenance(__version__, artefacts, _codebooks(project), runs, text)


def _codebooks(project: Project) -> list[Codebook]:
    """Find the codebooks of the AU maps, as far as they have a name; a file of a lab's own speaks for itself."""
    used = {str(dataset.heatmaps.attributes.get("codebook")): dataset.heatmaps for dataset in project.datasets.values()}
    books = [create_codebook(name) for name in list_codebooks() if name in used]
    return [book for book in books if used[book.name].attributes.get("codebook_sha256") == book.sha256]


def _artefact(path: str, store: Store) -> Artefact:
    return Artefact(path, store.schema, len(store), store.content_sha256, store.fingerprint)
