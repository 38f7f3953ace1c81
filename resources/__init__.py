"""Packaged data: icons, theme, samples."""

from pathlib import Path


def path(name: str) -> Path:
    """The file `name` of this package, as in path("icons/open.svg")."""
    return Path(__file__).parent / name


def picture_of(sample: Path) -> Path:
    """Its small picture, which has the title as its comment."""
    return sample.parent / "pictures" / f"{sample.name.partition('.')[0]}.jpg"


BESIDE = {".py", ".md", ".json", ".img", ".raw"}  # in the samples' folder: not to be opened itself


def sample_files() -> list[Path]:
    """The synthetic samples, one path each, by name."""
    found = path("samples").iterdir()
    return sorted(one for one in found if one.is_file() and one.suffix not in BESIDE)
