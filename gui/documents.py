"""Documents: opening, closing, exporting; which file is open and what is remembered of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from core.byproducts import pictures, product_kind
from core.develop import levels
from core.folders import find_folder_format, on_disk
from core.format import UnreadableFile, suffix_of
from core.image import Image
from core.job import Exported, Opened
from core.planes import planes
from core.registry import Registry
from gui.automatic import Automatic
from gui.bridge import Bridge
from gui.files import Memory
from gui.inputs import Fetch
from gui.recent import Recent
from gui.session import Document, Origin, Session, stack_sizes
from gui.viewer import Viewer

PREFERRED = ".dng"


class Documents(QObject):
    """Between files and the session."""

    coming = Signal()  # an image was decoded: make room for it

    def __init__(
        self,
        window: QWidget,
        session: Session,
        viewer: Viewer,
        bridge: Bridge,
        recent: Recent,
        memory: Memory,
        fetch: Fetch,
        automatic: Automatic,
        say: Callable[[str], None],
    ) -> None:
        super().__init__(window)
        self._window, self._say, self._fetch = window, say, fetch
        self._automatic = automatic
        self._session, self._viewer, self._bridge = session, viewer, bridge
        self.recent, self._memory = recent, memory
        self.registry: Registry | None = None
        self._waiting: list[str] = []  # files named before the plugins were loaded
        bridge.opened.connect(self._opened)
        bridge.exported.connect(self._exported)

    def begin(self, paths: list[str]) -> None:
        """Open the first of these, once the plugins are there."""
        self._waiting = paths

    def set_registry(self, registry: Registry) -> None:
        """The plugins are there."""
        self.registry = registry
        if self._waiting:
            self.open(self._waiting[0])

    def open(self, path: str) -> None:
        """Open a file, once the plugins are there."""
        if self.registry is None:
            self._waiting = [path]
            return
        self._say(f"Opening {Path(path).name} …")
        self._bridge.open(path)

    def kinds(self) -> str:
        """Filter of a file dialog: all that can be read."""
        found = readable(self.registry) if self.registry else []
        return f"Images ({' '.join(f'*{s} *{s.upper()}' for s in found)});;All files (*)"

    def folder(self) -> str:
        """Where a file dialog begins."""
        recent = self.recent.paths()
        return str(on_disk(Path(recent[0])).parent) if recent else ""

    def ask(self) -> None:
        """Let the user choose a file."""
        path, _ = QFileDialog.getOpenFileName(self._window, "Open", self.folder(), self.kinds())
        if path:
            self.open(path)

    def one_image(self, path: Path) -> bool:
        """Is this a file, or a folder whose files are one image (a DICOM series)?"""
        if not path.is_dir():
            return True
        try:
            return self.registry is not None and bool(find_folder_format(self.registry, path))
        except UnreadableFile:
            return False

    def _opened(self, opened: Opened) -> None:
        """First the further images that its remembered recipe needs are opened."""
        self.remember()  # it may be the same picture once more
        show = partial(self._show, opened)
        if paths := self._memory.files(opened.image):
            self._fetch.get(paths, show, partial(show, {}))
        else:
            show({})

    def _show(self, opened: Opened, further: Mapping[str, Image]) -> None:
        assert self.registry is not None  # nothing opens before
        self.remember()
        image = opened.image
        recipe, why = self._automatic.begin(image)
        document = Document(image, recipe, look=opened.look)
        kept = self._memory.load(image, self.registry.methods, further)
        if kept is not None:
            document = replace(document, recipe=kept[0])
            if kept[1] is not None:
                document = replace(document, noise=kept[1], origin=Origin.TYPED, locked=True)
        self.coming.emit()
        size = image.height, image.width
        self._viewer.set_image(*size, image.orientation, levels(image), planes(image))
        self._session.open(document)
        self.recent.add(image.path)
        size = f"{image.width} × {image.height}"
        for axis, count in zip(image.stack, stack_sizes(image), strict=True):
            size += f", {count} slices along {axis}"
        words = [Path(image.path).name, f"{image.kind}, {size}", why]
        words += [str(w) for w in image.meta.get("warnings", ())]
        self._say("   ".join(words))
        self._viewer.setFocus()

    def close(self) -> None:
        """No image."""
        self.remember()
        self._bridge.cancel()
        self._viewer.clear()
        self._session.open(None)

    def remember(self) -> None:
        """Keep the settings of the open image for the next time, if any were changed."""
        d = self._session.document
        if d is not None and self._session.can_undo:
            self._memory.save(d.image, d.recipe, d.noise if d.locked else None)

    def export(self) -> None:
        """Ask where to, then write."""
        from gui.export import ExportDialog  # a dialog is not needed for the first paint

        d = self._session.document
        if d is None or self.registry is None:
            return
        found = writable(self.registry, d.image)
        source = Path(d.image.path)
        source, old = on_disk(source).parent / source.name, suffix_of(source)
        preferred = PREFERRED if PREFERRED in found else old.lower()
        suffix = preferred if preferred in found else (found or [".npy"])[0]
        start = source.with_name(f"{source.name.removesuffix(old)}-sordino{suffix}")
        time = self._bridge.rates.words(d.recipe, d.image.megapixels)
        plain = writable(self.registry, d.image, product_kind(d.image))
        plain = sorted({*plain, *pictures(self.registry, d.image)})
        dialog = ExportDialog(self._window, d.image, found, start, time, plain)
        if dialog.exec():
            self._bridge.export(dialog.path, dialog.output, dialog.byproduct)

    def _exported(self, done: Exported) -> None:
        self._say(f"Written: {done.path}   ({done.seconds:.1f} s)")


def readable(registry: Registry) -> list[str]:
    """Suffixes of files that can be opened."""
    return sorted({suffix for f in registry.formats for suffix in f.suffixes})


def writable(registry: Registry, image: Image | None = None, kind: str = "") -> list[str]:
    """Suffixes that can be written: of an image, or of any. RAW can be developed to a picture.

    `kind`: of what is made of the image.
    """
    kinds = None if image is None else {image.kind} | ({"display"} if image.color else set())
    kinds = {kind} if kind else kinds
    able = [f for f in registry.formats if kinds is None or kinds & set(f.takes)]
    return sorted({suffix for f in able for suffix in f.writes})
