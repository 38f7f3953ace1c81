"""load(): finds methods and formats, and keeps the reasons of those that are broken."""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from core.format import Format
from core.method import Method
from core.places import settings_folder

GROUP = "sordino.plugins"  # entry points of foreign packages
FOLDER = "sordino_user"  # pretended package of the files in the user's plugin folder

_Candidate = tuple[str, Callable[[], Any]]


@dataclass(frozen=True)
class Registry:
    """What was found: methods by id, formats in the order in which they are asked."""

    methods: Mapping[str, type[Method]]
    formats: tuple[Format, ...]
    broken: Mapping[str, str]  # name of a plugin -> one sentence
    outside: frozenset[str] = frozenset()  # ids of methods that are not our own


def load(package: str = "plugins") -> Registry:
    """Find every plugin: our own, those of installed packages, those in the user's folder.

    A plugin is a module or package; its classes that subclass Method or Format are taken. One that
    fails to import or declares nonsense lands in `broken` and hides nobody else.
    """
    methods: dict[str, type[Method]] = {}
    formats: list[Format] = []
    broken: dict[str, str] = {}
    own = tuple(_own(package))
    outside: set[str] = set()
    for number, (name, get) in enumerate((*own, *_installed(), *_in_folder())):
        try:
            for cls in _classes(get()):
                if issubclass(cls, Format):
                    formats.append(cls())
                    continue
                if cls.id() in methods:
                    raise ValueError(f"there is another method called {cls.id()}")
                cls.controls()  # a wrong declaration is noticed now, not in the panel
                methods[cls.id()] = cls
                if number >= len(own):
                    outside.add(cls.id())
        except (Exception, SystemExit) as error:
            broken[name] = f"The plugin {name} was left out: {type(error).__name__}: {error}"
    formats.sort(key=lambda found: (-found.rank, found.title))
    ordered = dict(sorted(methods.items()))
    return Registry(ordered, tuple(formats), broken, frozenset(outside))


def with_plugin(registry: Registry, file: Path) -> Registry:
    """The same with a plugin that came into the user's folder. Raises what its import raises."""
    found = [c for c in _classes(import_plugin(f"{FOLDER}.{file.stem}", str(file)))
             if issubclass(c, Method)]  # fmt: skip
    added = {cls.id(): cls for cls in found}
    methods = dict(sorted({**registry.methods, **added}.items()))
    return replace(registry, methods=methods, outside=registry.outside | set(added))


def user_folder() -> Path:
    """Where a user's own plugins lie: $SORDINO_PLUGINS, or the platform's place for settings."""
    if folder := os.environ.get("SORDINO_PLUGINS"):
        return Path(folder)
    return settings_folder() / "plugins"


def import_plugin(name: str, file: str = "") -> ModuleType:
    """The plugin module `name`; one of the user's folder is executed from `file`."""
    if not name.startswith(FOLDER + "."):
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and type hints look it up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _own(package: str) -> Iterator[_Candidate]:
    for kind in ("methods", "formats"):
        parent = f"{package}.{kind}"
        if importlib.util.find_spec(parent) is None:
            continue
        for found in pkgutil.iter_modules(importlib.import_module(parent).__path__):
            if not found.name.startswith("_"):
                name = f"{parent}.{found.name}"
                yield name, lambda name=name: import_plugin(name)


def _installed() -> Iterator[_Candidate]:
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP):
        yield entry.name, entry.load


def _in_folder() -> Iterator[_Candidate]:
    folder = user_folder()
    for file in sorted(folder.glob("*.py")) if folder.is_dir() else ():
        name = f"{FOLDER}.{file.stem}"
        yield str(file), lambda name=name, file=file: import_plugin(name, str(file))


def _classes(found: Any) -> list[type[Method] | type[Format]]:
    """A module's own plugin classes, or the one class an entry point names."""
    values: list[Any] = [found]
    if isinstance(found, ModuleType):
        home = found.__name__
        values = [
            value
            for name, value in vars(found).items()
            if not name.startswith("_")
            and f"{getattr(value, '__module__', '')}.".startswith(f"{home}.")
        ]
    return [
        value for value in values if isinstance(value, type) and issubclass(value, Method | Format)
    ]
