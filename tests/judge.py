"""A small process of its own that opens files: it tells the CPU time and memory of decoders.

The memory of a child is only known as the maximum over all children so far, and what the caller
itself holds when it starts one counts, too: hence not in the process of the tests.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


class Judge:
    """Opens files within the limits: 10 s of CPU and 1 GiB over all processes."""

    def __init__(self) -> None:
        run = [sys.executable, "-m", "tests.judge"]
        pipe = subprocess.PIPE
        self._child = subprocess.Popen(run, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)

    def __call__(self, path: Path, folder: Path) -> str:
        """The sentence about a file, or "" when it could be read. `folder`: where temporary files
        go, of which nothing may be left."""
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.write(json.dumps([str(path), str(folder)]) + "\n")
        self._child.stdin.flush()
        told: dict[str, Any] = json.loads(self._child.stdout.readline())
        assert not told["wrong"]
        sentence: str = told["sentence"]
        if sentence:
            assert sentence.endswith(".")
            assert "\n" not in sentence
            assert path.name in sentence
        assert told["cpu"] < 10
        assert told["peak"] < 1 << 30
        assert not list(folder.glob("sordino*"))
        return sentence

    def close(self) -> None:
        """End the process."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        self._child.wait()


def _serve() -> None:
    import resource

    from core.files import open_image
    from core.format import UnreadableFile
    from core.registry import load

    registry, unit = load(), 1 if sys.platform == "darwin" else 1024
    for line in sys.stdin:
        path, tempfile.tempdir = json.loads(line)
        before, sentence, wrong = resource.getrusage(resource.RUSAGE_CHILDREN), "", ""
        try:
            image = open_image(registry, Path(path))
            wrong = "no pixels" if min(image.pixels.shape) == 0 else ""
            image.pixels[..., -1, -1]
            del image
        except UnreadableFile as error:
            sentence = str(error)
        except Exception as error:
            wrong = repr(error)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        told = {"sentence": sentence, "wrong": wrong, "cpu": cpu, "peak": after.ru_maxrss * unit}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    _serve()
