"""Find the references of a score: what a map reaches that nobody had to learn, and the most that the grid allows."""

from __future__ import annotations

from fer_au.results.experiment import ExperimentResult

_MODULE = "module."

REFERENCES = {
    "baseline.blank": "blank map",
    "baseline.gaussian": "Gaussian in the middle",
    "baseline.face": "mask of the face",
    "baseline.generic": "all action units",
    "baseline.class_mean": "class mean",
    "ceiling": "ceiling of the grid",
}
"""Beginning of the metrics' keys -> name of the map that they are scores of."""


def reference_metric(result: ExperimentResult | None, reference: str, key: str) -> str:
    """Find the key of a reference's score.

    References pass through the last layer's grid, or that of the head's own map for ``module.*``. The first hold for a
    CAM on that grid, too.

    Args:
        result: Result that has the score.
        reference: One of ``REFERENCES``.
        key: Metric of the score.

    Example:
        >>> reference_metric(None, "ceiling", "module.att_cos"), reference_metric(None, "ceiling", "att_cos")
        ('module.ceiling.att_cos', 'ceiling.att_cos')
    """
    if key.startswith(_MODULE):
        return f"{_MODULE}{reference}.{key.removeprefix(_MODULE)}"
    kind, _, cam = key.partition(".")
    if kind == "cam_cos" and result is not None and result.metrics.get("resize") == "published":
        return f"{reference}.{key}"  # there is none: that code shifts attention, and its references, but not CAMs
    if not cam or result is None or not result.layers:
        return f"{reference}.{key}"
    specs = result.results.specs
    places = (f"attention/{result.layers[-1]}", f"cam/{cam}")
    grids = {specs[name].shape[1:] for name in places if name in specs}
    return f"{reference}.{kind.replace('cam_', 'att_') if len(grids) == 1 else key}"


def grid_of(result: ExperimentResult) -> tuple[int, ...]:
    """Find height and width of the last layer's map; empty if no attention was kept."""
    return result.results.specs[f"attention/{result.layers[-1]}"].shape[1:] if result.layers else ()
