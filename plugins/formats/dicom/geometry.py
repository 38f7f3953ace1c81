"""Where slices lie: their order, the distance between them, the way into the patient."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.image import Array
from plugins.formats.dicom.head import Head, get, numbers, text

FRAME_TIME, FRAME_TIMES = 0x00181063, 0x00181065
MOVING = ("US", "IVUS", "XA", "RF", "ES", "XC", "GM", "OCT")
EVEN = 0.02  # of a distance: slices may be this uneven and still have one spacing
TIMES = (
    "TemporalPositionIdentifier",
    "TemporalPositionIndex",
    "EchoNumbers",
    "DiffusionBValue",
    "AcquisitionNumber",
    "FrameAcquisitionNumber",
    "InstanceNumber",
    "InStackPositionNumber",
)


@dataclass(frozen=True)
class Frame:
    """One picture, of a file or of many in a file."""

    place: tuple[float, ...] | None  # of the centre of its first pixel, LPS millimetres
    turn: tuple[float, ...] | None  # directions of its rows and columns
    when: tuple[float, ...]  # sorts pictures of the same place
    slope: float
    intercept: float


@dataclass(frozen=True)
class Stack:
    """Frames in order: axes before y x, their sizes, and which frame comes where."""

    axes: str
    sizes: tuple[int, ...]
    order: tuple[int, ...]
    coords: dict[str, Any] = field(default_factory=dict[str, Any])
    warnings: tuple[str, ...] = ()


class Groups:
    """The functional groups of an enhanced file: of a frame, else those that all share."""

    def __init__(self, data: Any) -> None:
        shared = get(data, "SharedFunctionalGroupsSequence") or []
        self._shared = shared[0] if len(shared) else {}
        self._each = get(data, "PerFrameFunctionalGroupsSequence") or []

    def __bool__(self) -> bool:
        return bool(len(self._each)) or bool(self._shared)

    def of(self, frame: int, sequence: str) -> Any:
        """The first item of a sequence, {} where there is none."""
        own = get(self._each[frame], sequence) if frame < len(self._each) else None
        found = own or (get(self._shared, sequence) if self._shared else None)
        return found[0] if found is not None and len(found) else {}


def frames_of(head: Head) -> list[Frame]:
    """What is known of each picture of a file."""
    data = head.data
    groups = Groups(data)
    slope, intercept = rescale(data)
    if not groups:
        place = numbers(data, "ImagePositionPatient", 3)
        turn = numbers(data, "ImageOrientationPatient", 6)
        when = tuple((numbers(data, name) or (0.0,))[0] for name in TIMES)
        return [Frame(place, turn, when, slope, intercept)] * head.frames
    found: list[Frame] = []
    for i in range(head.frames):
        content = groups.of(i, "FrameContentSequence")
        diffusion = groups.of(i, "MRDiffusionSequence")
        values = [numbers(content, name) or numbers(diffusion, name) for name in TIMES]
        own = groups.of(i, "PixelValueTransformationSequence")
        found.append(
            Frame(
                numbers(groups.of(i, "PlanePositionSequence"), "ImagePositionPatient", 3),
                numbers(groups.of(i, "PlaneOrientationSequence"), "ImageOrientationPatient", 6),
                tuple((value or (0.0,))[0] for value in values),
                *(rescale(own) if own else (slope, intercept)),
            )
        )
    return found


def rescale(data: Any) -> tuple[float, float]:
    """Slope and intercept; (1, 0) where the file has none, or one that tells nothing."""
    slope = numbers(data, "RescaleSlope") or numbers(data, "DoseGridScaling") or (1.0,)
    intercept = numbers(data, "RescaleIntercept") or (0.0,)
    return (slope[0], intercept[0]) if slope[0] else (1.0, 0.0)


def pixel_size(data: Any, groups: Groups) -> tuple[float, float] | None:
    """Millimetres between rows and between columns."""
    measures = groups.of(0, "PixelMeasuresSequence") if groups else {}
    for where, name in (
        (measures, "PixelSpacing"),
        (data, "PixelSpacing"),
        (data, "ImagerPixelSpacing"),
        (data, "NominalScannedPixelSpacing"),
    ):
        found = numbers(where, name, 2)
        if found and min(found[:2]) > 0:
            return found[0], found[1]
    regions = get(data, "SequenceOfUltrasoundRegions") or []
    if len(regions) == 1 and text(regions[0], "PhysicalUnitsXDirection") == "3":  # centimetres
        x, y = numbers(regions[0], "PhysicalDeltaX"), numbers(regions[0], "PhysicalDeltaY")
        if x and y and x[0] and y[0]:
            return abs(10 * y[0]), abs(10 * x[0])
    return None


def stack(frames: list[Frame], head: Head) -> Stack:
    """Put pictures of equal size and direction in order; `head` is one of their files."""
    many = head.frames > 1
    first, count = frames[0], len(frames)
    groups = Groups(head.data)
    plane = pixel_size(head.data, groups)
    coords: dict[str, Any] = {}
    if plane:
        coords["spacing"] = {"y": plane[0], "x": plane[1]}
    measures = groups.of(0, "PixelMeasuresSequence") if groups else {}
    thick = numbers(head.data, "SpacingBetweenSlices") or numbers(head.data, "SliceThickness")
    thick = (
        numbers(measures, "SpacingBetweenSlices") or numbers(measures, "SliceThickness") or thick
    )
    normal = _normal(frames)
    if normal is None or (many and not groups):
        axis = _axis(head) if many else "z"
        order = range(count) if many else sorted(range(count), key=lambda i: frames[i].when)
        places = numbers(head.data, "GridFrameOffsetVector", max(head.frames, 2))
        if axis == "t":
            coords |= _times(head)
        elif places and "spacing" in coords:  # of a dose
            coords["z"] = np.asarray(places[: head.frames])
            coords["spacing"]["z"] = float(np.median(np.abs(np.diff(coords["z"]))))
        elif thick and "spacing" in coords:
            coords["spacing"]["z"] = abs(thick[0])
        if count == 1:
            return Stack("", (), (0,), coords)
        return Stack(axis, (count,), tuple(order), coords)
    assert first.turn is not None
    along = np.array([np.dot(normal, frame.place or (0, 0, 0)) for frame in frames])
    order = sorted(range(count), key=lambda i: (round(float(along[i]), 3), frames[i].when, i))
    places = np.round(along[order], 3)
    distinct, each = np.unique(places, return_counts=True)
    warnings: list[str] = []
    axes, sizes = ("z", (count,)) if count > 1 else ("", ())
    times = int(each[0])
    if len(distinct) == 1 and count > 1:
        axes, sizes = "t", (count,)
    elif times > 1 and np.all(each == times):
        axes, sizes = "tz", (times, len(distinct))
        grid = np.array(order).reshape(len(distinct), times)
        order = [int(i) for i in grid.T.ravel()]
        places = distinct
    elif len(distinct) < count:
        warnings.append("Some slices lie at the same place: the stack is not even.")
    origin = frames[order[0]].place
    coords |= _volume(first, normal, origin, places, plane, thick)
    if "z" in axes and "affine" not in coords and plane:
        warnings.append("The slices are not evenly spaced: some of the series may be missing.")
    return Stack(axes, sizes, tuple(order), coords, tuple(warnings))


def _normal(frames: list[Frame]) -> Array | None:
    """The direction across the slices, where all say where they are."""
    if frames[0].turn is None or any(frame.place is None for frame in frames):
        return None
    across = np.cross(frames[0].turn[:3], frames[0].turn[3:6])
    length = float(np.linalg.norm(across))
    return across / length if length > 1e-6 else None


def _volume(
    first: Frame,
    normal: Array,
    origin: tuple[float, ...] | None,
    places: Array,
    plane: tuple[float, float] | None,
    thick: tuple[float, ...] | None,
) -> dict[str, Any]:
    """Spacing, affine and places of the slices; the first two where they are even."""
    steps = np.diff(np.unique(places))
    step = float(np.median(steps)) if len(steps) else abs(thick[0]) if thick else 0.0
    even = not len(steps) or bool(np.all(np.abs(steps - step) <= EVEN * step + 1e-3))
    found: dict[str, Any] = {}
    if len(steps):
        found["z"] = np.asarray(places, float)
    if plane:
        found["spacing"] = {"y": plane[0], "x": plane[1]} | ({"z": step} if step else {})
    if plane and even and origin is not None and first.turn is not None:
        affine = np.eye(4)
        affine[:3, 0] = np.asarray(first.turn[:3]) * plane[1]
        affine[:3, 1] = np.asarray(first.turn[3:6]) * plane[0]
        affine[:3, 2] = normal * (step or 1.0)
        affine[:3, 3] = origin[:3]
        found["affine"] = [[float(value) for value in row] for row in affine]
    elif first.turn is not None:  # slices are not even, but which way is up is known
        steps = np.array([first.turn[:3], first.turn[3:6], normal]).T
        found["directions"] = [[float(value) for value in row] for row in steps]
        if origin is not None:
            found["origin"] = [float(value) for value in origin[:3]]
    return found


def _axis(head: Head) -> str:
    """z or t: what the frames of a file are that has no functional groups."""
    pointer = get(head.data, "FrameIncrementPointer")
    pointers = {int(one) for one in pointer} if isinstance(pointer, list) else {int(pointer or 0)}
    if pointers & {FRAME_TIME, FRAME_TIMES}:
        return "t"
    return "t" if text(head.data, "Modality") in MOVING else "z"


def _times(head: Head) -> dict[str, Any]:
    """Seconds of each frame, where the file says them."""
    steps = numbers(head.data, "FrameTimeVector", head.frames)
    step = numbers(head.data, "FrameTime")
    if steps:
        return {"t": np.cumsum(steps[: head.frames]) / 1000}
    return {"t": np.arange(head.frames) * step[0] / 1000} if step and step[0] > 0 else {}
