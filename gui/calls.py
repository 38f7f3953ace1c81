"""Calls: what every command of the window does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from core.choose import BUDGETS
from gui import actions, help
from gui.viewer import Compare

if TYPE_CHECKING:
    from gui.window import Window

PAN = 120  # logical pixels that an arrow key moves the picture


def calls(window: Window) -> dict[str, Callable[..., object]]:
    """What every command of actions.py does."""
    v, s, r, e, d = window.viewer, window.session, window.recipes, window.edits, window.documents
    k = window.chain
    calls: dict[str, Callable[..., object]] = {
        "open": d.ask, "export": d.export, "close": d.close,
        "queue": window.show_queue, "enqueue": window.enqueue,
        "load_recipe": r.load, "save_recipe": r.save,
        "linked": partial(window.linked.another, window), "quit": window.linked.quit,
        "undo": s.undo, "redo": s.redo, "copy": r.copy,
        "paste": r.paste, "save_preset": r.save_preset,
        "reset": window.automatic.again,
        **{f"budget_{b}": partial(window.automatic.set_budget, b) for b in BUDGETS},
        "more": partial(k.nudge_amount, 0.05), "less": partial(k.nudge_amount, -0.05),
        "burst": partial(k.merge, "burst", "The other exposures"),
        "dark": partial(k.merge, "dark", "Frames without light"),
        "add_step": k.ask, "duplicate_step": k.duplicate, "remove_step": k.remove,
        "switch_step": k.switch_this, "earlier_step": partial(k.shift, -1),
        "later_step": partial(k.shift, 1), "previous_step": partial(k.next, -1),
        "next_step": partial(k.next, 1), "layer": window.layer.next,
        "mask": partial(window.masks.do, "edit"),
        **{f"mask_{name}": partial(window.masks.do, name) for name in window.masks.buttons},
        "fit": v.fit, "full": partial(v.zoom_to, 1.0), "double": partial(v.zoom_to, 2.0),
        "zoom_in": partial(v.zoom_by, 1.25), "zoom_out": partial(v.zoom_by, 0.8),
        "left": partial(v.pan_by, PAN, 0), "right": partial(v.pan_by, -PAN, 0),
        "up": partial(v.pan_by, 0, PAN), "down": partial(v.pan_by, 0, -PAN),
        "loupe": lambda on: setattr(v, "loupe", on),
        "brighter": partial(e.nudge_exposure, 0.5),
        "darker": partial(e.nudge_exposure, -0.5),
        "gain_up": partial(e.nudge_gain, 1), "gain_down": partial(e.nudge_gain, -1),
        "devices": window.show_devices, "background": e.next_background,
        "measure": window.bridge.measure,
        "pick": e.pick, "lock": e.lock, "roi": v.start_roi,
        "second": partial(v.start_mark, "second"), "edge": partial(v.start_mark, "line"),
        "clear_roi": v.clear_marks, "cancel": window.cancel,
        "calibrate": window.calibrate,
        "tune": window.tuning.start, "take": window.take_suggestion,
        "learn": window.learning.start, "import_network": lambda: window.import_network(),
        "keys": partial(help.keys, window), "about": partial(help.about, window),
        **{f"link_{name}": partial(window.linked.link, name) for name in window.linked.links},
        **window.scans.calls(),
        **window.cubes.calls(),
        **window.clips.calls(),
    }  # fmt: skip
    for command in actions.COMPARE:
        calls[command.id] = partial(window.compare, Compare[command.id.upper()])
    return calls
