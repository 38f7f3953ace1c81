"""Recipe: which methods with which settings, in order. To and from JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from core.image import Image
from core.mask import Mask
from core.method import Method
from core.noise import text as noise_text
from core.noise.model import Noise

FORMAT = 1  # of the recipe file; raised when older programs could misread it


class BadRecipe(ValueError):
    """A recipe could not be used. The message is one sentence for the user."""


@dataclass(frozen=True)
class Step:
    """A method with its settings, how much of its result to blend in (0..1), and where.

    `inputs` are the further images that the method names, of the size of the picture; the images of
    a series follow each other under one name. A step that is not enabled is kept, but left out.
    """

    method: Method
    amount: float = 1.0
    mask: Mask | None = None
    inputs: tuple[tuple[str, Image], ...] = ()
    enabled: bool = True

    @property
    def work(self) -> tuple[Hashable, ...]:
        """What its result depends on besides its input: equal for steps that only blend apart."""
        return self.method, self.method.version, tuple((name, i.id) for name, i in self.inputs)

    @property
    def key(self) -> tuple[Hashable, ...]:
        """What later steps depend on."""
        return *self.work, self.amount, self.mask.key if self.mask else None

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the further images that its method asks for and nobody has given yet."""
        given = [name for name, _ in self.inputs]
        return tuple(name for name in self.method.inputs if name not in given)

    def with_input(self, name: str, image: Image | None) -> Step:
        """The same with another further image of this name, or without it."""
        return self.with_series(name, (image,) if image is not None else ())

    def with_series(self, name: str, images: Iterable[Image]) -> Step:
        """The same with these further images of this name instead of those it has."""
        others = tuple((n, i) for n, i in self.inputs if n != name)
        return replace(self, inputs=(*others, *((name, image) for image in images)))

    def series(self, name: str) -> tuple[Image, ...]:
        """All further images of a name."""
        return tuple(image for n, image in self.inputs if n == name)

    def left(self, noise: Noise) -> Noise:
        """The noise that following steps find; what is blended has that of before, at most."""
        if self.amount < 1 or self.mask is not None:
            return noise
        return self.method.left(noise, len(self.inputs))

    def coarser(self, level: int, small: Callable[[Image], Image]) -> Step:
        """The same for the picture at 1 / level; `small` makes other images so small, too."""
        mask = self.mask.coarser(level, small) if self.mask else None
        inputs = tuple((n, small(i)) for n, i in self.inputs)
        return replace(self, method=self.method.coarser(level), mask=mask, inputs=inputs)

    def check(self, image: Image) -> None:
        """Raises BadRecipe where it cannot be used for an image."""
        title = self.method.title or self.method.id()
        if self.missing:
            raise BadRecipe(f"{title} needs further images: {', '.join(self.missing)}.")
        for name, other in self.inputs:
            if other.pixels.shape != image.pixels.shape:
                raise BadRecipe(f"{unequal(f'The {name} image', other, image)}")
        shades = self.mask.image if self.mask else None
        if shades is not None and (shades.height, shades.width) != (image.height, image.width):
            raise BadRecipe(unequal("The mask image", shades, image))


def unequal(what: str, other: Image, image: Image) -> str:
    """A sentence: another image has not the size of the picture."""

    def size(one: Image) -> str:
        return " × ".join(str(n) for n in reversed(one.pixels.shape))

    return f"{what} must have the size of the picture: {size(image)}, not {size(other)}."


@dataclass(frozen=True)
class Recipe:
    """Steps in order. The empty recipe leaves the image as it is."""

    steps: tuple[Step, ...] = ()

    @property
    def amount(self) -> float:
        """Blend of the last step: view-only, never a reason to recompute."""
        return self.steps[-1].amount if self.steps else 0.0

    @property
    def active(self) -> Recipe:
        """What is done: the steps that are enabled."""
        return Recipe(tuple(step for step in self.steps if step.enabled))

    def ready(self, image: Image) -> Recipe:
        """What is done to an image. Raises BadRecipe where nothing is, or a step cannot be used."""
        found = self.active
        if not found.steps:
            raise BadRecipe("The recipe has no steps.")
        for step in found.steps:
            step.check(image)
        return found

    @property
    def work(self) -> tuple[Hashable, ...]:
        """What must be computed: equal where only the last blend differs (amount and mask)."""
        steps = self.active.steps
        return *(step.key for step in steps[:-1]), *(step.work for step in steps[-1:])

    def with_amount(self, amount: float) -> Recipe:
        """The same with another blend of the last step."""
        if not self.steps:
            return self
        return Recipe((*self.steps[:-1], replace(self.steps[-1], amount=amount)))

    def coarser(self, level: int, small: Callable[[Image], Image]) -> Recipe:
        """The same for the picture at 1 / level: masks scaled, further images made small."""
        return Recipe(tuple(step.coarser(level, small) for step in self.steps))


def to_json(recipe: Recipe, noise: Noise | None = None) -> dict[str, Any]:
    """Plain data for a file: settings, versions and, where it was fixed, the noise model."""
    steps = [
        {
            "method": step.method.id(),
            "version": step.method.version,
            "settings": step.method.settings(),
            "amount": step.amount,
            **({"mask": step.mask.to_json()} if step.mask else {}),
            **({"inputs": _paths(step)} if step.inputs else {}),
            **({} if step.enabled else {"enabled": False}),
        }
        for step in recipe.steps
    ]
    return {"sordino": FORMAT, "noise": noise_text.to_json(noise), "steps": steps}


def _paths(step: Step) -> dict[str, str | list[str]]:
    for name, image in step.inputs:
        if not image.path:
            raise ValueError(f"the {name} image needs a file to be stored with a recipe")
    many = {n: [i.path for i in step.series(n)] for n, _ in step.inputs}
    return {n: paths if n in step.method.series else paths[0] for n, paths in many.items()}


def _listed(paths: object) -> list[object]:
    """A path, or several of a series."""
    return cast("list[object]", paths) if isinstance(paths, list) else [paths]


def files(data: Any) -> tuple[str, ...]:
    """The images that a recipe's data name, for `load` of from_json(); nonsense names none."""
    found: list[object] = []
    try:
        for step in data["steps"]:
            mask: dict[str, object] = step.get("mask") or {}
            inputs: dict[str, object] = dict(step.get("inputs", {}))
            found += [path for paths in inputs.values() for path in _listed(paths)]
            found.append(mask.get("image"))
    except (KeyError, TypeError, ValueError, AttributeError):
        return ()
    return tuple(dict.fromkeys(path for path in found if isinstance(path, str) and path))


def from_json(
    data: object, methods: Mapping[str, type[Method]], load: Callable[[str], Image] | None = None
) -> tuple[Recipe, Noise | None]:
    """Recipe and noise model (None = measure it) from parsed JSON. Raises BadRecipe.

    `load` opens the images that masks and inputs name.
    """
    table = cast("dict[str, Any]", data if isinstance(data, dict) else {})
    if table.get("sordino") != FORMAT:
        raise BadRecipe(f'This is not a recipe: it needs "sordino": {FORMAT} at its top.')
    try:
        steps = tuple(_step(entry, methods, load) for entry in table["steps"])
        return Recipe(steps), noise_text.from_json(table.get("noise"))
    except BadRecipe:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadRecipe(f"The recipe cannot be used: {error}.") from None


def parse(
    text: str, methods: Mapping[str, type[Method]], load: Callable[[str], Image] | None = None
) -> tuple[Recipe, Noise | None]:
    """from_json() of a file's text."""
    try:
        return from_json(json.loads(text), methods, load)
    except (json.JSONDecodeError, RecursionError):
        raise BadRecipe("This is not a recipe: it is not JSON.") from None


def _step(
    entry: Mapping[str, Any],
    methods: Mapping[str, type[Method]],
    load: Callable[[str], Image] | None,
) -> Step:
    name, amount = entry["method"], float(entry.get("amount", 1.0))
    if name not in methods:
        raise BadRecipe(f"There is no method {name!r}; there are: {', '.join(methods)}.")
    if not 0 <= amount <= 1:
        raise BadRecipe(f"The amount lies between 0 and 1, not {amount:g}.")
    method = methods[name].make(dict(entry.get("settings", {})))
    mask = entry.get("mask")
    inputs = {name: _listed(paths) for name, paths in dict(entry.get("inputs", {})).items()}
    enabled = bool(entry.get("enabled", True))
    missing = [each for each in method.inputs if each not in inputs]
    if missing and enabled:
        raise BadRecipe(f"{method.title} needs further images: {', '.join(missing)}.")
    paths = [str(path) for some in inputs.values() for path in some]
    paths += [mask["image"]] if mask and mask.get("image") else []
    if paths and load is None:
        raise BadRecipe("The recipe names further images, which cannot be opened here.")
    images = {str(path): load(str(path)) for path in paths} if load else {}
    found = Mask.from_json(mask, images) if mask else None
    given = tuple((n, images[str(path)]) for n, some in inputs.items() for path in some)
    return Step(method, amount, found, given, enabled)
