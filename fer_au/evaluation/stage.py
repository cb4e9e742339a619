"""Score one trained model on one split: ``metrics/<exp>.json``, its detail file, and ``evaluation/<exp>.h5``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import torch

from fer_au.batches.faces import FaceDataset
from fer_au.batches.loading import BatchLoader
from fer_au.compute import Progress, log
from fer_au.config.experiments import EvaluateConfig
from fer_au.config.robustness import chosen_disturbances
from fer_au.evaluation.audit_metrics import audit_metrics, audit_specs
from fer_au.evaluation.audits import AuditRunner, choose_audits, count_audited
from fer_au.evaluation.group_metrics import group_metrics
from fer_au.evaluation.identity import check_finished, data_hashes, identity_of
from fer_au.evaluation.inference import SplitRunner, count_passes
from fer_au.evaluation.metrics_file import Metric, environment_metrics, number_text, read_metrics, write_metrics
from fer_au.evaluation.metrics_file import detail_path as default_detail_path
from fer_au.evaluation.results_file import ResultsFile
from fer_au.evaluation.robustness import RobustnessRunner, count_disturbed
from fer_au.evaluation.robustness_metrics import Answers, robustness_metrics
from fer_au.evaluation.robustness_store import answer_columns, answer_specs
from fer_au.evaluation.scored_model import ScoredModel, open_scored_model
from fer_au.evaluation.scoring import SplitScorer
from fer_au.evaluation.summary import class_metrics, classification_metrics, map_metrics
from fer_au.evaluation.traits import Traits, read_traits
from fer_au.evaluation.truth import TruthReader
from fer_au.fingerprints import fingerprint
from fer_au.models.trained import Training
from fer_au.shards.finished import FinishedWork
from fer_au.stores import Store
from fer_au.stores.columns import ColumnSpec

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
    stage: Literal["evaluate", "cross"] = "evaluate",
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
        store_path: File for the per-image results; None writes none.
        detail_path: File for all other metrics; default ``metrics_file.detail_path(metrics_path)``.
        trained: Settings that the model must have been trained with; default any.
        stage: Stage that asks, for messages.

    Raises:
        ConfigError: An unknown CAM or layer, or a CAM that the model can't have and that may not be skipped.
        DataError: The model or the data set is missing, damaged, or has nothing to score.
    """
    title = f"{stage} {metrics_path.stem}"
    scored = open_scored_model(title, config, dataset_dir, model_dir, trained)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    files = {"metrics.json": metrics_path, "detail.json": detail_path or default_detail_path(metrics_path)}
    files |= {"evaluation.h5": store_path} if store_path is not None else {}
    identity, selected = identity_of(scored, config, device), scored.selection()
    finished = FinishedWork("evaluation", {**identity, "selected": selected, "files": sorted(files)})
    if finished.take(files, check_finished):
        log(f"{title}: evaluated before with this model, data and code, taken from {finished.folder.parent}")
        log(f"{title}: {_headline(read_metrics(metrics_path, detail_path))}; {metrics_path}")
        return
    finished.check_writable()
    metrics = {**_score(scored, config, device, store_path), **selected, **_context(scored, device)}
    content = Store.open(store_path, "evaluation").content_sha256 if store_path is not None else None
    write_metrics(metrics_path, metrics, detail_path, content, scored.meta["weights_sha256"])
    finished.keep(files)
    log(f"{title}: {_headline(metrics)}; {metrics_path}")


def _score(
    scored: ScoredModel, config: EvaluateConfig, device: torch.device, store_path: Path | None
) -> dict[str, Metric]:
    """Run the model over the split, and whatever else ``evaluate`` asks for; write the store of single images."""
    dataset, preprocess, cams, title = scored.dataset, scored.preprocess, scored.cams, scored.title
    classes = scored.model.classes
    training = FaceDataset(dataset.dataset_dir, "train", preprocess.image_size, classes, fold=scored.fold)
    truth, traits = TruthReader(dataset, training), read_traits(dataset)
    log(f"{title}: {len(dataset)} faces of {len(classes)} classes, on {device.type}")
    moved = int(truth.valid.sum()) if config.moved else 0
    disturbances = chosen_disturbances(config.robustness)
    audits, audited = choose_audits(config, scored.model, len(dataset), title)
    with ExitStack() as stack:
        passes = count_passes(len(dataset), moved, config.faithfulness_images, config.mirrored)
        passes += count_disturbed(len(dataset), disturbances) + count_audited(len(audited), audits, cams)
        progress = stack.enter_context(Progress(title, passes, "passes"))
        loader = BatchLoader(dataset, keep=False)  # one pass needs each picture once
        model = scored.model.to(device).to(memory_format=torch.channels_last)
        runner = SplitRunner(model, dataset, loader, preprocess, device, config.batch_size, progress, config.mirrored)
        scorer = SplitScorer(runner, truth, scored.layers, config.model_copy(update={"cams": cams}))
        results = None
        if store_path is not None:
            further = {**answer_specs(len(dataset), disturbances), **audit_specs(len(dataset), audits, cams)}
            results = stack.enter_context(_results_file(store_path, scored, config, truth, traits, further))
        _run(scorer, results)
        answers: dict[str, Answers] = {}
        if disturbances:
            disturbed = RobustnessRunner(model, dataset, preprocess, device, config.batch_size, progress)
            answers = disturbed.answers(disturbances)
        checks = AuditRunner(runner, cams, truth.class_means).results(audits, audited)
        if results is not None:
            results.write({**answer_columns(answers), **checks})
    metrics = {**_metrics(scorer, truth, dataset, classes), **_conditions(scored, config)}
    metrics |= group_metrics(scorer, dataset, classes, traits)
    return metrics | robustness_metrics(answers, dataset.labels, truth.labels) | audit_metrics(checks)


def _results_file(
    path: Path,
    scored: ScoredModel,
    config: EvaluateConfig,
    truth: TruthReader,
    traits: Traits,
    further: Mapping[str, ColumnSpec],
) -> ResultsFile:
    """Prepare the store of single images."""
    dataset = scored.dataset
    weights = scored.meta["weights_sha256"]
    options = {"config": config.model_dump(mode="json"), "fold": scored.fold, "weights": weights}
    # The report shows what the data stages rejected; it follows the data through this store.
    identity = fingerprint("evaluate", _VERSION, {**options, "data": data_hashes(dataset)})
    attributes = {"classes": ",".join(dataset.classes), "layers": ",".join(scored.layers), "split": dataset.split}
    return ResultsFile(
        path,
        dataset.ids,
        truth.labels,
        fingerprint=identity,
        attributes=attributes,
        sources=dataset.content_hashes(),
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


def _conditions(scored: ScoredModel, config: EvaluateConfig) -> dict[str, Metric]:
    """Name what is scored otherwise than usual: frame, mirror images, faces that were trained on, CAMs left out."""
    metrics: dict[str, Metric] = {} if config.resize == "corrected" else {"resize": config.resize}
    metrics |= {"mirrored": 1} if config.mirrored else {}
    if scored.seen is not None and scored.seen.number is not None:
        metrics["seen_in_training"] = scored.seen.number
    return metrics | {f"cam_skipped.{cam}": reason for cam, reason in scored.skipped.items()}


def _headline(metrics: Mapping[str, Metric]) -> str:
    """Say in a few words how well the model does."""
    counts = {"accuracy": "n", "att_ccos": "n_cos"}
    parts = [f"{name} {number_text(metrics[name])} (n {metrics[count]})" for name, count in counts.items()]
    return ", ".join(parts)


def _context(scored: ScoredModel, device: torch.device) -> dict[str, float | int | str]:
    """Give the metrics that tell how the model came about, and where it was evaluated."""
    if scored.is_untrained:
        return dict(environment_metrics(device, "fp32"))
    return {
        "seed": int(scored.of_training("seed")),
        "selected_on": str(scored.of_training("selected_on")),
        "train_images_per_second": float(scored.of_training("train_images_per_second")),
        **environment_metrics(device, str(scored.of_training("precision"))),
    }
