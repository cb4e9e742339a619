"""Faces that are listed for clips become faces of their frames, once these are known, and stay in one split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from fer_au.datasets.base import Record
from fer_au.datasets.inside import Inside, Reel
from fer_au.datasets.inspection import Picture
from fer_au.datasets.labels import LabelRow, merge_rows
from fer_au.datasets.photographs import join_pairs
from fer_au.rejects import Reject


def list_frames(
    records: Sequence[Record], inside: Sequence[Inside], made: Mapping[str, Picture | Reject]
) -> tuple[list[Record], list[Reject]]:
    """List a face for each frame of the clips among the records; other records stay as they are.

    Args:
        records: The records of a scan.
        inside: Its pictures inside other files.
        made: What these are, see ``make_inside``.

    Returns:
        The records; and what is wrong with clips, their parts, and frames that two parts say different things of.
    """
    reels = {part.file: part for part in inside if isinstance(part, Reel)}
    if not reels:
        return list(records), []
    listed = {record.id: record for record in records if record.path in reels}
    rows: list[LabelRow] = []
    owners: set[str] = set()
    for path in made:
        file, _, name = path.rpartition("/")
        for key in reels[file].owners(name) if file in reels else ():
            owner = listed.get(file if key is None else f"{file}#{key}")
            if owner is not None:
                owners.add(owner.id)
                rows.append(LabelRow(replace(owner, path=path, face_key=None)))
    frames, rejects = merge_rows(rows)
    ids = {*reels, *listed}
    rejects += (one for one in made.values() if isinstance(one, Reject) and one.id in ids)
    for id_, record in listed.items():  # of a file that can't be read at all, each part is lost
        whole = made.get(record.path)
        if id_ not in owners and id_ not in made and isinstance(whole, Reject):
            rejects.append(replace(whole, id=id_))
    return [*(record for record in records if record.path not in reels), *frames], rejects


def name_groups(members: Sequence[tuple[str | None, str | None, str]]) -> list[str]:
    """Name the groups of faces that a split keeps together: a person, or else a clip, or else a photograph.

    A clip stays together also where it shows several persons, and two clips do that share a photograph.

    Args:
        members: Person, clip and photograph of each face.
    """
    names: list[list[str]] = []
    for person, clip, photograph in members:
        whole = [f"clip {clip}"] if clip else []
        names.append([f"subject {person}", *whole] if person else [*whole, photograph])
    joined = join_pairs([(first, other) for first, *others in names for other in others])
    return [joined.get(first, first) for first, *_ in names]


def clips_of(pairs: Sequence[tuple[str, str | None]]) -> dict[str, str]:
    """Tell of which clip a picture is a frame, where all its copies are.

    Args:
        pairs: sha256 of a picture, and its clip.
    """
    found: dict[str, set[str | None]] = defaultdict(set)
    for sha256, clip in pairs:
        found[sha256].add(clip)
    return {sha256: clip for sha256, clips in found.items() if len(clips) == 1 and (clip := next(iter(clips)))}
