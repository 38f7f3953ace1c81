"""Catalogue: the methods and their settings, as the command line prints them."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from core.desk import Desk
from core.learn.lesson import GRAMMAR
from core.method import Method


def methods(args: argparse.Namespace) -> int:
    """`sordino methods`; returns the exit code."""
    registry = Desk().registry
    known = registry.methods
    for sentence in registry.broken.values():
        print(f"sordino: {sentence}", file=sys.stderr)
    if args.json:
        print(json.dumps({"methods": [describe(m) for m in known.values()]}, ensure_ascii=False))
        return 0
    for name, method in known.items():
        print(f"{name}: {method.title}. {_first_line(method)}")
        for c in method.controls():
            choices = ("on", "off") if c.type == "bool" else c.choices
            bounds = "|".join(choices)
            if c.minimum is not None:
                bounds = f"{c.minimum:g}..{c.maximum:g} {c.unit}"
            elif c.type == "lesson":
                bounds = GRAMMAR
            print(f"    {c.name}={c.default}  [{bounds.strip()}] {c.help}")
    return 0


def _first_line(method: type[Method]) -> str:
    return (method.__doc__ or "").strip().split("\n")[0]


def describe(method: type[Method]) -> dict[str, Any]:
    """A method as `sordino methods --json` prints it."""
    keys = ("name", "type", "default", "minimum", "maximum", "unit", "help")
    settings = [
        {key: getattr(c, key) for key in keys} | ({"choices": c.choices} if c.choices else {})
        for c in method.controls()
    ]
    return {
        "id": method.id(),
        "title": method.title,
        "family": method.family,
        "kinds": list(method.kinds),
        "axes": method.axes,
        "noise": method.assumption,
        "card": method.card.plain() if method.card else None,
        "settings": settings,
    }
