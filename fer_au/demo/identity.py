"""The people of the demo: shape, skin, hair, brows, eyes and clothes, fixed for all pictures of one person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fer_au.demo.asset import HeadAsset

Colour = tuple[float, float, float]

# sRGB 0..255, lightest to darkest: a scale of ten that covers human skin evenly in lightness.
SKIN_TONES: tuple[Colour, ...] = (
    (240, 204, 184),
    (235, 191, 167),
    (227, 177, 149),
    (214, 161, 130),
    (192, 138, 106),
    (165, 113, 83),
    (137, 88, 58),
    (109, 68, 45),
    (86, 53, 37),
    (68, 43, 32),
)
_HAIR: dict[str, Colour] = {
    "black": (28, 24, 23),
    "dark brown": (50, 35, 26),
    "brown": (86, 58, 39),
    "auburn": (112, 60, 38),
    "dark blond": (140, 108, 70),
    "blond": (184, 152, 102),
    "grey": (150, 148, 146),
    "white": (205, 203, 200),
}
_IRIS: dict[str, Colour] = {
    "dark brown": (52, 33, 22),
    "brown": (84, 54, 32),
    "hazel": (112, 86, 48),
    "green": (92, 106, 72),
    "blue": (88, 116, 142),
    "grey": (112, 122, 128),
}
HAIR_STYLES = ("bald", "shaved", "short", "medium", "voluminous", "long")


@dataclass(frozen=True)
class Identity:
    """One person. Colours are sRGB 0..255.

    Attributes:
        name: Name of the subject in the labels, such as ``person_07``.
        person: Row of the asset's population.
        female: Whether the head is a woman's.
        age: 0 (teenager) to 1 (old).
        skin: Colour of the skin.
        darkness: 0 (lightest tone) to 1 (darkest).
        hair: Hair colour.
        style: One of ``HAIR_STYLES``.
        recede: Recession of the hairline, 0..1.
        beard: Density of stubble or beard, 0..1.
        brow: Brow colour.
        brow_weight: Thickness and density of the brows, about 1.
        brow_height: Shift of the painted brows, metres.
        iris: Iris colour.
        lips: Strength of the lip colour, 0..1.
        freckles: Strength of the freckles, 0..1.
        shirt: Colour of the clothes.
        seed: Seed of the texture's random detail.
    """

    name: str
    person: int
    female: bool
    age: float
    skin: Colour
    darkness: float
    hair: Colour
    style: str
    recede: float
    beard: float
    brow: Colour
    brow_weight: float
    brow_height: float
    iris: Colour
    lips: float
    freckles: float
    shirt: Colour
    seed: int


def sample_identities(asset: HeadAsset, count: int, seed: int) -> list[Identity]:
    """Draw distinct people; sexes alternate and skin tones are spread evenly over the whole scale."""
    rng = np.random.default_rng([seed, 0])
    women = np.flatnonzero(asset.phenotypes[:, 0] > 0.5)
    men = np.flatnonzero(asset.phenotypes[:, 0] <= 0.5)
    order = {True: rng.permutation(women).tolist(), False: rng.permutation(men).tolist()}
    # Stratified: person k has a tone from the k-th of `count` equal slices; shuffled against sex and split.
    darkness = rng.permutation((np.arange(count) + rng.random(count)) / count)
    people = []
    for number in range(count):
        female = number % 2 == 0
        person = _closest_ancestry(asset, order[female], float(darkness[number]))
        people.append(_sample_one(asset, number, person, female, float(darkness[number]), rng))
    return people


def _closest_ancestry(asset: HeadAsset, candidates: list[int], darkness: float) -> int:
    """Take the candidate, of the next few, whose ancestry suits the skin tone best: face and tone agree loosely."""
    few = candidates[:4]
    expected = [
        asset.phenotypes[c, 3] * 0.75 + asset.phenotypes[c, 4] * 0.35 + asset.phenotypes[c, 5] * 0.2 for c in few
    ]
    chosen = few[int(np.argmin(np.abs(np.array(expected) - darkness)))]
    candidates.remove(chosen)
    return chosen


def _sample_one(
    asset: HeadAsset, number: int, person: int, female: bool, darkness: float, rng: np.random.Generator
) -> Identity:
    age = float(np.clip((asset.phenotypes[person, 1] - 0.45) / 0.55, 0, 1))
    skin = tuple(
        float(np.interp(darkness * (len(SKIN_TONES) - 1), np.arange(len(SKIN_TONES)), [tone[k] for tone in SKIN_TONES]))
        for k in range(3)
    )
    warm = rng.normal(0, 3.0)
    skin = (skin[0] + warm, skin[1], skin[2] - warm)
    hair_name = _hair_name(darkness, age, rng)
    hair = _vary(_HAIR[hair_name], 0.12, rng)
    greyed = hair_name in ("grey", "white")
    # Brows grey later than hair, and are a little darker than it.
    brow = _mixed(_HAIR["dark brown"], hair, rng.uniform(0.15, 0.6)) if greyed else _mixed((0, 0, 0), hair, 0.8)
    iris_names = list(_IRIS) if darkness < 0.4 else list(_IRIS)[: 3 if darkness < 0.6 else 2]
    beard = 0.0 if female or age < 0.1 else float(rng.choice([0.0, 0.25, 0.5, 0.95], p=[0.4, 0.3, 0.15, 0.15]))
    return Identity(
        name=f"person_{number:02d}",
        person=person,
        female=female,
        age=age,
        skin=skin,
        darkness=darkness,
        hair=hair,
        style=_style(female, age, darkness, rng),
        recede=0.0 if female else float(np.clip(rng.normal(0.8 * age - 0.2, 0.25), 0, 1)),
        beard=beard,
        brow=brow,
        brow_weight=float(rng.uniform(0.75, 1.05) if female else rng.uniform(0.95, 1.35)),
        brow_height=float(rng.normal(0, 0.0008)),
        iris=_vary(_IRIS[str(rng.choice(iris_names))], 0.15, rng),
        lips=float(rng.uniform(0.5, 1.0) if female else rng.uniform(0.3, 0.6)),
        freckles=float(rng.random() < 0.2) * float(rng.uniform(0.3, 1.0)) * (1 - darkness),
        shirt=_shirt(rng),
        seed=int(rng.integers(2**31)),
    )


def _shirt(rng: np.random.Generator) -> Colour:
    grey, colour = rng.uniform(20, 235), rng.uniform(20, 235, 3)
    red, green, blue = (0.55 * grey + 0.45 * colour).tolist()
    return red, green, blue


def _hair_name(darkness: float, age: float, rng: np.random.Generator) -> str:
    if age > 0.65 and rng.random() < age - 0.2:
        return str(rng.choice(["grey", "white", "grey"]))
    if darkness > 0.55:
        return "black"
    if darkness > 0.35:
        return str(rng.choice(["black", "dark brown", "brown"]))
    return str(rng.choice(["black", "dark brown", "brown", "auburn", "dark blond", "blond"]))


def _style(female: bool, age: float, darkness: float, rng: np.random.Generator) -> str:
    if female:
        return str(rng.choice(["short", "medium", "voluminous", "long"], p=[0.15, 0.2, 0.2, 0.45]))
    chances = [
        0.05 + 0.15 * age,
        0.15,
        0.45 - 0.15 * age,
        0.2,
        0.05 + 0.1 * (darkness > 0.6),
        0.1 - 0.1 * (darkness > 0.6),
    ]
    return str(rng.choice(list(HAIR_STYLES), p=np.array(chances) / np.sum(chances)))


def _mixed(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = ((1 - share) * a + share * b for a, b in zip(one, other, strict=True))
    return red, green, blue


def _vary(colour: Colour, amount: float, rng: np.random.Generator) -> Colour:
    factor = float(np.exp(rng.normal(0, amount)))
    return (
        float(np.clip(colour[0] * factor, 0, 255)),
        float(np.clip(colour[1] * factor, 0, 255)),
        float(np.clip(colour[2] * factor, 0, 255)),
    )
