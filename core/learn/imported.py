"""Networks of others: taken into the user's plugin folder, and what they are as methods.

An imported network is a file of weights and a card in `models`, and a plugin of one line beside,
which runs like all plugins from outside: in a child process, tiled, cancellable.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from core.files import Decoder, make_folder
from core.image import Image
from core.learn.card import Card
from core.learn.weights import digest
from core.method import Context, Method, Needs, Planes, Slider
from core.noise.correlated import like_white
from core.registry import Registry, user_folder, with_plugin

if TYPE_CHECKING:
    from core.desk import Desk

FOLDER = "models"
SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".onnx")
DOMAINS = {"white": "white Gaussian noise", "display": "pictures as a screen shows them"}
BRIGHTER = 4.0  # times as bright as it was trained for, where noise is weaker than that
PLUGIN = '''"""{title}: a network of others. To remove it, delete this file and {files}."""

from core.learn.imported import network

Network = network(__name__, __file__)
'''


@dataclass(frozen=True)
class Foreign:
    """What is known of a network of others: the card beside its weights."""

    title: str
    licence: str
    low: float  # noise that it was trained for, sigma of 255
    high: float
    domain: str  # of DOMAINS
    source: str = ""  # name and SHA-256 of the file that was imported
    source_sha256: str = ""
    file: str = ""  # beside the card
    sha256: str = ""
    architecture: str = ""
    channels: int = 1
    told: bool = False  # is it told how much noise there is?
    halo: int = 0
    align: int = 1
    edge: int = 0  # it takes pictures of this size only; 0: any
    left: float = 0.0  # by the self-test: of the noise; by how much the mean changed
    shift: float = 0.0

    @property
    def noise(self) -> str:
        """One sentence."""
        return f"Trained on {DOMAINS[self.domain]}, sigma {self.low:g} to {self.high:g} (of 255)."

    @property
    def words(self) -> str:
        """What the user is told when it was imported."""
        color = "RGB" if self.channels == 3 else "grey"
        told = "told" if self.told else "not told"
        return (
            f"{self.title} ({self.architecture}, {color}, {told} how much noise there is) is a "
            f"method now. Self-test: {100 * self.left:.1f} % of the noise left, mean moved by "
            f"{self.shift:.2%}."
        )

    def card(self, folder: Path) -> Card:
        """As the program shows the cards of all learned methods."""
        data = f"what {self.source} does not say (SHA-256 {self.source_sha256[:16]}…)."
        tried = f"In its self-test it left {100 * self.left:.1f} % of the noise"
        limits = f"Not ours and not measured by us. {tried} and moved the mean by {self.shift:.2%}."
        return Card(data, self.licence, self.noise, limits, {}, folder)


def noise_range(text: str) -> tuple[float, float]:
    """From "25" or "0-50". Raises ValueError."""
    low, _, high = text.replace("..", "-").replace("–", "-").partition("-")
    try:
        return float(low), float(high or low)
    except ValueError:
        raise ValueError(f"the noise is SIGMA or LOW-HIGH, of 255, not {text!r}") from None


def take(
    path: Path, given: Foreign, folder: Path, cancelled: Callable[[], bool] = lambda: False
) -> tuple[Path, Foreign]:
    """Import a file into the user's plugin folder; returns the plugin and the card.

    `given` has what only the user knows. Raises UnreadableFile in one sentence, ValueError for
    nonsense in `given`, Cancelled.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path.name} is none of {', '.join(SUFFIXES)}")
    if not given.licence.strip():
        raise ValueError("name the licence of the weights, or 'unknown'")
    if not 0 <= given.low <= given.high <= 255 or not given.high:
        raise ValueError("the range of the noise lies between 0 and 255, the lower end first")
    known = digest(path)
    name = _free("net_" + re.sub(r"[^a-z0-9]+", "_", path.stem.lower()).strip("_"), known, folder)
    apart = make_folder()
    try:
        with Decoder() as decoder:
            request = {"what": "weights", "path": str(path), "folder": str(apart),
                       "low": given.low, "high": given.high}  # fmt: skip
            reply = decoder.decode(request, apart, cancelled)
        made = apart / reply["file"]
        found = replace(
            given, title=given.title or path.stem, source=path.name, source_sha256=known,
            file=name + made.suffix, sha256=reply["sha256"], **reply["about"], **reply["tried"],
        )  # fmt: skip
        models = folder / FOLDER
        models.mkdir(parents=True, exist_ok=True)
        shutil.move(made, models / found.file)
    finally:
        shutil.rmtree(apart, ignore_errors=True)
    (models / f"{name}.json").write_text(json.dumps(asdict(found), indent=2), encoding="utf-8")
    plugin, files = folder / f"{name}.py", f"{FOLDER}/{name}.*"
    plugin.write_text(PLUGIN.format(title=json.dumps(found.title)[1:-1], files=files), "utf-8")
    return plugin, found


@dataclass(frozen=True)
class Import:
    """Make a file a method of the running program; yields what it is, and all plugins."""

    path: Path
    given: Foreign
    worker: ClassVar[str] = "spare"

    def __call__(
        self, desk: Desk, cancelled: Callable[[], bool]
    ) -> Iterator[tuple[Foreign, Registry]]:
        plugin, found = take(self.path, self.given, user_folder(), cancelled)
        desk.registry = with_plugin(desk.registry, plugin)
        yield found, desk.registry


def network(module: str, file: str) -> type[Method]:
    """The method that a plugin of take() offers. Raises OSError, ValueError: it is left out."""
    name, models = Path(file).stem, Path(file).parent / FOLDER
    about = Foreign(**json.loads((models / f"{name}.json").read_text(encoding="utf-8")))
    base = Told if about.told else Blind
    known: dict[str, Any] = {
        "__module__": module, "__qualname__": "Network", "title": about.title, "about": about,
        "file": models / about.file, "card": about.card(models),
        "__doc__": f"A network of others ({about.architecture}), imported from {about.source}.",
        "assumption": about.noise, "paper": "", "__annotations__": {},
        "domain": "white" if about.domain == "white" else "signal",
    }  # fmt: skip
    made: type[Method] = type("Network", (base,), known)  # pyright: ignore[reportAssignmentType]
    return made


def _free(name: str, source: str, folder: Path) -> str:
    """A name that no other file's network has, nor any other plugin."""
    for number in range(1, 1000):
        found = name if number == 1 else f"{name}_{number}"
        card = folder / FOLDER / f"{found}.json"
        if card.exists():
            if json.loads(card.read_text(encoding="utf-8")).get("source_sha256") == source:
                return found
        elif not (folder / f"{found}.py").exists():
            return found
    raise ValueError(f"there are too many networks called {name}")


class Blind(Method):
    """Base of networks that are not told how much noise there is."""

    family = "learned"
    isolated = True
    ranged = True
    cpu_seconds = 20.0
    about: ClassVar[Foreign]
    file: ClassVar[Path]

    def needs(self, image: Image) -> Needs:
        """As far as it was seen to look, in steps that it can do."""
        a = self.about
        align = a.align if a.align <= 64 else 1
        tile = max(a.edge - 2 * a.halo, 16) if a.edge else 256
        return Needs(halo=a.halo, align=align, tile=tile, cost=300.0)

    def prepare(self, image: Image, ctx: Context) -> Generator[float, None, Any]:
        """Load it, checked by its hash."""
        from core.learn.convert import load

        yield 0.0
        known = load(self.file, self.about.sha256)
        yield 1.0
        return known.call, float(image.levels.white or 0.0)

    def run(self, tile: Planes, state: Any, ctx: Context) -> Planes:
        """See Method.run."""
        import torch

        from core.ops.color import mix, unmix

        call, white = state
        with torch.inference_mode():
            if self.about.channels == 3 and ctx.planes == (0, 1, 2):
                return self._clean(tile, call, white, ctx)
            planes = mix(tile, ctx.planes).flatten(0, 1)[:, None]
            found = [self._clean(plane[None], call, white, ctx) for plane in planes]
            return unmix(torch.cat(found).view_as(tile), ctx.planes)

    def _clean(self, tile: Any, call: Any, white: float, ctx: Context) -> Any:
        """Into the range it knows, through it, and back: (N, 1 or 3, H, W)."""
        low, high = ctx.span
        if self.about.domain == "white":
            middle, scale = (low + high) / 2, self._scale(high - low)
            noise = scale * like_white(ctx.noise)
        else:
            middle, scale = 0.5 * (white or high), 1 / (white or high or 1.0)
            sigma = ctx.noise.sigma(tile.mean().cpu().numpy(), 0) if ctx.noise else 0.0
            noise = scale * float(sigma)
        wide = tile.shape[1] == self.about.channels
        given = (tile - middle) * scale + 0.5
        given = given if wide else given.expand(-1, self.about.channels, -1, -1)
        ctx.check()
        found = (_fitted(given, call, self._strength * noise, self.about) - 0.5) / scale + middle
        return found if wide else found.mean(1, keepdim=True)

    def _scale(self, span: float) -> float:
        """What noise of 1 becomes: the picture fills 0..1, if its noise is in the range then."""
        fills = 1 / max(span, 1e-6)
        within = min(max(fills, self.about.low / 255), self.about.high / 255)
        return min(within, BRIGHTER * fills)

    @property
    def _strength(self) -> float:
        return 1.0


class Told(Blind):
    """Base of networks that are told how much noise there is."""

    strength: Annotated[
        float, Slider(0.0, 3.0, "×", "Noise to remove, as a multiple of the noise model's.")
    ] = 1.0

    def run(self, tile: Planes, state: Any, ctx: Context) -> Planes:
        """See Method.run."""
        return super().run(tile, state, ctx) if self.strength else tile

    @property
    def _strength(self) -> float:
        return self.strength


def _fitted(given: Any, call: Any, sigma: float, about: Foreign) -> Any:
    """A picture of any size, made as large as the network wants by repeating its rim."""
    from torch.nn.functional import pad

    height, width = given.shape[-2:]
    sizes = [about.edge or -(-size // about.align) * about.align for size in (height, width)]
    wide = pad(given, (0, sizes[1] - width, 0, sizes[0] - height), "replicate")
    return call(wide.contiguous(), sigma)[..., :height, :width]
