"""Splits: stratified, seeded, blind to order, never one person on two sides."""

from __future__ import annotations

from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st

from fer_au.datasets.splits import Member, assign_splits, carve


def singles(**counts: int) -> list[Member]:
    return [Member(label, f"{label}-{index}", None) for label, count in counts.items() for index in range(count)]


def test_every_class_gives_its_share() -> None:
    members = singles(happiness=1000, fear=50, disgust=20)
    splits, notes = assign_splits(members, valid_fraction=0.1, test_fraction=0.2, seed=0)
    counts = Counter((split, member.label) for split, member in zip(splits, members, strict=True))
    assert counts["test", "happiness"] == 200
    assert counts["valid", "happiness"] == 80
    assert counts["test", "fear"] == 10
    assert counts["valid", "fear"] == 4
    assert counts["test", "disgust"] == 4
    assert counts["valid", "disgust"] == 2
    assert notes == []


def test_the_seed_changes_the_choice() -> None:
    members = singles(happiness=200)
    chosen = [set(carve(members, 0.2, f"{seed}/test")) for seed in (0, 1)]
    assert len(chosen[0] & chosen[1]) < 25  # 8 by chance


def test_growth_moves_few_faces() -> None:
    small, grown = singles(fear=500), singles(fear=550)
    before = {small[index].group for index in carve(small, 0.2, "0")}
    after = {grown[index].group for index in carve(grown, 0.2, "0")}
    assert (len(before), len(after)) == (100, 110)
    assert len(before - after) <= 12  # as many as the newcomers push out


def test_a_set_s_own_splits_are_kept_and_valid_is_carved_from_train_alone() -> None:
    members = [Member("fear", f"a{index}", "train") for index in range(50)]
    members += [Member("fear", f"b{index}", "test") for index in range(50)]
    splits, _ = assign_splits(members, valid_fraction=0.2, test_fraction=0.5, seed=0)
    assert splits[50:] == ["test"] * 50
    assert Counter(splits[:50]) == {"train": 40, "valid": 10}


def test_a_set_s_own_valid_part_is_not_added_to() -> None:
    members = [Member("fear", str(index), "valid" if index < 5 else None) for index in range(50)]
    splits, _ = assign_splits(members, valid_fraction=0.5, test_fraction=0.0, seed=0)
    assert Counter(splits) == {"train": 45, "valid": 5}


def test_large_subjects_do_not_swell_a_part() -> None:
    members = singles(fear=400) + [Member("fear", "star", None)] * 70
    for seed in range(10):
        splits, _ = assign_splits(members, valid_fraction=0.0, test_fraction=0.2, seed=seed)
        assert 0.19 <= splits.count("test") / len(splits) <= 0.21


def test_few_subjects_still_fill_each_part() -> None:
    members = [Member("fear", f"subject {index % 5}", None) for index in range(50)]
    splits, notes = assign_splits(members, valid_fraction=0.1, test_fraction=0.1, seed=0)
    assert Counter(splits) == {"train": 30, "valid": 10, "test": 10}
    assert notes == []


def test_one_subject_alone_can_not_be_split_and_it_is_said() -> None:
    splits, notes = assign_splits([Member("fear", "one", None)] * 9, valid_fraction=0.3, test_fraction=0.0, seed=0)
    assert set(splits) == {"train"}
    assert notes == ["no face could be put in valid: too few, or all of one subject"]


def test_of_no_face_at_all_nothing_is_said() -> None:
    assert assign_splits([], valid_fraction=0.1, test_fraction=0.2, seed=0) == ([], [])


def test_a_class_that_a_part_lacks_is_reported() -> None:
    _, notes = assign_splits(singles(happiness=100, fear=3), valid_fraction=0.1, test_fraction=0.0, seed=0)
    assert notes == ["class fear has 3 faces, none of them in valid"]


LABELS = st.sampled_from(["fear", "anger", "happiness"])
MEMBERS = st.lists(
    st.builds(Member, LABELS, st.sampled_from([f"g{i}" for i in range(12)]), st.none()), min_size=1, max_size=60
)


@given(MEMBERS, st.floats(0, 0.9), st.floats(0, 0.9), st.integers(0, 5), st.randoms(use_true_random=False))
def test_groups_stay_whole_classes_stay_in_train_and_order_does_not_matter(members, valid, test, seed, random) -> None:  # type: ignore[no-untyped-def]
    splits, notes = assign_splits(members, valid_fraction=valid, test_fraction=test, seed=seed)
    of_group = defaultdict(set)
    for member, split in zip(members, splits, strict=True):
        of_group[member.group].add(split)
    assert all(len(found) == 1 for found in of_group.values())
    assert {m.label for m, split in zip(members, splits, strict=True) if split == "train"} == {m.label for m in members}

    order = list(range(len(members)))
    random.shuffle(order)
    shuffled, shuffled_notes = assign_splits(
        [members[index] for index in order], valid_fraction=valid, test_fraction=test, seed=seed
    )
    assert shuffled == [splits[index] for index in order]
    assert shuffled_notes == notes
