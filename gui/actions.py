"""Every command once: name, shortcut, what it does. Menus, toolbar and the key list read this."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QWidget

from gui import theme


@dataclass(frozen=True)
class Command:
    """One thing the user can do."""

    id: str
    text: str
    keys: tuple[str, ...] = ()
    icon: str = ""
    group: str = ""  # exclusive, checkable commands share one
    checkable: bool = False
    needs_image: bool = True


FILE = (
    Command("open", "Open…", ("Ctrl+O",), "folder-open", needs_image=False),
    Command("linked", "New linked window", ("Ctrl+N",), needs_image=False),
    Command("export", "Export…", ("Ctrl+E",), "image-down"),
    Command("enqueue", "Add to the queue", ("Ctrl+Shift+E",), "list-plus"),
    Command("queue", "Show the queue", ("Ctrl+Shift+Q",), needs_image=False),
    Command("load_recipe", "Load recipe…", ("Ctrl+L",)),
    Command("save_recipe", "Save recipe…", ("Ctrl+S",), "save"),
    Command("close", "Close image", ("Ctrl+W",)),
    Command("quit", "Quit", ("Ctrl+Q",), needs_image=False),
)
EDIT = (
    Command("undo", "Undo", ("Ctrl+Z",), "undo-2"),
    Command("redo", "Redo", ("Ctrl+Shift+Z", "Ctrl+Y"), "redo-2"),
    Command("copy", "Copy settings", ("Ctrl+C",), "copy"),
    Command("paste", "Paste settings", ("Ctrl+V",), "clipboard-paste"),
    Command("save_preset", "Save as preset…", ("Ctrl+Shift+S",), "bookmark"),
    Command("devices", "Devices and memory…", (), "settings", needs_image=False),
    Command("more", "More amount", (".",)),
    Command("less", "Less amount", (",",)),
)
AUTOMATIC = (
    Command("reset", "Choose method and settings", ("Ctrl+R",), "rotate-ccw"),
    Command("budget_fast", "Automatic: fast", group="budget", needs_image=False),
    Command("budget_balanced", "Automatic: balanced", group="budget", needs_image=False),
    Command("budget_best", "Automatic: best", group="budget", needs_image=False),
)
TUNE = (
    Command("tune", "Suggest settings for this picture", ("U",), "sliders-horizontal"),
    Command("take", "Take what is suggested", ("Shift+U",)),
    Command("import_network", "Import a network…", needs_image=False),
    Command("learn", "Learn from what is seen of this picture", ("Ctrl+U",), "activity"),
)
COMPARE = (
    Command("after", "After", ("1",), "image", "compare"),
    Command("before", "Before", ("2",), "eye", "compare"),
    Command("wipe", "Wipe (again: turn the divider)", ("3",), "square-split-horizontal", "compare"),
    Command("side", "Side by side (again: before over after)", ("4",), "columns-2", "compare"),
    Command("difference", "Difference", ("5",), "contrast", "compare"),
)
LAYER = (Command("layer", "Next layer", ("Y",)),)
ZOOM = (
    Command("fit", "Fit", ("F", "Ctrl+0"), "maximize"),
    Command("full", "100 %", ("Z", "Ctrl+1"), "one-to-one"),
    Command("double", "200 %", ("Ctrl+2",)),
    Command("zoom_in", "Zoom in", ("+", "="), "zoom-in"),
    Command("zoom_out", "Zoom out", ("-",), "zoom-out"),
    Command("left", "Pan left", ("Left",)),
    Command("right", "Pan right", ("Right",)),
    Command("up", "Pan up", ("Up",)),
    Command("down", "Pan down", ("Down",)),
)
LOOK = (
    Command("loupe", "Loupe", ("Shift+L",), "search", checkable=True),
    Command("brighter", "View brighter", ("E",)),
    Command("darker", "View darker", ("Shift+E",)),
    Command("gain_up", "Difference: amplify more", ("]",)),
    Command("gain_down", "Difference: amplify less", ("[",)),
    Command("background", "Next background", ("G",)),
)
LINKS = (  # what goes together in linked windows: see gui/links.py
    Command("link_place", "Link zoom and place", checkable=True, needs_image=False),
    Command("link_slice", "Link slice and crosshair", checkable=True, needs_image=False),
    Command("link_window", "Link window and level", checkable=True, needs_image=False),
    Command("link_view", "Link planes and before/after", checkable=True, needs_image=False),
)
NOISE = (
    Command("measure", "Measure noise", ("M",), "gauge"),
    Command("pick", "Pick a flat area", ("Shift+M",), "pipette", checkable=True),
    Command("calibrate", "Calibrate a camera…", needs_image=False),
    Command("lock", "Lock noise model", (), "lock", checkable=True),
    Command("roi", "Draw area for statistics", ("R",), "square-dashed"),
    Command("second", "Draw second area, as background", ("D",)),
    Command("edge", "Draw line across an edge", ("W",)),
    Command("clear_roi", "Clear areas", ("Shift+R",)),
    Command("cancel", "Cancel what is running", ("Esc",), "x", needs_image=False),
)
WINDOWS = (
    Command("window_file", "Window of the file", ("F2",)),
    Command("window_auto", "Window for what is seen", ("F3",)),
    Command("window_soft", "Soft tissue", ("F4",)),
    Command("window_lung", "Lung", ("F5",)),
    Command("window_bone", "Bone", ("F6",)),
    Command("window_brain", "Brain", ("F7",)),
    Command("window_liver", "Liver", ("F8",)),
    Command("invert", "Invert", ("I",)),
)
PLANES = (
    Command("axial", "Axial", ("A",)),
    Command("coronal", "Coronal", ("C",)),
    Command("sagittal", "Sagittal", ("S",)),
    Command("mpr", "Three planes with crosshair", ("X",)),
)
PATIENT = (Command("identifiers", "Show who the patient is", ("Ctrl+I",), checkable=True),)
STEPS = (  # their arrows are those of panning where there is no stack: see gui/clips.py
    Command("previous", "Previous slice, band or frame"),
    Command("next", "Next slice, band or frame"),
    Command("first", "First"),
    Command("last", "Last"),
)
PLAY = (
    Command("play", "Play or stop", ("P",), "play"),
    Command("loop_start", "Loop from here", ("Ctrl+Left",)),
    Command("loop_end", "Loop to here", ("Ctrl+Right",)),
    Command("loop_all", "Loop the whole clip", ("Ctrl+Up",)),
)
CUBE = (
    Command("colours", "Colours instead of one band", ("O",)),
    Command("keep_spectrum", "Keep the spectrum", ("K",)),
    Command("protect", "Protect this spectrum", ("T",)),
)
CHAIN = (
    Command("add_step", "Add step…", ("Ctrl+T",), "plus"),
    Command("burst", "Merge a burst…", ("Ctrl+Shift+T",)),
    Command("dark", "Take dark frames away…", ("Ctrl+Shift+K",)),
    Command("duplicate_step", "Duplicate step", ("Ctrl+D",), "copy"),
    Command("remove_step", "Remove step", ("Ctrl+Del",), "trash-2"),
    Command("switch_step", "Switch step on or off", ("Ctrl+B",)),
    Command("earlier_step", "Move step earlier", ("Ctrl+Shift+PgUp",)),
    Command("later_step", "Move step later", ("Ctrl+Shift+PgDown",)),
    Command("previous_step", "Previous step", ("Ctrl+PgUp",)),
    Command("next_step", "Next step", ("Ctrl+PgDown",)),
)
MASK = (
    Command("mask", "Edit mask", ("Q",), "pencil"),
    Command("mask_rectangle", "Mask: rectangle", ("Ctrl+Alt+R",), "square"),
    Command("mask_ellipse", "Mask: ellipse", ("Ctrl+Alt+E",), "circle"),
    Command("mask_polygon", "Mask: polygon", ("Ctrl+Alt+P",), "polygon"),
    Command("mask_gradient", "Mask: gradient", ("Ctrl+Alt+G",), "gradient"),
    Command("mask_stroke", "Mask: brush", ("Ctrl+Alt+B",), "brush"),
    Command("mask_image", "Mask: image…", ("Ctrl+Alt+M",), "image"),
    Command("mask_subtract", "Mask: cut out", ("Ctrl+Alt+S",), "cut-out"),
    Command("mask_invert", "Mask: invert", ("Ctrl+Alt+I",), "contrast"),
    Command("mask_first", "Mask: from this slice on", ("Ctrl+Alt+[",), "slice-first"),
    Command("mask_last", "Mask: up to this slice", ("Ctrl+Alt+]",), "slice-last"),
    Command("mask_tint", "Mask: show in red", ("Shift+Q",), "eye"),
    Command("mask_remove", "Mask: remove", ("Ctrl+Alt+Del",)),
)
HELP = (Command("keys", "Keyboard shortcuts", ("F1",), "keyboard", needs_image=False),
        Command("about", "About Sordino", (), "info", needs_image=False))  # fmt: skip

MENUS: Mapping[str, tuple[tuple[Command, ...], ...]] = {
    "File": (FILE,),
    "Edit": (EDIT, AUTOMATIC, TUNE),
    "View": (COMPARE, LAYER, ZOOM, LOOK, LINKS),
    "Scan": (WINDOWS, PLANES, PATIENT),
    "Slices": (STEPS, PLAY),
    "Cube": (CUBE,),
    "Steps": (CHAIN, MASK),
    "Noise": (NOISE,),
    "Help": (HELP,),
}


def build(parent: QWidget) -> dict[str, QAction]:
    """An action for every command, disabled and without effect until `connect`."""
    groups: dict[str, QActionGroup] = {}
    found: dict[str, QAction] = {}
    for command in (c for parts in MENUS.values() for part in parts for c in part):
        action = QAction(command.text, parent)
        action.setShortcuts([QKeySequence(keys) for keys in command.keys])
        if command.icon:
            action.setIcon(theme.icon(command.icon))
        keys = command.keys[0] if command.keys else ""
        action.setToolTip(f"{command.text.rstrip('…')}{f'  ({keys})' if keys else ''}")
        action.setCheckable(command.checkable or bool(command.group))
        if command.group:
            group = groups.setdefault(command.group, QActionGroup(parent))
            group.addAction(action)
        action.setEnabled(False)
        parent.addAction(action)
        found[command.id] = action
    return found


def connect(found: Mapping[str, QAction], calls: Mapping[str, Callable[..., object]]) -> None:
    """Give them their effect: `calls` has one function a command. Raises KeyError."""
    for command in (c for parts in MENUS.values() for part in parts for c in part):
        found[command.id].triggered.connect(_ignoring_checked(calls[command.id], command))


def _ignoring_checked(call: Callable[..., object], command: Command) -> Callable[[bool], object]:
    return (lambda on: call(on)) if command.checkable else (lambda _: call())
