"""Honest measurement: map scores with their baselines and ceilings, classification, faithfulness, paired tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_au._lazy import lazy_exports

if TYPE_CHECKING:
    from fer_au.classification import confusion_matrix as confusion_matrix
    from fer_au.evaluation.averages import expression_means as expression_means
    from fer_au.evaluation.averages import macro_mean as macro_mean
    from fer_au.evaluation.bootstrap import PairedDifference as PairedDifference
    from fer_au.evaluation.bootstrap import paired_bootstrap as paired_bootstrap
    from fer_au.evaluation.map_scores import centered_cosine as centered_cosine
    from fer_au.evaluation.map_scores import cosine_alignment as cosine_alignment
    from fer_au.evaluation.map_scores import map_auc as map_auc
    from fer_au.evaluation.metrics_file import read_metrics as read_metrics
    from fer_au.evaluation.metrics_file import write_metrics as write_metrics
    from fer_au.evaluation.regions import REGIONS as REGIONS
    from fer_au.evaluation.regions import region_attention as region_attention
    from fer_au.evaluation.stage import evaluate_experiment as evaluate_experiment

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "PairedDifference": ".bootstrap",
        "REGIONS": ".regions",
        "centered_cosine": ".map_scores",
        "confusion_matrix": "..classification",
        "cosine_alignment": ".map_scores",
        "evaluate_experiment": ".stage",
        "expression_means": ".averages",
        "macro_mean": ".averages",
        "map_auc": ".map_scores",
        "paired_bootstrap": ".bootstrap",
        "read_metrics": ".metrics_file",
        "region_attention": ".regions",
        "write_metrics": ".metrics_file",
    },
)
