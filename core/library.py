"""Spectra by name: read from CSV and spectral libraries, brought onto an image's bands, written."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.develop.falsecolor import NANOMETERS, nanometers
from core.format import UnreadableFile
from core.image import Image
from core.spectra import resampled

F64 = NDArray[np.float64]
TEXT = (".csv", ".txt", ".tsv")
LARGEST = 16 << 20  # bytes of a text file
MANY = 2000  # spectra of a file


@dataclass(frozen=True)
class Spectrum:
    """A named spectrum. `x` are wavelengths in nm, or ("" = `unit`) band numbers from 1."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    unit: str = "nm"


def bands(image: Image) -> tuple[F64, str]:
    """Where the bands of a cube lie: wavelengths and "nm", or numbers from 1 and ""."""
    waves = nanometers(image)
    if waves is not None and np.isfinite(waves).all():
        return np.asarray(waves, np.float64), "nm"
    return np.arange(1.0, image.pixels.shape[image.axes.index("b")] + 1), ""


def onto(spectrum: Spectrum, image: Image) -> Spectrum:
    """The spectrum on the bands of an image. Raises UnreadableFile where the two do not meet."""
    x, unit = bands(image)
    if unit == spectrum.unit:
        y = resampled(np.asarray(spectrum.x), np.asarray(spectrum.y), x)
    elif len(spectrum.y) == len(x):  # one of the two does not say its wavelengths
        y = np.asarray(spectrum.y)
    else:
        raise UnreadableFile(
            f"{spectrum.name} has {len(spectrum.y)} bands, the image {len(x)}, and one of them"
            " has no wavelengths: choose a spectrum of the same bands."
        )
    if np.isfinite(y).sum() < 2:
        raise UnreadableFile(
            f"{spectrum.name} has no wavelengths in common with the image: choose another spectrum."
        )
    return Spectrum(spectrum.name, tuple(x.tolist()), tuple(y.tolist()), unit)


def read(path: Path) -> tuple[Spectrum, ...]:
    """Spectra of a text file: one column of wavelengths (or bands), one a spectrum.

    Columns are parted by comma, semicolon, tab or space; the first line may name them, with the
    unit of the wavelengths in brackets. Raises UnreadableFile.
    """
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise UnreadableFile(f"{path.name} is too large for a table of spectra: choose another.")
    rows = _table(data.decode("utf-8-sig", "replace"))
    numbers = [found for row in rows if (found := _numbers(row)) is not None]
    if len(numbers) < 2 or len({len(row) for row in numbers}) != 1 or len(numbers[0]) < 2:
        raise UnreadableFile(
            f"{path.name} is no table of spectra: it needs a column of wavelengths and one of"
            " values for each spectrum."
        )
    titles = [row for row in rows if _numbers(row) is None and len(row) == len(numbers[0])]
    heads = titles[0] if titles else list[str]()
    values = np.asarray(numbers, float)
    x, unit = _waves(values[:, 0], heads[0] if heads else "")
    count = min(values.shape[1], MANY + 1)
    names = heads or [str(at) for at in range(count)]
    names = [names[at] or str(at) for at in range(count)]
    return tuple(
        Spectrum(names[at], tuple(x.tolist()), tuple(values[:, at].tolist()), unit)
        for at in range(1, count)
    )


def of_image(image: Image, name: str) -> tuple[Spectrum, ...]:
    """The spectra of a library that a format has read: kind "spectra", axes yx, x the bands.

    Raises UnreadableFile where the file holds something else.
    """
    if image.kind != "spectra":
        raise UnreadableFile(f"{name} is no spectral library: choose a CSV or an ENVI library.")
    values = np.asarray(image.pixels[:MANY], np.float64)
    waves = np.asarray(image.coords.get("x", np.arange(1.0, values.shape[1] + 1)), float)
    unit = str(image.coords.get("units", {}).get("x", ""))
    x, unit = _waves(waves, f"({unit})") if "x" in image.coords else (waves, "")
    listed: Sequence[str] = image.meta.get("spectra_names", ())
    names = [str(one) for one in listed] or [f"Spectrum {at + 1}" for at in range(len(values))]
    return tuple(
        Spectrum(names[at], tuple(x.tolist()), tuple(values[at].tolist()), unit)
        for at in range(min(len(values), len(names)))
    )


def written(spectra: Sequence[Spectrum]) -> str:
    """A table as `read` takes it. Raises ValueError for spectra on different bands."""
    if not spectra or any((one.x, one.unit) != (spectra[0].x, spectra[0].unit) for one in spectra):
        raise ValueError("spectra of one table lie on the same bands")
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    first = "wavelength (nm)" if spectra[0].unit else "band"
    table.writerow([first, *(one.name for one in spectra)])
    for row in zip(spectra[0].x, *(one.y for one in spectra), strict=True):
        table.writerow([f"{value:.9g}" for value in row])
    return text.getvalue()


def _table(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.strip() and line.lstrip()[0] not in "#;%"]
    marks = [mark for mark in "\t;," if any(mark in line for line in lines[-3:])]
    if not marks:
        return [line.split() for line in lines]
    rows = csv.reader(lines, delimiter=marks[0])
    decimal = marks[0] != ","  # 0,5; 0,7: commas are decimal points there
    return [[_point(cell.strip()) if decimal else cell.strip() for cell in row] for row in rows]


def _point(cell: str) -> str:
    return cell.replace(",", ".") if cell.count(",") == 1 and _number(cell) is None else cell


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _numbers(row: list[str]) -> list[float] | None:
    found = [float("nan") if not cell else _number(cell) for cell in row]
    fine = [one for one in found if one is not None]
    return fine if len(fine) == len(row) and fine[0] == fine[0] else None


def _waves(values: F64, head: str) -> tuple[F64, str]:
    """Wavelengths in nm, or band numbers, by the heading of their column."""
    words = head.lower().replace("]", ")").replace("[", "(")
    unit = words.partition("(")[2].partition(")")[0].strip() or words.split(" ")[-1]
    if unit in NANOMETERS:
        return values * NANOMETERS[unit], "nm"
    counted = np.arange(1.0, len(values) + 1)
    if "band" in words or ("wave" not in words and np.array_equal(values, counted)):
        return values, ""
    return values * (1e3 if float(np.nanmax(values)) < 100 else 1.0), "nm"
