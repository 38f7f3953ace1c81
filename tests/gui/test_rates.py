"""What is known of this machine's speed, and how it is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QWidget

from core.image import Image
from core.job import Progress
from core.noise.model import PoissonGaussian
from core.recipe import Recipe, Step
from core.registry import load
from core.tiles import Region
from gui.export import ExportDialog
from gui.plan import stages
from gui.rates import Rates, duration
from gui.session import Document, View
from gui.status import Status
from gui.wishes import Wish


@pytest.fixture
def settings(tmp_path):
    return QSettings(str(tmp_path / "s.ini"), QSettings.Format.IniFormat)


def recipe(*names):
    return Recipe(tuple(Step(load().methods[name]()) for name in names))


def test_rates_outlive_the_session(settings):
    rates = Rates(settings)
    assert rates.seconds(recipe("dct"), 10) is None and rates.words(recipe("dct"), 10) == ""
    rates.learn(recipe("dct"), 0.5)
    rates.learn(recipe("dct", "fast"), 0.25, "cuda:0")
    settings.sync()
    later = Rates(QSettings(settings.fileName(), QSettings.Format.IniFormat))
    assert later.seconds(recipe("dct"), 10) == 20
    assert later.words(recipe("dct"), 20) == "about 40 s on CPU"
    assert later.words(recipe("dct", "fast"), 20) == "about 80 s on CUDA:0"
    assert later.seconds(recipe("fast"), 10) is None


def test_a_file_takes_longer_than_its_denoising(settings):
    rates = Rates(settings)
    rates.learn(recipe("dct"), 1.0)
    assert rates.file(recipe("dct"), 10) == 10
    rates.learn_file(recipe("dct"), 10, 15)
    assert rates.file(recipe("dct"), 20) == 30
    assert rates.file(recipe("fast"), 20) is None


def test_a_proxy_says_how_fast_it_is_at_least(settings):
    rates = Rates(settings)
    rates.learn(recipe("dct"), 1.0)
    rates.learn(recipe("dct"), 0.5, partly=True)
    assert rates.seconds(recipe("dct"), 10) == 10
    rates.learn(recipe("dct"), 2.0, partly=True)
    assert rates.seconds(recipe("dct"), 10) == 5


def test_plan_shows_real_pixels_at_full_size_whatever_they_cost(settings):
    """A first tile that compiled its kernels made a machine seem too slow for anything."""
    image = Image(np.zeros((3000, 4000), np.uint16))
    d = Document(image, recipe("dct"), PoissonGaussian((1.0,), (1.0,)))
    region = Region(0, 0, 1000, 1600)

    def plan(level, held=False):
        found = stages(
            d, [Wish(region, level)], (1, 2, 4), lambda *_: 1000.0, 0, View(held=held), False
        )
        return [(work.level, work.coarse) for work in found]

    assert plan(1) == [(2, True), (1, False)]
    assert plan(2) == [(2, True)]  # zoomed out a coarse one has to do
    assert plan(1, held=True) == [(2, True)]
    for names in (("mosaic",), ("mosaic", "fast")):  # of its colours there is no proxy
        d = replace(d, recipe=recipe(*names))
        assert plan(1) == [(1, False)]
        assert plan(2) == [(2, False)]


@pytest.mark.parametrize("nonsense", ["", "x cpu", "nan cpu", "-1 cpu", "0 cpu"])
def test_nonsense_in_the_settings_is_not_known(settings, nonsense):
    settings.setValue("seconds per megapixel/dct", nonsense)
    assert Rates(settings).seconds(recipe("dct"), 1) is None


def test_an_empty_recipe_costs_nothing(settings):
    rates = Rates(settings)
    rates.learn(Recipe(), 5.0)
    assert rates.seconds(Recipe(), 10) == 0 and rates.words(Recipe(), 10) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.01, "0.1 s"), (0.44, "0.4 s"), (12.4, "12 s"), (99.6, "2 min"), (3599, "1 h"),
     (4800, "1 h 20 min")],
)  # fmt: skip
def test_durations_are_as_exact_as_a_guess(seconds, words):
    assert duration(seconds) == words


def test_the_export_dialog_says_how_long(qtbot):
    parent = QWidget()
    qtbot.addWidget(parent)
    image = Image(np.zeros((1000, 2000), np.uint16))
    start = Path("photo-sordino.dng")
    dialog = ExportDialog(parent, image, [".dng"], start, "about 40 s on CPU")
    assert "about 40 s on CPU" in dialog.hint.text()
    assert "about" not in ExportDialog(parent, image, [".dng"], start).hint.text()


def test_the_export_dialog_exchanges_double_suffixes(qtbot):
    parent = QWidget()
    qtbot.addWidget(parent)
    image = Image(np.zeros((4, 20, 20), np.uint16), "zyx", "scan")
    kinds = [".dcm", ".nii", ".nii.gz"]
    dialog = ExportDialog(parent, image, kinds, Path("head-sordino.nii.gz"))
    assert (dialog.kind.currentText(), dialog.path) == (".nii.gz", "head-sordino.nii.gz")
    for kind in (".nii", ".dcm", ".nii.gz"):
        dialog.kind.setCurrentText(kind)
        assert dialog.path == f"head-sordino{kind}"


def test_the_export_dialog_offers_what_was_removed(qtbot):
    parent = QWidget()
    qtbot.addWidget(parent)
    image = Image(np.zeros((20, 20), np.uint16), "yx", "mosaic")
    start = Path("photo-sordino.dng")
    dialog = ExportDialog(parent, image, [".dng", ".tif"], start, plain=[".npy", ".tif"])
    assert dialog.byproduct is None
    dialog.what.setCurrentIndex(1)
    assert (dialog.byproduct, dialog.path) == ("residual", "photo-removed.tif")
    dialog.kind.setCurrentText(".npy")
    dialog.what.setCurrentIndex(2)
    assert (dialog.byproduct, dialog.path) == ("noise", "photo-noise.npy")
    dialog.what.setCurrentIndex(0)
    assert (dialog.byproduct, dialog.path) == (None, "photo-sordino.tif")


def test_the_export_dialog_warns_of_burnt_names(qtbot):
    parent = QWidget()
    qtbot.addWidget(parent)
    said = {"burnt_in": "Names may be burnt in.", "dicom": {}}
    for meta, shown in (({}, False), (said, True)):
        image = Image(np.zeros((20, 20), np.uint8), "yx", "clip", meta=meta)
        dialog = ExportDialog(parent, image, [".dcm"], Path("clip.dcm"))
        assert dialog.burnt.isVisibleTo(dialog) == shown
        assert "names" in dialog.strip.text()


def test_the_status_line_says_how_long_before_anything_is_done(qtbot):
    status = Status(lambda: None)
    qtbot.addWidget(status)
    status.expect(80.0, "whole image about 2 min")
    status.show_progress(Progress(0.0, None, "prepare"), "view")
    assert "80 s left" in status._rate.text() or "79 s left" in status._rate.text()
    assert status._cost.text() == "whole image about 2 min"
