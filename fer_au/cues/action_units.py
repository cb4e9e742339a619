"""The facial action units that cues know: FACS number, name and muscles.

Source: Ekman, Friesen and Hager, Facial Action Coding System, 2002.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ActionUnit:
    """One entry of FACS.

    Attributes:
        number: FACS number, 12 for AU12.
        name: What it does, in the manual's words.
        muscles: What contracts or relaxes.
    """

    number: int
    name: str
    muscles: str

    @property
    def label(self) -> str:
        """The usual short name, ``AU12``."""
        return f"AU{self.number}"


ACTION_UNITS: Mapping[int, ActionUnit] = {
    number: ActionUnit(number, name, muscles)
    for number, name, muscles in (
        (1, "inner brow raiser", "frontalis, medial part"),
        (2, "outer brow raiser", "frontalis, lateral part"),
        (4, "brow lowerer", "corrugator supercilii, depressor supercilii, procerus"),
        (5, "upper lid raiser", "levator palpebrae superioris"),
        (6, "cheek raiser", "orbicularis oculi, orbital part"),
        (7, "lid tightener", "orbicularis oculi, palpebral part"),
        (9, "nose wrinkler", "levator labii superioris alaeque nasi"),
        (10, "upper lip raiser", "levator labii superioris"),
        (11, "nasolabial deepener", "zygomaticus minor"),
        (12, "lip corner puller", "zygomaticus major"),
        (14, "dimpler", "buccinator"),
        (15, "lip corner depressor", "depressor anguli oris"),
        (16, "lower lip depressor", "depressor labii inferioris"),
        (17, "chin raiser", "mentalis"),
        (20, "lip stretcher", "risorius with platysma"),
        (22, "lip funneler", "orbicularis oris, peripheral part"),
        (23, "lip tightener", "orbicularis oris, marginal part"),
        (24, "lip pressor", "orbicularis oris"),
        (25, "lips part", "depressor labii inferioris; mentalis or orbicularis oris relaxed"),
        (26, "jaw drop", "masseter, temporalis and internal pterygoid relaxed"),
        (27, "mouth stretch", "pterygoids, digastric"),
        (43, "eyes closed", "levator palpebrae superioris relaxed"),
    )
}
