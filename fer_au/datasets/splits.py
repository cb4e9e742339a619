"""Train, valid and test where a data set doesn't bring them: seeded, stratified, and never one person in two parts."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from fer_au.config.data import DatasetConfig
from fer_au.datasets.manifest import Split


@dataclass(frozen=True)
class Member:
    """One face, as far as its split depends on it.

    Attributes:
        label: Canonical expression.
        group: Name of a group that stays together: the subject, or the file's sha256, so that copies are not parted.
        split: Split that the data set gives, or None.
    """

    label: str
    group: str
    split: Split | None


def planned_splits(given: Collection[Split | None], *, valid_fraction: float, test_fraction: float) -> frozenset[Split]:
    """Tell which splits ``assign_splits`` will give, if the faces are enough.

    Args:
        given: Splits that the data set brings; None for faces without one.
        valid_fraction: Share that becomes ``valid``, see ``assign_splits``.
        test_fraction: Share that becomes ``test``, see ``assign_splits``.
    """
    splits: set[Split] = {split or "train" for split in given}
    if "train" in splits:
        splits |= {"test"} if test_fraction else set()
        splits |= {"valid"} if valid_fraction else set()
    return frozenset(splits)


def unread_split_keys(given: Collection[Split | None], config: DatasetConfig) -> dict[str, str]:
    """List the keys about random splits that are written and decide nothing, with the reason.

    Args:
        given: Splits that the data set brings; None for faces without one.
        config: Entry of the data set.
    """
    splits = {split or "train" for split in given}
    drawn = [part for part in ("test", "valid") if part not in splits and getattr(config, f"{part}_fraction")]
    unread = {}
    for part in ("test", "valid"):
        if "train" not in splits:
            unread[f"{part}_fraction"] = f"the data set has no part that a {part} part could be cut from"
        elif part in splits:
            unread[f"{part}_fraction"] = f"the data set has a {part} part of its own"
    if not drawn or "train" not in splits:
        unread["seed"] = "no split of this data set is drawn at random"
    return {key: why for key, why in unread.items() if key in config.model_fields_set and getattr(config, key)}


def assign_splits(
    members: Sequence[Member], *, valid_fraction: float, test_fraction: float, seed: int
) -> tuple[list[Split], list[str]]:
    """Give every face a split.

    Splits of the data set are kept; a face without one counts as train. If the set has no test part, ``test_fraction``
    of train becomes one; then, if it has no valid part, ``valid_fraction`` of what is left in train becomes one.
    The choice depends on the seed and on the members alone, not on their order.

    Returns:
        The splits in the members' order, and lines for people about wishes that could not be met.
    """
    splits: list[Split] = [member.split or "train" for member in members]
    notes = []
    parts: tuple[tuple[Split, float], ...] = (("test", test_fraction), ("valid", valid_fraction))
    for part, fraction in parts:
        if part in splits:
            continue
        pool = [index for index, split in enumerate(splits) if split == "train"]
        for index in carve([members[index] for index in pool], fraction, f"{seed}/{part}"):
            splits[pool[index]] = part
        if fraction and splits and part not in splits:
            notes.append(f"no face could be put in {part}: too few, or all of one subject")
    return splits, notes + _scarce_classes(members, splits)


def carve(members: Sequence[Member], fraction: float, salt: str) -> list[int]:
    """Choose whole groups whose class counts come near ``fraction`` of each class.

    Groups are offered in the order of their hash: first those that let no class exceed its share, then those that still
    bring the class counts nearer to it (squared distance, each class weighted by its size). If none fits, because the
    members are few or the groups large, the one that fits best is taken. Some face of every class always stays behind.

    Returns:
        Positions of the chosen members, ascending.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for index, member in enumerate(members):
        groups[member.group].append(index)
    if not fraction or not members:
        return []
    shares = _Shares(Counter(member.label for member in members), fraction)
    counts = {group: Counter(members[index].label for index in indices) for group, indices in groups.items()}
    waiting = sorted(groups, key=lambda group: (_hash(salt, group), group))
    chosen: list[str] = []
    for welcome in (shares.fits, shares.helps):
        for group in waiting:
            if welcome(counts[group]) and shares.leaves_some(counts[group]):
                shares.taken.update(counts[group])
                chosen.append(group)
        done = set(chosen)
        waiting = [group for group in waiting if group not in done]
    if not chosen:
        possible = [group for group in waiting if shares.leaves_some(counts[group])]
        chosen = sorted(possible, key=lambda group: shares.change(counts[group]))[:1]
    return sorted(index for group in chosen for index in groups[group])


@dataclass
class _Shares:
    """The shares of each class that are wanted and taken."""

    totals: Counter[str]
    fraction: float
    taken: Counter[str] = field(default_factory=Counter)

    def fits(self, counts: Counter[str]) -> bool:
        """Tell whether no class of a group would exceed its rounded share."""
        return all(self.taken[label] + n <= self.fraction * self.totals[label] + 0.5 for label, n in counts.items())

    def leaves_some(self, counts: Counter[str]) -> bool:
        """Tell whether some face of every class of a group would stay behind."""
        return all(self.taken[label] + n < self.totals[label] for label, n in counts.items())

    def change(self, counts: Counter[str]) -> float:
        """Compute by how much a group changes the squared distance to the shares.

        Per class, this is ((share - taken - n)^2 - (share - taken)^2) / total.
        """
        return sum(
            n * (n - 2 * (self.fraction * self.totals[label] - self.taken[label])) / self.totals[label]
            for label, n in sorted(counts.items())
        )

    def helps(self, counts: Counter[str]) -> bool:
        """Tell whether a group brings the counts nearer to the shares."""
        return self.change(counts) < 0


def _hash(salt: str, name: str) -> bytes:
    return hashlib.sha256(f"{salt}/{name}".encode()).digest()


def _scarce_classes(members: Sequence[Member], splits: Sequence[Split]) -> list[str]:
    """Write lines about classes that some part lacks: their score there is undefined."""
    parts: dict[str, Counter[Split]] = defaultdict(Counter)
    for member, split in zip(members, splits, strict=True):
        parts[member.label][split] += 1
    present = sorted(set(splits), key=("train", "valid", "test").index)
    notes = []
    for label, counts in sorted(parts.items()):
        total = counts.total()
        if total == 1:
            notes.append(f"class {label} has one face; it is in {next(iter(counts))}")
        elif absent := [part for part in present if not counts[part]]:
            notes.append(f"class {label} has {total} faces, none of them in {' or '.join(absent)}")
    return notes
