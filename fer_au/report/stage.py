"""Put the page together and write it: jinja2 with autoescape, styles and pictures inside, no request to anywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from fer_au.atomic import write_atomically
from fer_au.compute import log
from fer_au.evaluation.audit_metrics import FRESH
from fer_au.evaluation.power import detectable_difference
from fer_au.heat import PALETTE, palette_stops
from fer_au.landmarks.benchmark_results import COMMAND
from fer_au.report.audit_section import AuditTable, LabelRow, audit_tables, label_rows
from fer_au.report.collect import Experiment, Project, read_project
from fer_au.report.curves import HEIGHT, LEFT, WIDTH, Chart, line_chart
from fer_au.report.dataset_summary import Summary, summarise
from fer_au.report.gallery import galleries
from fer_au.report.landmark_section import PLOT_FRAME, detector_label, landmark_section, rate_text
from fer_au.report.map_tables import MapTable, region_table, truth_table
from fer_au.report.model_cards import ModelCard, model_cards
from fer_au.report.overlap import Overlap, overlap_of
from fer_au.report.page_script import Block, bytes_block, join_script, json_block
from fer_au.report.painter import FacePainter
from fer_au.report.plot_tables import write_plots
from fer_au.report.provenance import provenance
from fer_au.report.robustness_section import RobustTable, robustness_tables
from fer_au.report.samples import (
    AverageRow,
    Layout,
    Sample,
    Tile,
    class_averages,
    hero,
    plan_layout,
    sample_grid,
    shown_cam,
)
from fer_au.report.slice_section import SliceTable, slice_table
from fer_au.report.statistics import Matrix, alignment, confusion
from fer_au.report.sweep_section import sweep_figures
from fer_au.report.tables import (
    EXTERNAL_METRICS,
    GroupRow,
    Verdict,
    cross_table,
    external_rows,
    group_rows,
    method_text,
    metric_table,
    published_table,
    verdict,
)
from fer_au.terminal import counted

COLOURS = 32
"""Colours of experiments: eight, each with four marks and dashes."""
_LEGEND_LINES = 8  # beyond which panels share one legend
_TAIL = 16


@dataclass(frozen=True)
class Matrices:
    """Confusion, overlap of classes, cosine and centred-cosine matrix of one experiment, and classes without images."""

    experiment: str
    untested: list[str]
    confusion: Matrix
    overlap: Overlap | None
    cosine: Matrix
    centred: Matrix


@dataclass(frozen=True)
class DatasetView:
    """Everything that the page shows of one data set."""

    name: str
    summary: Summary
    verdict: Verdict
    groups: list[GroupRow]
    layout: Layout
    cams: list[str]
    samples: dict[str, list[Sample]]
    matrices: list[Matrices]
    slices: SliceTable
    charts: list[Chart]
    classes: list[str]
    averages: list[AverageRow]
    regions: MapTable
    truth: MapTable
    robustness: list[RobustTable]
    audits: list[AuditTable]
    cards: list[ModelCard]
    label_audits: list[LabelRow]
    hero: list[tuple[str, list[Tile]]]
    hero_labels: list[str]


def write_report(
    params_path: Path,
    root: Path,
    output: Path,
    images: int | None = None,
    *,
    experiments: Sequence[str] | None = None,
    plots: Path | None = None,
) -> None:
    """Write the report of exactly the experiments that ``params_path`` names, or of some of them.

    Args:
        params_path: Path of ``params.yaml``.
        root: Project folder, with ``data``, ``models``, ``evaluation`` and ``metrics``.
        output: HTML file to write; its folder is made if need be. Equal inputs give equal bytes.
        images: Largest number of test images in the gallery of each data set. Default: 60 to 500, as many as fit a page
            of about 6 MB.
        experiments: Names of experiments and groups to show; default all.
        plots: Folder for the tables that ``dvc plots`` draws; default none are written.

    Raises:
        ConfigError: ``params.yaml`` is wrong, or has no such experiment.
        DataError: An artefact is missing or damaged, or the page can't be written; the message names the file.
    """
    project = read_project(params_path, root, experiments)
    write_atomically(output, render_page(project, images).encode())
    if plots is not None:
        write_plots(plots, project.experiments, project.sweeps)
    log(f"report: {counted(len(project.experiments), 'experiment')}; {output}")


def render_page(project: Project, images: int | None = None) -> str:
    """Render the page as text, with galleries of at most ``images`` test images."""
    colours = {one.name: index % COLOURS for index, one in enumerate(project.experiments)}
    views = [dataset_view(name, project, colours) for name in project.datasets]
    shown = galleries(project, images)
    blocks: list[Block] = [
        bytes_block("palette", PALETTE.tobytes()),
        json_block("galleries", [one.name for one in shown if one.shown]),
        *(block for one in shown for block in one.blocks),
    ]
    template = environment().get_template("page.html.j2")
    return template.render(
        project=project,
        views=views,
        robust=any(view.robustness for view in views),
        audited=any(view.audits or view.label_audits for view in views),
        sliced=any(view.slices.rows for view in views),
        truthful=any(view.truth.rows for view in views),
        audit_steps=FRESH,
        sweeps=sweep_figures(project.sweeps),
        colours=colours,
        metrics=metric_table(project.experiments),
        cross=cross_table(project),
        external=external_rows(project),
        external_metrics=EXTERNAL_METRICS,
        published=published_table(project),
        provenance=provenance(project),
        palette=palette_stops(),
        chart={"width": WIDTH, "height": HEIGHT, "left": LEFT},
        landmarks=landmark_section(project.landmark_results),
        landmarks_command=COMMAND,
        scatter=PLOT_FRAME,
        legend_lines=_LEGEND_LINES,
        script=join_script(),
        blocks=blocks,
        galleries=shown,
    )


def dataset_view(name: str, project: Project, colours: Mapping[str, int]) -> DatasetView:
    """Compute everything that the page shows of one data set."""
    dataset, experiments = project.datasets[name], project.of_dataset(name)
    layout = plan_layout(experiments, len(project.datasets))
    painter = FacePainter(dataset, layout.side)
    classes, averages = class_averages(layout, dataset, painter)
    samples = sample_grid(layout, painter)
    return DatasetView(
        name,
        summarise(dataset),
        verdict(name, experiments),
        group_rows(experiments),
        layout,
        [shown_cam(one) or "" for one in layout.experiments],
        samples,
        [
            Matrices(
                one.name,
                one.untested,
                confusion(one),
                overlap_of(one, experiments),
                alignment(one, centred=False),
                alignment(one, centred=True),
            )
            for one in experiments
        ],
        slice_table(experiments),
        training_charts(experiments, colours),
        classes,
        averages,
        region_table(experiments),
        truth_table(experiments),
        robustness_tables(experiments, colours),
        audit_tables(experiments),
        model_cards(experiments, {one.name: method_text(one) for one in experiments}, project.root / "models"),
        label_rows(experiments, project.params),
        *hero(layout, samples, painter),
    )


def training_charts(experiments: list[Experiment], colours: Mapping[str, int]) -> list[Chart]:
    """Lay out one panel per history column, with a line per experiment that has it."""
    found = dict.fromkeys(key for one in experiments for key in one.history if key != "epoch")
    columns = sorted(found, key=_panel_rank)
    best = {one.name: one.best_epoch for one in experiments if one.best_epoch is not None}
    charts = []
    for column in columns:
        series = {one.name: (one.epochs, one.history[column]) for one in experiments if column in one.history}
        charts.append(line_chart(column, series, colours, best))
    return charts


def _panel_rank(column: str) -> int:
    """Order panels: losses first, then validation, then training, then the rest."""
    starts = [place for place, prefix in enumerate(("loss", "valid_", "train_")) if column.startswith(prefix)]
    return starts[0] if starts else 3


def environment() -> Environment:
    """Make the template environment: everything is escaped, an undefined name is an error."""
    loaded = Environment(
        loader=PackageLoader("fer_au.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    loaded.filters["number"] = format_number
    loaded.filters["metric"] = format_metric
    loaded.filters["short"] = format_short
    loaded.filters["tail"] = lambda text: text if len(text) <= _TAIL else "…" + text[1 - _TAIL :]
    loaded.filters["below"] = below
    loaded.filters["detector"] = detector_label
    loaded.filters["rate"] = rate_text
    loaded.filters["hundredths"] = lambda value, factor=100: "–" if value is None else format_number(value * factor)
    loaded.filters["share"] = lambda value: format_number(value * 100, 1)
    loaded.filters["percent"] = css_percent
    loaded.filters["detectable"] = detectable_difference
    return loaded


def below(name: str, group: str) -> str:
    """Leave out of a name what its group is called, which stands beside it.

    >>> below("au-seed-0", "au"), below("plain", "au")
    ('seed-0', 'plain')
    """
    return name.removeprefix(f"{group}-").removeprefix(f"{group}_") or name


def format_number(value: float, digits: int = 2) -> str:
    """Write a number in fixed digits with a true minus sign and no negative zero; a dash for NaN."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−") if math.isfinite(value) else "–"


def format_short(value: float) -> str:
    """Write two digits without the leading zero, for the cells of a matrix.

    >>> [format_short(value) for value in (0.384, -0.04, -0.001, 1.0)]
    ['.38', '−.04', '.00', '1']
    """
    text = format_number(value)
    return "1" if text == "1.00" else text.replace("0.", ".", 1)


def format_metric(value: object) -> str:
    """Write a metric of any type; a dash where it is absent or undefined."""
    if value is None:
        return "–"
    return format_number(value, 3) if isinstance(value, float) else str(value)


def css_percent(value: float) -> str:
    """Write a value of 0..1 as a CSS percentage for bars; values outside are clamped, NaN is 0."""
    return f"{min(1.0, max(0.0, value)) * 100:.1f}%" if math.isfinite(value) else "0%"
