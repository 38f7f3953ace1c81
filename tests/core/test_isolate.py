"""Methods in a child process: what they break must stay there. Nothing here measures time.

One file, though a long one: every test needs the hostile plugin and the fixtures below.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import children as children_module
from core import isolate, spawn
from core.image import Cfa, Image, Levels
from core.isolate import Children, Isolated, MethodCrashed, apart
from core.method import Cancelled, Context
from core.noise.model import PoissonGaussian
from core.registry import Registry, import_plugin, load

PATIENCE = 120.0  # seconds until a test that hangs fails; nothing waits that long otherwise
REPO = Path(__file__).resolve().parents[2]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs signals")

ACT = """
import ctypes, os, signal, sys, threading, time
from typing import Annotated, Any, ClassVar, Literal
import numpy as np
from core.method import Choice, Context, Method, Slider

WORDS = Literal[%s]

class Odd(Exception):
    pass

class Act(Method):
    title = "Act"
    tensors = False
    act: Annotated[WORDS, Choice("what")] = "double"
    gain: Annotated[float, Slider(0, 9, "", "how much")] = 2.0

    def run(self, tile, state, ctx):
        return globals()[self.act](tile, ctx, self)

def double(tile, ctx, method): return tile * method.gain
def same(tile, ctx, method): return tile
def spoil(tile, ctx, method):
    tile += 1
    return tile * 2
def sigma(tile, ctx, method): return np.full_like(tile, ctx.noise.sigma(tile, 0))
def planes(tile, ctx, method): return np.full_like(tile, sum(ctx.planes) + 100 * ctx.threads)
def pid(tile, ctx, method): return np.full_like(tile, os.getpid())
def layers(tile, ctx, method): return {"image": tile, "sigma": tile[:, :1] * 3}
def inputs(tile, ctx, method): return tile - ctx.inputs["dark"]
def zero(tile, ctx, method): return 1 // 0
def odd(tile, ctx, method): raise Odd("not today")
def key(tile, ctx, method): return {}["missing"]
def memory(tile, ctx, method): raise MemoryError("too large")
def leave(tile, ctx, method): sys.exit(3)
def kill(tile, ctx, method): os.kill(os.getpid(), signal.SIGKILL)
def segfault(tile, ctx, method): ctypes.string_at(0)
def quit(tile, ctx, method): os._exit(5)
def nan(tile, ctx, method): return tile * np.nan
def shape(tile, ctx, method): return tile[..., 1:]
def phase(tile, ctx, method): return tile * 1j
def words(tile, ctx, method): return "a tile"
def nothing(tile, ctx, method): return None
def wide(tile, ctx, method): return tile.astype(np.float64)
def whole(tile, ctx, method): return tile.astype(np.int16)
def eat(tile, ctx, method): return np.ones(1 << 30)
def chat(tile, ctx, method):
    for _ in range(64):
        os.write(1, b"x" * 65536)
        print("y" * 65536, file=sys.stderr)
    return tile
def ask(tile, ctx, method):
    assert sys.stdin.read() == ""
    return tile
def note():
    open(os.environ["ACT_NOTE"], "a").close()
def spin(tile, ctx, method):
    note()
    while True: pass
def polite(tile, ctx, method):
    note()
    while True:
        ctx.check()
        time.sleep(0.001)
def grip(tile, ctx, method):
    note()
    ctypes.PyDLL(None).pause()
def orphan(tile, ctx, method):
    if os.fork() == 0:
        open(os.environ["ACT_NOTE"], "w").write(str(os.getpid()))
        time.sleep(600)
    while not os.path.getsize(os.environ["ACT_NOTE"]): time.sleep(0.01)
    os._exit(1)
"""
NAMES = [line[4:].partition("(")[0] for line in ACT.splitlines() if line.startswith("def ")]

LEARN = """
import os, time
import numpy as np
from core.method import Method, Slider
from typing import Annotated

class Learn(Method):
    title = "Learn"
    tensors = False
    fall: Annotated[int, Slider(0, 1, "", "once")] = 0

    def prepare(self, image, ctx):
        with open(os.environ["ACT_NOTE"], "a") as file:
            file.write("p")
        if self.fall:
            os._exit(1)
        for step in range(3):
            yield step / 3
        return lambda: float(np.mean(image.pixels[...])), os.getpid()

    def run(self, tile, state, ctx):
        if tile[0, 0, 0, 0] < 0:
            os._exit(1)
        return np.full_like(tile, state[0]())
"""

TENSOR = """
from core.method import Method

class Tensor(Method):
    title = "Tensor"

    def run(self, tile, state, ctx):
        import torch
        assert isinstance(tile, torch.Tensor) and str(tile.device) == ctx.device
        assert torch.get_num_threads() == ctx.threads
        return (tile * 3).to(torch.bfloat16)
"""


@pytest.fixture
def note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file through which a method tells that it has begun."""
    monkeypatch.setenv("ACT_NOTE", str(tmp_path / "note"))
    return tmp_path / "note"


@pytest.fixture
def make(tmp_path: Path, note: Path) -> Iterator[Callable[..., Any]]:
    """Instances of the methods above."""
    made = {}

    def method(name: str, text: str, **settings: Any) -> Any:
        if name not in made:
            file = tmp_path / f"{name.lower()}.py"
            file.write_text(text)
            made[name] = import_plugin(f"sordino_user.{name.lower()}", str(file))
        return getattr(made[name], name).make(settings)

    yield method
    for module in made.values():
        del sys.modules[module.__name__]


@pytest.fixture
def act(make: Callable[..., Any]) -> Callable[..., Any]:
    text = ACT % ", ".join(f'"{name}"' for name in NAMES)
    return lambda what, **settings: make("Act", text, act=what, **settings)


@pytest.fixture
def children(private: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Children]:
    """Shared children; afterwards no process and no folder of theirs may be left."""
    processes: list[subprocess.Popen[bytes]] = []
    start = children_module.start_child

    def watched(*args: Any) -> subprocess.Popen[bytes]:
        processes.append(start(*args))
        return processes[-1]

    monkeypatch.setattr(children_module, "start_child", watched)
    with Children(2) as made:
        yield made
    assert [process.poll() is None for process in processes] == [False] * len(processes)
    assert not list(private.iterdir())
    gc.collect()
    wait(lambda: not [each for each in threading.enumerate() if each.name == "child"])


def wait(done: Callable[[], Any]) -> None:
    until = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < until
        time.sleep(0.01)


def exists(pid: int) -> bool:
    """Does a process run (a dead one that nobody waited for does not)?"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def tile(value: float = 2.0, *shape: int) -> np.ndarray:
    return np.full(shape or (1, 3, 8, 9), value, np.float32)


def pid(children: Children) -> int:
    return next(iter(children)).process.pid


CTX = Context(PoissonGaussian((0.0,), (0.5,)), (0, 1, 2))


# --- pixels and settings -----------------------------------------------------------------------


def test_tiles_go_there_and_back(act: Any, children: Children) -> None:
    method = Isolated(act("double", gain=3.0), children)
    rng = np.random.default_rng(0)
    for shape in ((1, 3, 8, 9), (1, 1, 1, 1), (2, 4, 64, 65), (1, 3, 8, 9)):
        given = rng.normal(0, 2, shape).astype(np.float32)
        found = method.run(given, CTX)
        np.testing.assert_array_equal(found, given * 3)
    assert len(list(children)) == 1


def test_results_do_not_change_with_the_next_tile(act: Any, children: Children) -> None:
    method = Isolated(act("double"), children)
    first = method.run(tile(1), CTX)
    method.run(tile(5), CTX)
    np.testing.assert_array_equal(first, tile(2))


def test_the_bundle_hosts_methods_too(
    act: Any, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-P", "-m", "gui", "--child"]  # as `sordino --child`
    monkeypatch.setattr(spawn, "command", lambda: command)
    np.testing.assert_array_equal(Isolated(act("double"), children).run(tile(), CTX), tile(4))


def test_files_are_reused(act: Any, children: Children, private: Path) -> None:
    method = Isolated(act("double"), children)
    method.run(tile(), CTX)
    before = {path: path.stat().st_ino for path in private.glob("*/*")}
    method.run(tile(3), CTX)
    assert {path: path.stat().st_ino for path in private.glob("*/*")} == before
    method.run(tile(3, 4, 3, 99, 99), CTX)
    assert len(list(private.glob("*/*"))) == len(before)


def test_one_child_serves_all_settings(act: Any, children: Children) -> None:
    for gain in (1.0, 2.5):
        found = Isolated(act("double", gain=gain), children).run(tile(), CTX)
        np.testing.assert_array_equal(found, tile(2 * gain))
    assert len(list(children)) == 1


def test_the_same_tile_is_the_same_object(act: Any, children: Children) -> None:
    given = tile()
    assert Isolated(act("same"), children).run(given, CTX) is given


def test_the_input_stays_as_it_is(act: Any, children: Children) -> None:
    given = tile()
    np.testing.assert_array_equal(Isolated(act("spoil"), children).run(given, CTX), tile(6))
    np.testing.assert_array_equal(given, tile())


def test_the_context_travels(act: Any, children: Children) -> None:
    found = Isolated(act("sigma"), children).run(tile(), CTX)
    np.testing.assert_array_equal(found, tile(0.5))
    found = Isolated(act("planes"), children).run(tile(), replace(CTX, threads=2))
    np.testing.assert_array_equal(found, tile(203))


def test_a_context_comes_back_equal() -> None:
    from core.guest import context_from_json, context_to_json
    from core.tiles import Region

    ctx = replace(CTX, region=Region(1, 2, 3, 4, ((0, 1),)))
    assert replace(context_from_json(context_to_json(ctx)), cancelled=ctx.cancelled) == ctx


def test_a_noise_model_that_cannot_travel_is_refused(act: Any, children: Children) -> None:
    class Strange:
        kind = "strange"

    with pytest.raises(ValueError, match="no strange noise model"):
        Isolated(act("double"), children).run(tile(), Context(Strange()))  # type: ignore[arg-type]


def test_layers_and_inputs(act: Any, children: Children) -> None:
    given = tile()
    found = Isolated(act("layers"), children).run(given, CTX)
    assert isinstance(found, dict)
    assert found["image"] is given
    np.testing.assert_array_equal(found["sigma"], tile(6)[:, :1])
    ctx = replace(CTX, inputs={"dark": tile(0.5)})
    np.testing.assert_array_equal(Isolated(act("inputs"), children).run(given, ctx), tile(1.5))


def test_tensors_are_the_default(make: Any, children: Children) -> None:
    found = Isolated(make("Tensor", TENSOR), children).run(tile(), CTX)
    np.testing.assert_array_equal(found, tile(6))


@pytest.mark.parametrize("what", ["wide", "whole"])
def test_other_real_numbers_become_float32(act: Any, children: Children, what: str) -> None:
    found = Isolated(act(what), children).run(tile(), CTX)
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, tile())


# --- what goes wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "kind", "words"),
    [
        ("zero", "ZeroDivisionError", "integer division or modulo by zero"),
        ("odd", "Odd", "not today"),
        ("key", "KeyError", "'missing'"),
        ("memory", "MemoryError", "too large"),
        ("leave", "SystemExit", "3"),
    ],
)
def test_errors_are_those_of_the_method(
    act: Any, children: Children, what: str, kind: str, words: str
) -> None:
    method = Isolated(act(what), children)
    with pytest.raises(Exception) as caught:
        method.run(tile(), CTX)
    assert (type(caught.value).__name__, str(caught.value)) == (kind, words)
    before = pid(children)
    np.testing.assert_array_equal(Isolated(act("double"), children).run(tile(), CTX), tile(4))
    assert pid(children) == before  # it lives on


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("nan", "no numbers"),
        ("shape", r"shape \(1, 3, 8, 8\) instead of \(1, 3, 8, 9\)"),
        ("phase", "complex64 instead"),
        ("words", "a str instead"),
        ("nothing", "a NoneType instead"),
    ],
)
def test_what_is_no_tile_is_refused(act: Any, children: Children, what: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"^Act gave .*{words}"):
        Isolated(act(what), children).run(tile(), CTX)


@POSIX
@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("kill", "most likely because memory ran out"),
        ("segfault", "crashed .Segmentation fault"),
        ("quit", "status 5"),
    ],
)
def test_a_crash_is_one_sentence_and_the_next_run_works(
    act: Any, children: Children, what: str, words: str
) -> None:
    method = Isolated(act(what), children)
    for _ in range(2):
        with pytest.raises(MethodCrashed, match=f"^Act .*{words}.*\\.$"):
            method.run(tile(), CTX)
        assert not list(children)
    np.testing.assert_array_equal(Isolated(act("double"), children).run(tile(), CTX), tile(4))


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded on Linux only")
def test_memory_is_bounded(act: Any, private: Path) -> None:
    with Children(memory=1 << 30) as children:
        with pytest.raises(MemoryError):
            Isolated(act("eat"), children).run(tile(), CTX)
        np.testing.assert_array_equal(Isolated(act("double"), children).run(tile(), CTX), tile(4))
    assert not list(private.iterdir())


@pytest.mark.parametrize("what", ["chat", "ask"])
def test_standard_streams_block_nobody(
    act: Any, children: Children, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(children_module, "LOG", 1 << 20)
    given = tile()
    assert Isolated(act(what), children).run(given, CTX) is given


def test_a_broken_plugin_is_one_error(tmp_path: Path, make: Any, children: Children) -> None:
    method = make("Tensor", TENSOR)
    (tmp_path / "tensor.py").write_text("import not_there")
    with pytest.raises(ModuleNotFoundError, match="No module named 'not_there'"):
        Isolated(method, children).run(tile(), CTX)
    assert not list(children)


def test_an_endless_run_is_ended(
    act: Any, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = Isolated(act("spin"), children)
    Isolated(act("double"), children).run(tile(), CTX)
    monkeypatch.setattr(isolate, "RUN", 0.2)
    with pytest.raises(MethodCrashed, match="did not answer"):
        method.run(tile(), CTX)


def test_a_full_disk_is_one_sentence(
    act: Any, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core import sheet

    def full(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    method = Isolated(act("double"), children)
    method.run(tile(), CTX)
    with monkeypatch.context() as patch:
        patch.setattr(sheet, "make_map", full)
        with pytest.raises(OSError, match="free some disk space"):
            method.run(tile(1, 9, 3, 99, 99), CTX)
    np.testing.assert_array_equal(method.run(tile(), CTX), tile(4))


# --- cancel ------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["polite", "spin", "grip"])
def test_cancel_reaches_a_run(act: Any, children: Children, note: Path, what: str) -> None:
    if what == "grip" and sys.platform == "win32":
        pytest.skip("no pause() here")
    method = Isolated(act(what), children)
    with pytest.raises(Cancelled):
        method.run(tile(), replace(CTX, cancelled=note.exists))
    if what != "polite":
        assert not list(children)  # it would not stop
    np.testing.assert_array_equal(Isolated(act("double"), children).run(tile(), CTX), tile(4))


def test_a_wish_of_the_past_cancels_nothing(act: Any, children: Children, note: Path) -> None:
    for _ in range(3):
        with pytest.raises(Cancelled):
            Isolated(act("polite"), children).run(tile(), replace(CTX, cancelled=note.exists))
        np.testing.assert_array_equal(Isolated(act("double"), children).run(tile(), CTX), tile(4))
        note.unlink()


@pytest.mark.parametrize("looks", range(8))
def test_cancel_at_every_look(act: Any, children: Children, looks: int) -> None:
    left = iter(range(looks))
    ctx = replace(CTX, cancelled=lambda: next(left, None) is None)
    with pytest.raises(Cancelled):
        Isolated(act("polite"), children).run(tile(), ctx)
    np.testing.assert_array_equal(Isolated(act("double"), children).run(tile(), CTX), tile(4))


def test_cancelled_while_it_loads_a_child_goes_on_loading(act: Any, children: Children) -> None:
    method = Isolated(act("double"), children)
    with pytest.raises(Cancelled):
        method.run(tile(), replace(CTX, cancelled=lambda: True))
    before = pid(children)
    np.testing.assert_array_equal(method.run(tile(), CTX), tile(4))
    assert pid(children) == before


# --- processes ---------------------------------------------------------------------------------


def test_threads_have_a_child_each(act: Any, children: Children) -> None:
    together, found = threading.Barrier(2), set[float]()

    def run() -> None:
        together.wait(PATIENCE)
        for _ in range(20):
            found.add(float(Isolated(act("pid"), children).run(tile(), CTX)[0, 0, 0, 0]))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= len(found) <= 2
    assert {float(child.process.pid) for child in children} >= found


def test_few_children_wait(act: Any, make: Any, private: Path) -> None:
    with Children(1) as children:
        Isolated(act("double"), children).run(tile(), CTX)
        first = pid(children)
        Isolated(make("Tensor", TENSOR), children).run(tile(), CTX)
        assert len(list(children)) == 1
        assert pid(children) != first
    assert not list(private.iterdir())


@POSIX
def test_a_child_killed_while_idle_is_replaced(act: Any, children: Children) -> None:
    method = Isolated(act("double"), children)
    method.run(tile(), CTX)
    child = next(iter(children))
    os.kill(child.process.pid, signal.SIGKILL)
    child.process.wait(PATIENCE)
    np.testing.assert_array_equal(method.run(tile(), CTX), tile(4))


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_what_the_plugin_started_ends_with_it(act: Any, children: Children, note: Path) -> None:
    note.touch()
    with pytest.raises(MethodCrashed):
        Isolated(act("orphan"), children).run(tile(), CTX)
    wait(lambda: not exists(int(note.read_text())))


def test_closing_ends_all_and_no_more_start(act: Any, private: Path) -> None:
    method = Isolated(act("double"))
    method.run(tile(), CTX)
    method.close()
    method.close()
    assert not list(private.iterdir())
    with pytest.raises(RuntimeError, match="closed"):
        method.run(tile(), CTX)


def test_closing_while_a_method_runs(act: Any, children: Children, note: Path) -> None:
    stop, errors = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            Isolated(act("polite"), children).run(tile(), replace(CTX, cancelled=stop.is_set))
        except Cancelled as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    wait(note.exists)
    children.close()
    stop.set()
    thread.join()
    assert len(errors) == 1


def test_forgotten_children_are_ended(act: Any, private: Path) -> None:
    method = Isolated(act("double"))
    method.run(tile(), CTX)
    del method
    gc.collect()
    assert not list(private.iterdir())


PARENT = """
import sys
from core.isolate import Isolated, Children
from core.method import Context
from core.registry import import_plugin
import numpy as np
cls = import_plugin("sordino_user.act", sys.argv[1]).Act
children = Children()
one = np.ones((1, 1, 4, 4), np.float32)
Isolated(cls(), children).run(one, Context())
print(next(iter(children)).process.pid, flush=True)
if sys.argv[2] != "end":
    Isolated(cls(act=sys.argv[2]), children).run(one, Context())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize("what", ["end", "spin", "grip"])
def test_a_child_dies_with_its_parent(
    act: Any, private: Path, note: Path, tmp_path: Path, what: str
) -> None:
    act("double")  # writes the file
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "act.py"), what],
        cwd=REPO,
        env={**os.environ, "TMPDIR": str(private)},
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        if what != "end":
            wait(note.exists)
            parent.kill()
        parent.wait(PATIENCE)
    wait(lambda: not exists(child))
    if what == "end":  # a child that dies at work cannot tidy: a later run sweeps its folder
        wait(lambda: not list(private.iterdir()))


# --- prepare -----------------------------------------------------------------------------------


@pytest.fixture
def image() -> Image:
    pixels = np.arange(24, dtype=np.uint16).reshape(4, 6)
    return Image(pixels, "yx", "mosaic", Levels(((1.0,),), 99.0), Cfa(((0, 1), (1, 2))))


def test_methods_without_prepare_need_no_child(act: Any, children: Children, image: Image) -> None:
    assert list(Isolated(act("double"), children).prepare(image, CTX)) == [1.0]
    assert not list(children)


def test_a_state_stays_in_the_child(
    make: Any, children: Children, image: Image, note: Path
) -> None:
    method = Isolated(make("Learn", LEARN), children)
    told = list(method.prepare(image, CTX))
    assert told[0] == 0.0
    assert told == sorted(told)
    for _ in range(2):
        np.testing.assert_array_equal(method.run(tile(), CTX), tile(11.5))
    other = Isolated(make("Learn", LEARN), children)
    list(other.prepare(replace(image, pixels=image.pixels[...] + 1), CTX))
    np.testing.assert_array_equal(other.run(tile(), CTX), tile(12.5))
    np.testing.assert_array_equal(method.run(tile(), CTX), tile(11.5))
    assert note.read_text() == "pp"
    assert len(list(children)) == 1


def test_states_are_bounded_and_made_again(
    make: Any, children: Children, image: Image, note: Path
) -> None:
    methods = [Isolated(make("Learn", LEARN), children) for _ in range(3)]
    for method in methods:
        list(method.prepare(image, CTX))
    np.testing.assert_array_equal(methods[0].run(tile(), CTX), tile(11.5))
    assert note.read_text() == "pppp"


def test_after_a_crash_the_state_is_made_again(
    make: Any, children: Children, image: Image, note: Path
) -> None:
    method = Isolated(make("Learn", LEARN), children)
    list(method.prepare(image, CTX))
    with pytest.raises(MethodCrashed):
        method.run(tile(-1), CTX)
    np.testing.assert_array_equal(method.run(tile(), CTX), tile(11.5))
    assert note.read_text() == "pp"


def test_a_crash_in_prepare_is_one_error(make: Any, children: Children, image: Image) -> None:
    method = Isolated(make("Learn", LEARN, fall=1), children)
    with pytest.raises(MethodCrashed, match="status 1"):
        list(method.prepare(image, CTX))
    assert not list(children)


def test_closing_prepare_stops_it(make: Any, children: Children, image: Image) -> None:
    work = Isolated(make("Learn", LEARN), children).prepare(image, CTX)
    assert next(work) == 0.0
    work.close()
    method = Isolated(make("Learn", LEARN), children)
    list(method.prepare(image, CTX))
    np.testing.assert_array_equal(method.run(tile(), CTX), tile(11.5))


# --- who is isolated ---------------------------------------------------------------------------


def test_plugins_from_outside_run_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any
) -> None:
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "tensor.py").write_text(TENSOR)
    monkeypatch.setenv("SORDINO_PLUGINS", str(folder))
    registry = load()
    assert registry.outside == {"tensor"}
    assert apart(registry.methods["tensor"](), registry)
    own = next(iter(registry.methods.keys() - registry.outside))
    assert not apart(registry.methods[own](), registry)
    wishes = make(
        "Asks",
        TENSOR.replace("class Tensor", "class Asks").replace('title = "Tensor"', "isolated = True"),
    )
    assert apart(wishes, Registry({}, (), {}))
