"""Score one trained model on one split: ``metrics/<exp>.json``, its detail file, and ``evaluation/<exp>.h5``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from fer_au.batches.faces import FaceDataset
from fer_au.batches.loading import BatchLoader
from fer_au.batches.preprocess import Preprocessing
from fer_au.code.software import library_releases
from fer_au.code.stages import work_code
from fer_au.compute import Progress, log
from fer_au.config.differences import mapping
from fer_au.config.experiments import EvaluateConfig
from fer_au.config.external import UNTRAINED
from fer_au.config.robustness import chosen_disturbances
from fer_au.errors import DataError
from fer_au.evaluation.audit_metrics import audit_metrics, audit_specs
from fer_au.evaluation.audits import AuditRunner, choose_audits, count_audited
from fer_au.evaluation.cams import choose_cams
from fer_au.evaluation.group_metrics import group_metrics
from fer_au.evaluation.inference import SplitRunner, count_passes
from fer_au.evaluation.metrics_file import Metric, environment_metrics, number_text, read_metrics, write_metrics
from fer_au.evaluation.metrics_file import detail_path as default_detail_path
from fer_au.evaluation.results_file import ResultsFile
from fer_au.evaluation.robustness import RobustnessRunner, count_disturbed
from fer_au.evaluation.robustness_metrics import Answers, robustness_metrics
from fer_au.evaluation.robustness_store import answer_columns, answer_specs
from fer_au.evaluation.scoring import SplitScorer
from fer_au.evaluation.seen import find_seen, log_seen
from fer_au.evaluation.selection import selection_metrics
from fer_au.evaluation.summary import class_metrics, classification_metrics, map_metrics
from fer_au.evaluation.traits import Traits, read_traits
from fer_au.evaluation.truth import TruthReader
from fer_au.fingerprints import file_digest, fingerprint
from fer_au.models import load_model
from fer_au.models.config_file import HISTORY, check_file, read_config
from fer_au.models.external import check_template
from fer_au.models.trained import Training, check_training, check_training_data
from fer_au.shards.finished import FinishedWork
from fer_au.stores import Store
from fer_au.stores.beside import KEEPERS
from fer_au.stores.columns import ColumnSpec
from fer_au.stores.reader import check_table
from fer_au.terminal import counted

_VERSION = 7  # counts changes of what the evaluation computes and keeps


def evaluate_experiment(
    config: EvaluateConfig,
    *,
    dataset_dir: Path,
    model_dir: Path,
    metrics_path: Path,
    store_path: Path | None,
    detail_path: Path | None = None,
    trained: Training | None = None,
) -> None:
    """Score a trained model: recognition, attention and CAMs against AU maps, baselines, ceilings, faithfulness.

    The headline attention (``att_*``, ``region.*``, ``faithfulness.*``) is that of the model's last layer, always; the
    figures of each evaluated layer are ``layer.<l>.*``. Faces whose label the model doesn't know are left out, and
    counted in the log.

    Args:
        config: Section ``evaluate``.
        dataset_dir: Folder ``data/<key>`` of the data set to score on.
        model_dir: Folder ``models/<exp>``.
        metrics_path: File for the headline metrics.
        store_path: File for the per-image results; None writes none (another data set's images).
        detail_path: File for all other metrics; default ``metrics_file.detail_path(metrics_path)``.
        trained: Settings that the model must have been trained with; default any.

    Raises:
        ConfigError: An unknown CAM or layer, or a CAM that the model can't have and that may not be skipped.
        DataError: The model or the data set is missing, damaged, or has nothing to score.
    """
    title = f"{'cross' if store_path is None else 'evaluate'} {metrics_path.stem}"
    if trained is not None:  # first, since it also says whose code may run
        check_training(model_dir, read_config(model_dir), trained)
    model, meta = load_model(model_dir, trust=trained and trained.experiment.model.code)
    cams, skipped = choose_cams(config, model)
    for cam, reason in skipped.items():
        log(f"{title}: without the CAM {cam}: {reason}")
    chosen = {*model.resolve_layers(config.attention_layers), model.layers[-1]}
    layers = tuple(layer for layer in model.layers if layer in chosen)
    preprocess = Preprocessing.from_meta(_of_training(meta, "preprocessing", model_dir))
    experiment = _of_training(meta, "experiment", model_dir)
    # A fold belongs to the data set that the model was trained on; another data set has folds of its own.
    fold = experiment.get("fold") if experiment.get("dataset") == dataset_dir.name else None
    dataset = FaceDataset(dataset_dir, config.split, preprocess.image_size, model.classes, fold=fold, views=model.views)
    if trained is not None and trained.experiment.dataset == dataset_dir.name:
        check_training_data(model_dir, meta, trained.name, dataset_dir, dataset.content_hashes())
    if not len(dataset):
        fraction = f"set datasets.{dataset_dir.name}.{config.split}_fraction, or " if config.split != "train" else ""
        raise DataError(
            f"{dataset_dir}: split {config.split!r} has no usable faces of the classes of {model_dir}; "
            f"{fraction}name another evaluate.split"
        )
    if dataset.skipped:
        faces = counted(dataset.skipped, "face")
        log(f"{title}: {faces} left out, whose labels are not among the classes of {model_dir}")
    check_template(model.config, dataset.align_options, dataset_dir)
    seen = None
    if model.scores_itself:
        before = "" if _is_untrained(meta) else " before it was trained here"
        log(f"{title}: whether these faces were trained on{before} can't be told: the model was made elsewhere")
    elsewhere = dataset_dir.name != experiment.get("dataset")  # of its own data set, ingest tells that
    if elsewhere and not _is_untrained(meta):
        seen = find_seen(
            dataset.ids,
            dataset_dir,
            experiment,
            mapping(meta.get("data")),
            mapping(meta.get("train")).get("fraction", 1.0),
        )
        log_seen(title, seen)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    files = {"metrics.json": metrics_path, "detail.json": detail_path or default_detail_path(metrics_path)}
    files |= {"evaluation.h5": store_path} if store_path is not None else {}
    identity = _identity(config, meta, dataset, fold, device) | {"seen": seen and seen.number}
    check_file(model_dir, meta, HISTORY)
    epoch = None if _is_untrained(meta) else _of_training(meta, "selected_epoch", model_dir)
    selected = {} if epoch is None else selection_metrics(model_dir, epoch)
    finished = FinishedWork("evaluation", {**identity, "selected": selected, "files": sorted(files)})
    if finished.take(files, _check_finished):
        log(f"{title}: evaluated before with this model, data and code, taken from {finished.folder.parent}")
        log(f"{title}: {_headline(read_metrics(metrics_path, detail_path))}; {metrics_path}")
        return
    finished.check_writable()
    training = FaceDataset(dataset_dir, "train", preprocess.image_size, model.classes, fold=fold)
    truth, traits = TruthReader(dataset, training), read_traits(dataset)
    log(f"{title}: {len(dataset)} faces of {len(model.classes)} classes, on {device.type}")
    moved = int(truth.valid.sum()) if config.moved else 0
    disturbances = chosen_disturbances(config.robustness)
    audits, audited = choose_audits(config, model, len(dataset), title)
    with ExitStack() as stack:
        passes = count_passes(len(dataset), moved, config.faithfulness_images, config.mirrored)
        passes += count_disturbed(len(dataset), disturbances) + count_audited(len(audited), audits, cams)
        progress = stack.enter_context(Progress(title, passes, "passes"))
        loader = BatchLoader(dataset, keep=False)  # one pass needs each picture once
        model = model.to(device).to(memory_format=torch.channels_last)
        runner = SplitRunner(model, dataset, loader, preprocess, device, config.batch_size, progress, config.mirrored)
        scorer = SplitScorer(runner, truth, layers, config.model_copy(update={"cams": cams}))
        options = {"config": config.model_dump(mode="json"), "fold": fold, "weights": meta["weights_sha256"]}
        further = {**answer_specs(len(dataset), disturbances), **audit_specs(len(dataset), audits, cams)}
        results = (
            None if store_path is None else _results_file(store_path, dataset, truth, layers, options, traits, further)
        )
        _run(scorer, results and stack.enter_context(results))
        answers: dict[str, Answers] = {}
        if disturbances:
            disturbed = RobustnessRunner(model, dataset, preprocess, device, config.batch_size, progress)
            answers = disturbed.answers(disturbances)
        checks = AuditRunner(runner, cams, truth.class_means).results(audits, audited)
        if results is not None:
            results.write({**answer_columns(answers), **checks})
    metrics = {**_metrics(scorer, truth, dataset, model.classes), **_conditions(config)}
    metrics |= group_metrics(scorer, dataset, model.classes, traits)
    metrics |= robustness_metrics(answers, dataset.labels, truth.labels) | audit_metrics(checks)
    metrics |= {} if seen is None or seen.number is None else {"seen_in_training": seen.number}
    context = _context(meta, model_dir, device) | {f"cam_skipped.{cam}": reason for cam, reason in skipped.items()}
    content = Store.open(store_path, "evaluation").content_sha256 if store_path is not None else None
    write_metrics(metrics_path, {**metrics, **selected, **context}, detail_path, content, meta["weights_sha256"])
    finished.keep(files)
    log(f"{title}: {_headline(metrics)}; {metrics_path}")


def _check_finished(folder: Path) -> None:
    """Read the files of a finished evaluation.

    Raises:
        DataError: One of them can't be used.
    """
    store = folder / "evaluation.h5"
    content = Store.open(store, "evaluation").content_sha256 if store.exists() else None
    read_metrics(folder / "metrics.json", folder / "detail.json", content)


def _results_file(
    path: Path,
    dataset: FaceDataset,
    truth: TruthReader,
    layers: tuple[str, ...],
    options: Mapping[str, Any],
    traits: Traits,
    further: Mapping[str, ColumnSpec],
) -> ResultsFile:
    """Prepare the store of single images; ``options`` are what decides it besides the data."""
    # The report shows what the data stages rejected; it follows the data through this store.
    data = {**dataset.content_hashes(), **_table_hashes(dataset.dataset_dir / "rejects")}
    attributes = {"classes": ",".join(dataset.classes), "layers": ",".join(layers), "split": dataset.split}
    identity = fingerprint("evaluate", _VERSION, {**options, "data": data})
    sources = dataset.content_hashes()
    return ResultsFile(
        path,
        dataset.ids,
        truth.labels,
        fingerprint=identity,
        attributes=attributes,
        sources=sources,
        traits=traits,
        further=further,
    )


def _run(scorer: SplitScorer, results: ResultsFile | None) -> None:
    """Score the split, and write the store on the way if there is one."""
    for outputs, truth, scores in scorer.blocks():
        if results is not None:
            results.add(outputs, truth, scores, scorer.late)
    for rows, late in scorer.finish():
        if results is not None:
            results.finish(rows, late)


def _metrics(
    scorer: SplitScorer, truth: TruthReader, dataset: FaceDataset, classes: tuple[str, ...]
) -> dict[str, Metric]:
    """Sum all scores up."""
    totals = scorer.totals
    return {
        "n": len(dataset),
        "n_cos": totals.count("att_cos"),
        "n_expressions": len(truth.expressions),
        **classification_metrics(scorer.probabilities, dataset.labels),
        **class_metrics(scorer.probabilities, dataset.labels, classes, totals),
        **map_metrics(totals),
        **scorer.grids,
    }


def _conditions(config: EvaluateConfig) -> dict[str, Metric]:
    """Name what is scored otherwise than usual: the frame of the cosines, and probabilities of mirror images."""
    resize: dict[str, Metric] = {} if config.resize == "corrected" else {"resize": config.resize}
    return {**resize, **({"mirrored": 1} if config.mirrored else {})}


def _headline(metrics: Mapping[str, Metric]) -> str:
    """Say in a few words how well the model does."""
    counts = {"accuracy": "n", "att_ccos": "n_cos"}
    parts = [f"{name} {number_text(metrics[name])} (n {metrics[count]})" for name, count in counts.items()]
    return ", ".join(parts)


def _is_untrained(meta: Mapping[str, Any]) -> bool:
    """Tell whether a model was made elsewhere, and is measured as it is."""
    return mapping(meta.get("experiment")).get("train") == UNTRAINED


def _context(meta: Mapping[str, Any], model_dir: Path, device: torch.device) -> dict[str, float | int | str]:
    """Give the metrics that tell how the model came about, and where it was evaluated."""
    if _is_untrained(meta):
        return dict(environment_metrics(device, "fp32"))
    return {
        "seed": int(_of_training(meta, "seed", model_dir)),
        "selected_on": str(_of_training(meta, "selected_on", model_dir)),
        "train_images_per_second": float(_of_training(meta, "train_images_per_second", model_dir)),
        **environment_metrics(device, str(_of_training(meta, "precision", model_dir))),
    }


def _identity(
    config: EvaluateConfig, meta: Mapping[str, Any], dataset: FaceDataset, fold: object, device: torch.device
) -> dict[str, Any]:
    """Give everything that decides an evaluation, however model and data set are called."""
    folder = dataset.dataset_dir
    annotations = Store.open(folder / "annotations.h5", "annotations")
    # Expressions are compared by maps that are drawn here, so what draws them counts beside the stored maps.
    drawn = {"codebook": dataset.codebook.sha256, "geometry": str(dataset.heatmap_options["geometry"])}
    sections = {"evaluate": {"cams": list(config.cams)}, "heatmaps": {"geometry": drawn["geometry"]}}
    return {
        "code": work_code("evaluate", {"model": meta["model"]}, sections),
        "config": config.model_dump(mode="json"),
        "model": {key: value for key, value in meta.items() if key not in ("experiment", "data", "versions", "files")},
        "fold": fold,
        "drawn": drawn,
        "data": {
            **dataset.content_hashes(),
            **_table_hashes(folder / "rejects"),
            "annotations.h5": annotations.content_sha256,
        },
        "software": {"device": device.type, **library_releases({"torch", "timm", "torchvision", "numpy", "scipy"})},
    }


def _table_hashes(folder: Path) -> dict[str, str]:
    """Hash every reject table (sha256), if it is as its stage wrote it."""
    for name in KEEPERS:
        if name.startswith(f"{folder.name}/"):
            check_table(folder.parent, name, sealed=False)  # whoever reads the data has checked the seals
    return {path.name: file_digest(path) for path in sorted(folder.glob("*.csv"))}


def _of_training(meta: Mapping[str, Any], key: str, model_dir: Path) -> Any:  # noqa: ANN401 - plain JSON
    if key not in meta:
        raise DataError(f"{model_dir / 'config.json'}: {key!r} is missing; was the model written by the train stage?")
    return meta[key]
