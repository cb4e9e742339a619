"""Explain every metric in plain language, in the order in which the report and docs/metrics.md list them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """Explanation of one kind of metric.

    Attributes:
        family: Heading under which the metric is listed.
        key: Key of the metric; ``<...>`` stands for any name, and fills ``{0}``, ``{1}`` in ``meaning``.
        meaning: Sentence or two for a reader who doesn't know the code; empty where the family's note says it all.
    """

    family: str
    key: str
    meaning: str = ""


FAMILIES = {
    "Recognition": "",
    "Attention against the AU map": "Attention is the channel mean of the last layer.",
    "Does the map tell classes apart, and does it follow the face?": "",
    "The head's own map": "The same scores of the attention map that the head itself makes, if it makes one (LAN, "
    "TS-CAM, APViT), with baselines and ceiling on that map's grid.",
    "CAM against the AU map": "The CAM is that of the true class.",
    "Baseline: blank map": "The same scores of a map that is one everywhere: looking nowhere in particular.",
    "Baseline: centred Gaussian": "The same scores of a Gaussian in the middle of the crop, whose sigma is a quarter "
    "of the crop's side: looking at the middle, whatever is there.",
    "Baseline: face": "The same scores of a mask of the face: it knows where the face is, and no expression.",
    "Baseline: all action units": "The same scores of the map of all action units on this very face (cue au_generic): "
    "it knows where expressions show, but not which one this is.",
    "Baseline: class mean": "The same scores of the training set's mean AU map of the class; it never sees the image.",
    "Ceiling": "The same scores of the AU map itself, after the layer's own coarse grid: the most one can get.",
    "Attention by layer": "The same scores of each layer's attention; layers count from the input.",
    "Where maps lie": "Share of a map's positive part that falls on each part of the picture, over all faces with "
    "landmarks: mean within each class, neutral included, then over the classes.",
    "Against the true motion": "Scores against the pixels that the expression really moved, where the data set knows "
    "them: attention of layers, CAMs, the head's map, the AU map itself, and the baselines on the last layer's grid.",
    "Faithfulness": "",
    "Robustness": "Scores on disturbed test images (evaluate.robustness), in five strengths; strength 0 are the same "
    "images as they are.",
    "Audits": "Of the last layer's attention (att) and of each CAM, for the class that the model predicts, on some of "
    "the test images (evaluate.audits). Step 1 has fresh weights in the head; 2 to 5 also in the last quarter, half, "
    "three quarters and all of the backbone.",
    "Per class": "How a class is recognised (accuracy is the share of its images), and the mean scores of its "
    "attention.",
    "Slices": "The same scores of some of the test images. `n` and `n_cos` count them, all and those with an AU map; "
    "below 30, chance moves a score by more than most differences between models. `interval.<key>` has the 95 % "
    "interval of each score.",
    "Overlapping classes": "",
    "Maps without a shape": "Number of images whose map holds a NaN, has no value above 0, or is constant. Such maps "
    "score as chance, or not at all.",
    "Counts and conditions": "",
    "Other": "",
}
"""Heading of each family of metrics, in the page's order -> a sentence that holds for all its keys."""

_FOLLOWS = "Does the map tell classes apart, and does it follow the face?"
_MOVED = (
    "on test images that were shifted by up to 20 %, turned by up to 25 degrees and scaled by 0.8 to 1.25 at random: "
    "an average map can't follow. A grid below 7x7 is too coarse to tell."
)

COUNTED = ("Counts and conditions", "Maps without a shape")

ENTRIES = (
    Entry("Recognition", "accuracy", "Share of test images whose expression is named correctly, all classes together."),
    Entry(
        "Recognition",
        "balanced_accuracy",
        "Mean over the classes of the share recognised: every class weighs the same.",
    ),
    Entry("Recognition", "macro_f1", "Mean over the classes of F1, which also punishes false alarms."),
    Entry(
        "Recognition",
        "ece",
        "Expected calibration error: how far the predicted class's probability is from the share of right answers, in "
        "15 bins of equal width; 0 is best.",
    ),
    Entry(
        "Attention against the AU map",
        "att_cos",
        "Cosine between attention and AU map, mean over the six or seven non-neutral expressions. The published score; "
        "a map that is one everywhere already gets about 0.5.",
    ),
    Entry(
        "Attention against the AU map",
        "att_ccos",
        "The same after both maps' means are subtracted (their correlation). 0 is chance, 1 is identity.",
    ),
    Entry(
        "Attention against the AU map",
        "att_auc",
        "Chance that a pixel inside the AU regions gets more attention than one outside; 0.5 is chance.",
    ),
    Entry(
        "Attention against the AU map",
        "att_auc_motion",
        "The same against the pixels that the expression really moved, where the data set knows them.",
    ),
    Entry("Maps without a shape", "layer.<layer>.att_maps.<fault>", "Attention of layer {0}."),
    # The first entry that fits a key is the key's, so the special ones stand before the general ones.
    Entry("Attention by layer", "layer.<layer>.<score>"),
    Entry("CAM against the AU map", "cam_cos.<cam>", "Cosine between the {0} map and the AU map."),
    Entry("CAM against the AU map", "cam_ccos.<cam>", "Centred cosine of the {0} map with the AU map."),
    Entry("CAM against the AU map", "cam_auc.<cam>", "Area under the ROC curve of the {0} map against the AU regions."),
    Entry(
        "CAM against the AU map",
        "cam_class_rank.<cam>",
        "att_class_rank of the {0} map. It is drawn for the true class, so a good one is easier than for attention.",
    ),
    Entry("CAM against the AU map", "cam_class_auc.<cam>", "att_class_auc of the {0} map."),
    Entry(
        _FOLLOWS,
        "att_class_rank",
        "Share of images whose attention fits the AU map of their own expression best (centred cosine), among the maps "
        "of all expressions drawn on the same face. Chance is 1 / n_expressions, and what knows no class stays there.",
    ),
    Entry(
        _FOLLOWS,
        "att_class_auc",
        "The graded form: share of the other expressions' maps that the own one beats. 0.5 is chance.",
    ),
    Entry(
        _FOLLOWS,
        "att_specificity",
        "Chance that an image's attention fits its own AU map better than that of another image of its class. "
        "0.5: the map depends on the class alone; above: it follows the face's geometry, and no more is proved: a "
        "plain face mask gets about 0.65.",
    ),
    Entry(_FOLLOWS, "att_cos_moved", f"att_cos {_MOVED}"),
    Entry(_FOLLOWS, "att_ccos_moved", f"att_ccos {_MOVED}"),
    Entry("The head's own map", "module.baseline.<name>.<score>", "The baseline {0} on the grid of the head's map."),
    Entry("The head's own map", "module.ceiling.<score>", "The AU map itself on the grid of the head's map."),
    Entry("Maps without a shape", "module.att_maps.<fault>", "The head's own map."),
    Entry("Counts and conditions", "module.att_grid", "Rows and columns of the head's own map."),
    Entry("The head's own map", "module.<score>"),
    Entry("Baseline: blank map", "baseline.blank.<score>"),
    Entry("Baseline: centred Gaussian", "baseline.gaussian.<score>"),
    Entry("Baseline: face", "baseline.face.<score>"),
    Entry("Baseline: all action units", "baseline.generic.<score>"),
    Entry("Baseline: class mean", "baseline.class_mean.<score>"),
    Entry(
        "Ceiling",
        "ceiling.att_auc_motion",
        "The same of the true motion itself, after the layer's own grid: the most one can get against it.",
    ),
    Entry("Ceiling", "ceiling.<score>"),
    Entry("Where maps lie", "region.<region>", "Of the attention."),
    Entry("Where maps lie", "side_region.<side>.<region>", "Of the attention: {1} on the person's {0} side."),
    Entry("Where maps lie", "cam_region.<region>.<cam>", "Of the {1} map."),
    Entry("Where maps lie", "cam_side_region.<side>.<region>.<cam>", "Of the {2} map: {1} on the person's {0} side."),
    Entry(
        "Where maps lie",
        "floor.region.<region>",
        "The least share of {0} that the layer's coarse grid allows: all attention in its best cell.",
    ),
    Entry("Against the true motion", "truth.<map>.auc", "Area under the ROC curve of {0}; 0.5 is chance."),
    Entry("Against the true motion", "truth.<map>.ccos", "Centred cosine of {0}; 0 is chance."),
    Entry("Against the true motion", "truth.<map>.auc.<class>", "truth.{0}.auc of {1} alone."),
    Entry("Against the true motion", "truth.<map>.ccos.<class>", "truth.{0}.ccos of {1} alone."),
    Entry(
        "Faithfulness",
        "faithfulness.deletion",
        "Mean class probability while the most attended pixels are removed first; lower: those pixels mattered.",
    ),
    Entry(
        "Faithfulness",
        "faithfulness.insertion",
        "Mean class probability while the most attended pixels are shown first; higher: those pixels suffice.",
    ),
    Entry(
        "Robustness",
        "background_reliance",
        "Share of test images whose answer changes when the background is swapped for that of a face of another class.",
    ),
    Entry("Robustness", "robustness.<disturbance>.n", "Test images that could be {0}."),
    Entry(
        "Robustness",
        "robustness.<disturbance>.relative_accuracy",
        "Area under the accuracy over the strengths 0 to 5 of {0}, divided by the accuracy at 0; 1: nothing is lost.",
    ),
    Entry(
        "Robustness", "robustness.<disturbance>.mean_att_ccos", "Area under att_ccos over the strengths 0 to 5 of {0}."
    ),
    Entry(
        "Robustness",
        "robustness.<disturbance>.gap",
        "Accuracy under the control of {0}, minus that at strength 5: what is lost beyond any such change.",
    ),
    Entry(
        "Robustness",
        "robustness.<disturbance>.control.<score>",
        "{1} under the control of {0}: as much covered elsewhere on the face, or a background of the same class.",
    ),
    Entry("Robustness", "robustness.<disturbance>.<strength>.accuracy", "Accuracy at strength {1} of {0}."),
    Entry(
        "Robustness",
        "robustness.<disturbance>.<strength>.changed",
        "Share of images whose answer at strength {1} of {0} is another than on the clean image.",
    ),
    Entry(
        "Robustness",
        "robustness.<disturbance>.<strength>.att_ccos",
        "att_ccos at strength {1} of {0}; the AU map moves with the face.",
    ),
    Entry("Audits", "audit.n", "Test images that were audited."),
    Entry(
        "Audits",
        "audit.randomisation.<step>.rank.<map>",
        "Spearman's rank correlation of the map {1} with what it is at step {0}. 1: the same places in the same order.",
    ),
    Entry("Audits", "audit.randomisation.<step>.rank_abs.<map>", "The same of absolute values."),
    Entry(
        "Audits",
        "audit.randomisation.<step>.ssim.<map>",
        "Structural similarity (SSIM) of the same two, each in [0, 1].",
    ),
    Entry(
        "Audits", "audit.unrelated.<measure>.<map>", "{0} of {1} between two networks of fresh weights: a reference."
    ),
    Entry(
        "Audits",
        "audit.survives.<map>",
        "1 where {0} hardly depends on the weights: at step 5, the interval of its rank correlation is neither below "
        "0.5 nor below that of two networks of fresh weights. Such a map explains no model.",
    ),
    Entry(
        "Audits",
        "audit.deletion.<map>",
        "Mean class probability while what {0} ranks first is deleted first, 28 steps.",
    ),
    Entry(
        "Audits", "audit.insertion.<map>", "Mean class probability while what {0} ranks first is shown first, 28 steps."
    ),
    Entry(
        "Audits",
        "audit.road.<map>",
        "ROAD: road_lerf minus road_morf of {0}. Above 0: the model needs what ranks first more than what ranks last.",
    ),
    Entry(
        "Audits",
        "audit.road_morf.<map>",
        "Mean class probability while 10 to 90 % of the pixels that {0} ranks first are filled from around.",
    ),
    Entry("Audits", "audit.road_lerf.<map>", "The same with the pixels that it ranks last."),
    Entry(
        "Audits",
        "audit.gain.<score>.<map>",
        "How much better {1} is than a centred Gaussian by {0}, in pairs of the same images; above 0 is better.",
    ),
    Entry(
        "Audits",
        "audit.beats_gaussian.<score>.<map>",
        "1 where the interval of audit.gain.{0}.{1} lies above 0; 0: no better than looking at the middle.",
    ),
    Entry("Per class", "per_class.<class>.accuracy", "Share of the images of {0} that are recognised (recall)."),
    Entry("Per class", "per_class.<class>.precision", "Share of the answers {0} that are right."),
    Entry("Per class", "per_class.<class>.f1", "Harmonic mean of the two."),
    Entry("Per class", "per_class.<class>.n", "Test images of {0}."),
    Entry("Per class", "per_class.<class>.<score>"),
    Entry("Slices", "slice.subject.persons", "Persons among the test images."),
    Entry(
        "Slices",
        "slice.subject.mean.accuracy",
        "Mean over persons of the share recognised. Its interval is a bootstrap over persons: how far other people "
        "would move it.",
    ),
    Entry(
        "Slices",
        "slice.subject.worst.<score>",
        "Of the person who is recognised worst, of those with at least 5 images. The worst of many is low by chance, "
        "too.",
    ),
    Entry(
        "Slices",
        "slice.pose.<part>.<score>",
        "Of heads turned that far: the larger of |yaw| and |pitch|, in degrees. `over_30` holds all beyond 30.",
    ),
    Entry(
        "Slices",
        "slice.size.<part>.<score>",
        "Of faces of that size: inter-ocular distance in pixels of the source picture. A turned head's is smaller.",
    ),
    Entry(
        "Slices",
        "slice.landmark_score.<part>.<score>",
        "Of the third of faces with the {0} scores of the extractor.",
    ),
    Entry(
        "Slices",
        "slice.landmark_residual.<part>.<score>",
        "Of the third of faces whose points differ from an average head's by a {0} residual: `high` are the doubtful "
        "ones.",
    ),
    Entry("Slices", "slice.detector.<part>.<score>", "Of the faces that {0} found."),
    Entry("Slices", "slice.skin_tone.<part>.<score>", "Of people with a {0} skin, where the data set knows it."),
    Entry(
        "Overlapping classes",
        "overlap_rank",
        "Spearman's rank correlation, over the pairs of expressions, of how much their AU maps overlap and how often "
        "one is taken for the other. Above 0: expressions that share action units are confused.",
    ),
    Entry(
        "Overlapping classes",
        "overlap_rank_p",
        "Two-sided p-value of Mantel's test: the share of all orders of the classes with as strong a correlation.",
    ),
    Entry("Overlapping classes", "overlap_rank_n", "Pairs of expressions."),
    Entry(
        "Overlapping classes",
        "overlap.<class>.<class>",
        "Mean cosine of the AU maps of {0} and {1}, drawn on the same face; the same for every model.",
    ),
    Entry("Maps without a shape", "att_maps.<fault>", "The attention."),
    Entry("Maps without a shape", "cam_maps.<fault>.<cam>", "The {1} map."),
    Entry("Counts and conditions", "n", "Test images."),
    Entry("Counts and conditions", "n_cos", "Test images with an AU map: not neutral, landmarks found."),
    Entry(
        "Counts and conditions",
        "selected_on",
        "Split on which the best epoch was chosen; “test” flatters the scores. “last epoch”: none chose.",
    ),
    Entry(
        "Counts and conditions",
        "resize",
        "Frame of all cosines (evaluate.resize): “published”, that of the AU-cue paper's code. Where the key is "
        "missing, they are corrected: every cell is compared where it lies in the picture.",
    ),
    Entry(
        "Counts and conditions",
        "mirrored",
        "1 where probabilities are means of those of each image and of its mirror image (evaluate.mirrored).",
    ),
    Entry(
        "Counts and conditions",
        "seen_in_training",
        "Images of an entry of cross whose very file, byte by byte, was trained or selected on: scores on them are no "
        "test. Where the key is missing, that could not be told.",
    ),
    Entry(
        "Counts and conditions",
        "n_expressions",
        "Classes of the model that the codebook knows: the choices of att_class_rank.",
    ),
    Entry("Counts and conditions", "selected.epoch", "The epoch that was selected, counted from 1."),
    Entry(
        "Counts and conditions",
        "selected.train_accuracy",
        "Training accuracy of that epoch, on augmented images while the weights still changed.",
    ),
    Entry(
        "Counts and conditions",
        "selected.valid_accuracy",
        "Accuracy of that epoch on the split that selected it: the best of all epochs, so it flatters.",
    ),
    Entry("Counts and conditions", "att_grid", "Rows and columns of the last layer's attention."),
    Entry("Counts and conditions", "cam_grid.<cam>", "Rows and columns of the {0} map."),
    Entry(
        "Counts and conditions",
        "cam_skipped.<cam>",
        "Why there is no {0} map: what the network lacks, where `evaluate.on_missing_cam` is `skip`.",
    ),
    Entry("Counts and conditions", "interval.<key>.low", "Lower end of {0}'s 95 % interval: a bootstrap over images."),
    Entry("Counts and conditions", "interval.<key>.high", "Its upper end."),
    Entry("Counts and conditions", "external.<what>", "Of maps that were made elsewhere: {0}."),
    Entry("Counts and conditions", "seed", "Seed of weights, order and augmentation."),
    Entry("Counts and conditions", "train_images_per_second", "Speed of training on the machine that ran it."),
    Entry("Counts and conditions", "environment.<part>", "{0} where the experiment ran."),
)
