"""Recipe: which methods with which settings, in order. To and from JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping
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

    `inputs` are the further images that the method names, of the size of the picture.
    """

    method: Method
    amount: float = 1.0
    mask: Mask | None = None
    inputs: tuple[tuple[str, Image], ...] = ()

    @property
    def work(self) -> tuple[Hashable, ...]:
        """What its result depends on besides its input: equal for steps that only blend apart."""
        return self.method, self.method.version, tuple((name, i.id) for name, i in self.inputs)

    @property
    def key(self) -> tuple[Hashable, ...]:
        """What later steps depend on."""
        return *self.work, self.amount, self.mask.key if self.mask else None


@dataclass(frozen=True)
class Recipe:
    """Steps in order. The empty recipe leaves the image as it is."""

    steps: tuple[Step, ...] = ()

    @property
    def amount(self) -> float:
        """Blend of the last step: view-only, never a reason to recompute."""
        return self.steps[-1].amount if self.steps else 0.0

    def with_amount(self, amount: float) -> Recipe:
        """The same with another blend of the last step."""
        if not self.steps:
            return self
        return Recipe((*self.steps[:-1], replace(self.steps[-1], amount=amount)))


def to_json(recipe: Recipe, noise: Noise | None = None) -> dict[str, Any]:
    """Plain data for a file: settings, versions and, where it was fixed, the noise model."""
    steps = [
        {
            "method": step.method.id(),
            "version": step.method.version,
            "settings": step.method.settings(),
            "amount": step.amount,
            **({"mask": step.mask.to_json()} if step.mask else {}),
            **(
                {"inputs": {name: image.path for name, image in step.inputs}} if step.inputs else {}
            ),
        }
        for step in recipe.steps
    ]
    return {"sordino": FORMAT, "noise": noise_text.to_json(noise), "steps": steps}


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
    inputs, mask = dict(entry.get("inputs", {})), entry.get("mask")
    missing = [each for each in method.inputs if each not in inputs]
    if missing:
        raise BadRecipe(f"{method.title} needs further images: {', '.join(missing)}.")
    paths = [*inputs.values(), *([mask["image"]] if mask and mask.get("image") else [])]
    if paths and load is None:
        raise BadRecipe("The recipe names further images, which cannot be opened here.")
    images = {str(path): load(str(path)) for path in paths} if load else {}
    found = Mask.from_json(mask, images) if mask else None
    return Step(method, amount, found, tuple((n, images[str(p)]) for n, p in inputs.items()))
