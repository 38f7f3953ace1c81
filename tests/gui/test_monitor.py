"""The screen's profile: found on an X server made of bytes, chosen, remembered, painted with."""

from __future__ import annotations

import ctypes
import socket
import struct
import threading

import numpy as np
import PIL.ImageCms
import pytest
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication, QFileDialog

from core.develop import Curve, Look, Profile
from gui import monitor as module
from gui.look_panel import CHOOSE, LookPanel
from gui.monitor import AUTOMATIC, SRGB, Monitor, system_profile, x11_profile

DATA = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
ROOT = 0x123


def gamma(exponent: float) -> bytes:
    """A grey profile: enough for a screen that only has another curve."""
    curve = b"para\0\0\0\0\0\0\0\0" + struct.pack(">i", round(exponent * 65536))
    head = (b"\0" * 12 + b"mntrGRAYXYZ " + b"\0" * 12 + b"acsp").ljust(128, b"\0")
    tag = struct.pack(">I4sII", 1, b"kTRC", 144, len(curve))
    return head + tag + curve


class Server(threading.Thread):
    """Just enough of an X server to ask it for properties of its root window."""

    def __init__(self, properties: dict[bytes, bytes]) -> None:
        super().__init__(daemon=True)
        self.names = list(properties)
        self.values = list(properties.values())
        self.socket = socket.socket()
        for self.number in range(60, 1000):
            try:
                self.socket.bind(("127.0.0.1", 6000 + self.number))
                break
            except OSError:
                continue
        self.socket.listen()
        self.socket.settimeout(20)
        self.start()

    @property
    def display(self) -> bytes:
        return b"127.0.0.1:%d" % self.number

    def run(self) -> None:
        connection, _ = self.socket.accept()
        self.socket.close()
        with connection, connection.makefile("rwb") as stream:
            head = struct.unpack("<BxHHHHxx", stream.read(12))
            stream.read(sum(-(-size // 4) * 4 for size in head[3:]))
            screen = struct.pack("<5I6HIBBBB", ROOT, 0, 0, 0, 0, 9, 9, 9, 9, 1, 1, 0, 0, 0, 24, 0)
            body = struct.pack("<4I2H8B4x", 0, 0, 0xFFFF, 0, 0, 65535, 1, 0, 0, 0, 32, 32, 8, 255)
            body += screen
            stream.write(struct.pack("<BxHHH", 1, 11, 0, len(body) // 4) + body)
            stream.flush()
            number = 0
            while len(request := stream.read(4)) == 4:
                number += 1
                code, _, length = struct.unpack("<BBH", request)
                stream.write(self.reply(code, stream.read(4 * length - 4), number))
                stream.flush()

    def reply(self, code: int, body: bytes, number: int) -> bytes:
        if code == 16:  # InternAtom
            name = body[4 : 4 + struct.unpack("<H", body[:2])[0]]
            atom = 100 + self.names.index(name) if name in self.names else 0
            return struct.pack("<BxHII20x", 1, number, 0, atom)
        if code == 20:  # GetProperty
            window, atom = struct.unpack("<II", body[:8])
            assert window == ROOT
            value = self.values[atom - 100]
            padded = value + b"\0" * (-len(value) % 4)
            form, kind = (8, 6) if value else (0, 0)
            head = (1, form, number, len(padded) // 4, kind, 0, len(value))
            return struct.pack("<BBHIIII12x", *head) + padded
        return struct.pack("<BxHI24x", 1, number, 0)


@pytest.fixture
def xcb():
    try:
        ctypes.CDLL("libxcb.so.1")
    except OSError:
        pytest.skip("no libxcb")


@pytest.mark.parametrize("index", [0, 1, 2])
def test_x11_names_a_profile_for_each_monitor(xcb, index):
    second = gamma(1.75)
    server = Server({b"_ICC_PROFILE": DATA, b"_ICC_PROFILE_1": second, b"_ICC_PROFILE_3": b""})
    assert x11_profile(index, server.display) == {0: DATA, 1: second}.get(index, b"")
    server.join(20)
    assert not server.is_alive()  # the connection is closed


def test_x11_without_a_profile_or_a_server(xcb):
    assert x11_profile(0, Server({b"_ICC_PROFILE": b""}).display) == b""
    assert x11_profile(0, b"127.0.0.1:1001") == b""


@pytest.fixture
def settings(tmp_path):
    return QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)


@pytest.mark.parametrize("platform", ["xcb", "windows", "wayland", "cocoa"])
def test_a_missing_library_is_no_trouble(monkeypatch, qtbot, settings, platform):
    def missing(name):
        raise OSError(name)

    monkeypatch.setattr(module.QGuiApplication, "platformName", lambda: platform)
    monkeypatch.setattr(module.ctypes, "CDLL", missing)
    panel = LookPanel(Monitor(settings))
    qtbot.addWidget(panel)
    assert system_profile(panel) == system_profile(None) == b""


def test_automatic_takes_what_the_system_names(qtbot, settings):
    found = [gamma(1.75)]
    screen = Monitor(settings, lambda window: found[0])
    panel = LookPanel(screen)
    qtbot.addWidget(panel)
    assert screen.profile is None  # nothing is asked before the first paint
    with qtbot.waitSignal(screen.changed):
        screen.begin(panel)
    assert screen.profile is not None
    assert screen.profile.curves == (Curve.gamma(1.75),)
    assert "unnamed" in panel.screen_row.note.text()
    for data, words in ((b"", "names no profile"), (b"?" * 200, "damaged")):
        found[0] = data
        screen.choose(AUTOMATIC)
        assert screen.profile is None
        assert "sRGB" in panel.screen_row.note.text() and words in panel.screen_row.note.text()


def test_the_choice_is_remembered(qtbot, settings, tmp_path, monkeypatch):
    file = tmp_path / "screen.icc"
    file.write_bytes(gamma(1.875))
    panel = LookPanel(Monitor(settings, lambda window: b""))
    qtbot.addWidget(panel)
    box = panel.screen_row.box
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(file), ""))
    box.activated.emit(box.findData(CHOOSE))
    assert box.currentText() == "screen.icc"
    again = Monitor(settings)
    again.begin(panel)
    assert again.choice == str(file)
    assert again.profile is not None and again.profile.curves == (Curve.gamma(1.875),)
    file.unlink()
    again.choose(again.choice)
    assert again.profile is None and "cannot be read" in again.words
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("", ""))
    box.activated.emit(box.findData(CHOOSE))
    assert box.currentText() == "screen.icc"  # nothing was chosen: as before
    box.activated.emit(box.findData(SRGB))
    assert Monitor(settings).choice == SRGB
    assert box.currentText() == "sRGB" and box.count() == 3


def test_another_profile_only_repaints(qtbot, settings, tmp_path, load_window):
    window = load_window
    works, submit = [], window.bridge._engine.submit
    window.bridge._engine.submit = lambda *args: (works.append(args), submit(*args))[1]
    undo = window.session.can_undo
    before = pixels(window.viewer)
    window.monitor._find = lambda found: gamma(1.4)
    window.monitor.choose(AUTOMATIC)
    qtbot.wait(50)
    darker = pixels(window.viewer)
    assert np.abs(darker.astype(int) - before).max() > 10
    assert not works
    assert window.session.can_undo == undo
    assert window.session.document.look.profile is None  # exports and recipes never see it
    window.monitor.choose(SRGB)
    qtbot.wait(50)
    np.testing.assert_array_equal(pixels(window.viewer), before)


def pixels(widget):
    image = widget.grab().toImage()
    data = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return data[:, : image.width() * 4].copy()


@pytest.fixture
def load_window(qtbot, settings, tmp_path):
    import resources
    from gui import theme
    from gui.app import build

    theme.apply(QApplication.instance())
    window = build(settings, tmp_path)
    qtbot.addWidget(window, before_close_func=lambda w: w.bridge.close())
    window.resize(1000, 700)
    window.show()
    window.begin([str(resources.path("samples/bayer_iso12800.dng"))])
    qtbot.waitUntil(lambda: window.session.document is not None, timeout=60_000)
    qtbot.waitUntil(
        lambda: window.viewer.state_at_view() == "full" and not window.bridge._running,
        timeout=60_000,
    )
    return window


def test_a_profile_equal_to_srgb_is_srgb(settings):
    screen = Monitor(settings, lambda window: DATA)
    screen.choose(AUTOMATIC)
    assert screen.profile == Profile() and screen.words.startswith("sRGB")
    assert Look(profile=screen.profile).stored == Look().stored
