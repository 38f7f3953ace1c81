"""Monitor: the colour profile of the screen, as the system names it or the user chose it.

Qt puts a widget's pixels on the screen as they are, so develop's last step is ours. X11 keeps the
profile on the root window (ICC Profiles in X, 0.4), Windows in a file; Wayland and macOS convert
from sRGB themselves.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, QSettings, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget

from core.develop import BadProfile, Profile, parse

AUTOMATIC, SRGB = "automatic", "srgb"
KEY = "screen_profile"
LARGEST = 16 << 20  # bytes of a profile
ANY_TYPE = 0


class Monitor(QObject):
    """Which profile the picture is painted for. Not part of a document: no undo, no recipe."""

    changed = Signal()

    def __init__(
        self, settings: QSettings, find: Callable[[QWidget | None], bytes] | None = None
    ) -> None:
        super().__init__()
        self._settings, self._find = settings, find or system_profile
        self._window: QWidget | None = None
        self.choice = str(settings.value(KEY, AUTOMATIC))  # AUTOMATIC, SRGB, or a file's path
        self.profile: Profile | None = None  # None: sRGB
        self.words = "sRGB"  # what is used, and why

    def begin(self, window: QWidget) -> None:
        """After the first paint: ask the system; again when the window moves to another screen."""
        self._window = window
        handle = window.windowHandle()
        if handle is not None:
            handle.screenChanged.connect(self._refresh)
        self._refresh()

    def choose(self, choice: str) -> None:
        """AUTOMATIC, SRGB, or the path of an ICC profile; remembered."""
        self.choice = choice
        self._settings.setValue(KEY, choice)
        self._refresh()

    def _refresh(self) -> None:
        self.profile, self.words = self._found()
        self.changed.emit()

    def _found(self) -> tuple[Profile | None, str]:
        """The profile in use, and words for it."""
        if self.choice == SRGB:
            return None, "sRGB"
        if self.choice == AUTOMATIC:
            data = self._find(self._window)
            whose = "the system's profile"
            if not data:
                return None, "sRGB: the system names no profile"
        else:
            whose = Path(self.choice).name
            try:
                data = _read(Path(self.choice))
            except OSError as error:
                return None, f"sRGB: {whose} cannot be read ({error.strerror or error})"
        try:
            profile = parse(data)
        except BadProfile as bad:
            return None, f"sRGB: {whose} {bad}"
        return profile, profile.name


def system_profile(window: QWidget | None) -> bytes:
    """The ICC profile that the system has for the window's screen; empty when there is none."""
    platform = QGuiApplication.platformName()
    try:
        if platform == "xcb":
            screens = QGuiApplication.screens()  # the primary one first, as X11's monitors
            screen = window.screen() if window else None
            return x11_profile(screens.index(screen) if screen in screens else 0)
        if platform == "windows" and window is not None:
            return windows_profile(int(window.winId()))
    except (OSError, AttributeError, ValueError, ctypes.ArgumentError):
        return b""  # a library is missing, or is another one than expected
    return b""


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST + 1)


class _Cookie(ctypes.Structure):
    _fields_ = [("sequence", ctypes.c_uint)]


class _Screens(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.POINTER(ctypes.c_uint32)),  # of a screen, whose first field is its root
        ("rem", ctypes.c_int),
        ("index", ctypes.c_int),
    ]


def _xcb() -> ctypes.CDLL:
    """libxcb, which Qt itself uses: unlike libX11 it never ends the program. Raises OSError."""
    xcb = ctypes.CDLL("libxcb.so.1")
    pointer, u8, u16, u32 = ctypes.c_void_p, ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32
    kinds: dict[str, tuple[object, list[object]]] = {
        "connect": (pointer, [ctypes.c_char_p, pointer]),
        "connection_has_error": (ctypes.c_int, [pointer]),
        "disconnect": (None, [pointer]),
        "get_setup": (pointer, [pointer]),
        "setup_roots_iterator": (_Screens, [pointer]),
        "intern_atom": (_Cookie, [pointer, u8, u16, ctypes.c_char_p]),
        "intern_atom_reply": (pointer, [pointer, _Cookie, pointer]),
        "get_property": (_Cookie, [pointer, u8, u32, u32, u32, u32, u32]),
        "get_property_reply": (pointer, [pointer, _Cookie, pointer]),
        "get_property_value": (pointer, [pointer]),
        "get_property_value_length": (ctypes.c_int, [pointer]),
    }
    for name, (result, arguments) in kinds.items():
        function = getattr(xcb, f"xcb_{name}")
        function.restype, function.argtypes = result, arguments
    return xcb


def x11_profile(index: int, display: bytes | None = None) -> bytes:
    """The property _ICC_PROFILE, or _ICC_PROFILE_n of monitor n, of the first root window.

    Empty where there is none. Raises OSError without libxcb.
    """
    xcb = _xcb()
    free = ctypes.CDLL(None).free
    free.restype, free.argtypes = None, [ctypes.c_void_p]
    name = b"_ICC_PROFILE" if index == 0 else b"_ICC_PROFILE_%d" % index
    server = xcb.xcb_connect(display, None)  # a connection of our own: Qt's is left alone
    atom = value = None
    try:
        if xcb.xcb_connection_has_error(server):
            return b""
        screens = xcb.xcb_setup_roots_iterator(xcb.xcb_get_setup(server))
        asked = xcb.xcb_intern_atom(server, 1, len(name), name)
        atom = xcb.xcb_intern_atom_reply(server, asked, None)
        number = ctypes.c_uint32.from_address(atom + 8).value if atom else 0
        if not screens.rem or not number:
            return b""
        asked = xcb.xcb_get_property(server, 0, screens.data[0], number, ANY_TYPE, 0, LARGEST // 4)
        value = xcb.xcb_get_property_reply(server, asked, None)
        if not value:
            return b""
        size = xcb.xcb_get_property_value_length(value)
        return ctypes.string_at(xcb.xcb_get_property_value(value), size) if size > 0 else b""
    finally:
        for reply in (atom, value):
            if reply:
                free(reply)
        xcb.xcb_disconnect(server)


def windows_profile(window: int) -> bytes:
    """The file that GetICMProfileW names for the monitor a window is on. Raises OSError."""
    if sys.platform != "win32":
        return b""
    from ctypes import wintypes

    class Info(ctypes.Structure):
        _fields_ = [
            ("size", wintypes.DWORD),
            ("monitor", wintypes.RECT),
            ("work", wintypes.RECT),
            ("flags", wintypes.DWORD),
            ("device", wintypes.WCHAR * 32),
        ]

    user, gdi = ctypes.WinDLL("user32"), ctypes.WinDLL("gdi32")
    user.MonitorFromWindow.restype, gdi.CreateDCW.restype = wintypes.HMONITOR, wintypes.HDC
    monitor = wintypes.HMONITOR(user.MonitorFromWindow(wintypes.HWND(window), 2))  # the nearest
    info = Info(size=ctypes.sizeof(Info))
    if not user.GetMonitorInfoW(monitor, ctypes.byref(info)):
        return b""
    context = wintypes.HDC(gdi.CreateDCW("DISPLAY", info.device, None, None))
    try:
        size = wintypes.DWORD(1024)
        path = ctypes.create_unicode_buffer(size.value)
        if not gdi.GetICMProfileW(context, ctypes.byref(size), path):
            return b""
    finally:
        gdi.DeleteDC(context)
    return _read(Path(path.value))
