#!/usr/bin/env python3
"""Sordino's own Python environment: made once in .venv, found ready ever after.

Plain Python and nothing but the standard library, because it runs before anything is installed.
`run` and `test` beside this file use it; alone (`packaging/environment.py [dev]`) it only sets up.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NoReturn

REPO = Path(__file__).resolve().parent.parent
VENV = REPO / ".venv"
WINDOWS = os.name == "nt"
LINUX = sys.platform.startswith("linux")
PYTHON = VENV / ("Scripts/python.exe" if WINDOWS else "bin/python")
CONSTRAINTS = REPO / "packaging" / "constraints.txt"
LOG = VENV / "setup.log"
STATE = VENV / "sordino-state"
"""Whether .venv is whole: what it was made for, then the pins' hash and the extra; one line each.
Only the first line is there while the set-up runs, so an interrupted one is recognised."""

OLDEST, NEWEST = (3, 11), (3, 13)
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
LIBRARIES = {  # what Qt's wheels expect of the system, and Debian's package for each
    "libglib-2.0.so.0": "libglib2.0-0",  # Debian 13 provides it by libglib2.0-0t64
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libfontconfig.so.1": "libfontconfig1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libwayland-cursor.so.0": "libwayland-cursor0",
}


class Stop(Exception):
    """The set-up can't go on; the text is one sentence that says what to do."""

    def __init__(self, text: str, code: int = 1):
        super().__init__(text)
        self.code = code


def say(text: str) -> None:
    """A plain sentence on stderr: stdout belongs to the program."""
    print(text, file=sys.stderr, flush=True)


def guarded(main) -> NoReturn:
    """Run `main(arguments)` and leave with its exit code; a Stop becomes one sentence."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main(sys.argv[1:]))
    except Stop as stop:
        say(str(stop))
        sys.exit(stop.code)
    except PermissionError as error:
        say(
            f"Sordino can't write {error.filename}: "
            "run this in a clone of your own, in a folder that you may write."
        )
        sys.exit(1)
    except OSError as error:
        say(f"The set-up stopped: {error}. Mend that and run this again.")
        sys.exit(1)
    except KeyboardInterrupt:
        say("\nInterrupted; run it again to go on.")
        sys.exit(130)


def ready(extra: str = "") -> Path:
    """The environment's Python, after installing whatever is missing; `extra` may be "dev"."""
    if _is_current(extra):
        return PYTHON
    _check_python()
    _install_system_packages()
    try:
        VENV.mkdir(exist_ok=True)
        with _locked() as lock:
            if not _is_current(extra):
                _build(extra, lock)
    except (PermissionError, OSError) as error:
        if isinstance(error, PermissionError) or error.errno == 30:  # a read-only file system
            raise Stop(
                f"Sordino can't write its environment to {VENV}: "
                "run this in a clone of your own, in a folder that you may write."
            ) from None
        raise
    return PYTHON


def become(command: list[str | Path], cwd: Path | None = None) -> int:
    """Let `command` take this process's place where the system can do that."""
    if cwd:
        os.chdir(cwd)
    if WINDOWS:
        return subprocess.call(command)
    os.execv(command[0], command)


# ---- what is there already ---------------------------------------------------------------------


def _made_for() -> str:
    """An environment serves one version of Python and one place: its scripts hold the path."""
    return f"{sys.implementation.cache_tag} {VENV}"


def _pins() -> str:
    files = (REPO / "pyproject.toml", CONSTRAINTS)
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _state() -> list[str]:
    return STATE.read_text("utf-8").splitlines() if STATE.is_file() else []


def _is_current(extra: str) -> bool:
    state = _state()
    return state[:2] == [_made_for(), _pins()] and extra in ("", *state[2:]) and PYTHON.exists()


def _check_python() -> None:
    """Go on with a Python that Sordino's libraries are built for, or say which are."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        other = shutil.which(f"python3.{minor}")
        if other:
            sys.exit(become([other, *sys.argv]))
    raise Stop(
        f"This is Python {sys.version_info[0]}.{sys.version_info[1]}, and Sordino needs 3.11, 3.12 "
        "or 3.13: install one of them and run this again."
    )


# ---- the system's packages ---------------------------------------------------------------------


def _missing() -> dict[str, str]:
    """What the system lacks: its name, and Debian's package for it."""
    missing = {}
    try:
        import ensurepip
        import venv
    except ImportError:
        missing["Python's venv module"] = f"python3.{sys.version_info[1]}-venv"
    else:
        del ensurepip, venv
    for name, package in LIBRARIES.items() if LINUX else ():
        try:
            ctypes.CDLL(name)
        except OSError:
            missing[name] = package
    return missing


def _install_system_packages() -> None:
    """By apt-get where root or a sudo without password allows it, else say the line to type."""
    missing = _missing()
    if not missing:
        return
    if not shutil.which("apt-get"):
        names = ", ".join(missing)
        raise Stop(f"Install these with your package manager, then run this again: {names}", 3)
    packages = " ".join(missing.values())
    line = f"apt-get update && apt-get install -y --no-install-recommends {packages}"
    has_sudo = shutil.which("sudo") is not None
    typed = "sudo sh -c" if has_sudo else "su -c"
    by_hand = (
        "Some system packages are missing; type this line, then run this again:\n"
        f'  {typed} "{line}"'
    )
    if os.geteuid() == 0:
        rights = []
    elif has_sudo and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
        rights = ["sudo", "-n"]
    else:
        raise Stop(by_hand, 3)
    say(f"Installing {len(missing)} system packages that windows need (up to 90 MB, once) …")
    waiting = "-o DPkg::Lock::Timeout=120 -qq"
    script = "export DEBIAN_FRONTEND=noninteractive; " + line.replace(
        "apt-get", f"apt-get {waiting}"
    )
    done = subprocess.run([*rights, "sh", "-c", script], capture_output=True, text=True)
    if done.returncode or _missing():
        say("\n".join((done.stdout + done.stderr).splitlines()[-5:]))
        raise Stop(by_hand, 3)


# ---- the environment ---------------------------------------------------------------------------


@contextlib.contextmanager
def _locked() -> Iterator[IO[str]]:
    """One set-up at a time; a second one waits for the first."""
    with open(VENV / "sordino-lock", "a") as lock:
        if WINDOWS:
            import msvcrt

            def take(wait: bool) -> None:
                mode = msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK  # LK_LOCK gives up after 10 s
                msvcrt.locking(lock.fileno(), mode, 1)
        else:
            import fcntl

            def take(wait: bool) -> None:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))

        try:
            take(wait=False)
        except OSError:
            say("Another run is setting up; waiting for it …")
            while True:
                with contextlib.suppress(OSError):
                    take(wait=True)
                    break
        yield lock


def _build(extra: str, lock: IO[str]) -> None:
    state = _state()
    whole = len(state) > 1 and state[0] == _made_for()
    own = not state and _runs("import pip, sys; assert sys.version_info[:2] >= (3, 11)")
    if not (whole or own) or not PYTHON.exists():
        for entry in VENV.iterdir():
            if entry.name != Path(lock.name).name:
                shutil.rmtree(
                    entry
                ) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    STATE.write_text(f"{_made_for()}\n", "utf-8")
    if not PYTHON.exists():
        _check_room()
        say(f"Making Sordino's own Python environment in {VENV} …")
        base = getattr(sys, "_base_executable", sys.executable)
        _succeed(_logged([base, "-m", "venv", VENV], lock), "making the environment")
    _succeed(_pip(lock, "pip", "setuptools"), "installing pip")
    _install_torch(lock)
    say("Installing Qt, NumPy, OpenCV and the other libraries (about 250 MB to download, once) …")
    wanted = f"{REPO}[{extra}]" if extra else str(REPO)
    # Without isolation the build uses the setuptools pinned above instead of fetching another.
    done = _pip(lock, "--no-build-isolation", "--editable", wanted)
    _succeed(done, "installing the libraries")
    say("Compiling what the methods compute with (half a minute, once) …")
    _logged([PYTHON, "-P", "-m", "core.warm"], lock)  # what it could not is compiled when needed
    STATE.write_text("\n".join([_made_for(), _pins(), *([extra] if extra else []), ""]), "utf-8")
    say("Ready.")


def _check_room() -> None:
    needed = 10 if _has_gpu() else 3
    free = shutil.disk_usage(VENV).free / 2**30
    if free < needed:
        raise Stop(
            f"Sordino needs {needed} GB, but {free:.1f} GB are free on the disk of {REPO}: "
            "make room and run this again."
        )


def _install_torch(lock: IO[str]) -> None:
    """The CPU build unless there is a GPU to use: PyPI's build for Linux brings gigabytes of CUDA.

    The CPU build has a version of its own, "+cpu", that PyPI never carries: so it is either found
    in the places pip is set up for, or at PyTorch's index, and CUDA can't come in by accident.
    """
    pins = CONSTRAINTS.read_text("utf-8").splitlines()
    pin = next(line for line in pins if line.startswith("torch==")).split()[0].rstrip(";")
    if not LINUX:
        say("Installing PyTorch (about 200 MB to download, once) …")
        done = _pip(lock, pin)
    elif _has_gpu():
        say("Found an NVIDIA GPU: installing PyTorch with CUDA (about 3 GB to download, once) …")
        done = _pip(lock, pin)
    else:
        say("Installing PyTorch, the build for CPUs (about 200 MB to download, once) …")
        done = _pip(lock, "--retries=1", f"{pin}+cpu") or _pip(
            lock, f"{pin}+cpu", f"--extra-index-url={CPU_INDEX}"
        )
    _succeed(done, f"fetching {pin} from PyPI or {CPU_INDEX}")


def _has_gpu() -> bool:
    tool = shutil.which("nvidia-smi")
    try:
        return (
            bool(tool)
            and b"GPU" in subprocess.run([tool, "-L"], capture_output=True, timeout=20).stdout
        )
    except (OSError, subprocess.TimeoutExpired):
        return False


def _pip(lock: IO[str], *wanted: str) -> bool:
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-warn-script-location"]
    command = [PYTHON, "-m", "pip", "install", *quiet, "--constraint", CONSTRAINTS, *wanted]
    return _logged(command, lock)


def _logged(command: list[str | Path], lock: IO[str]) -> bool:
    """Run it with its output in the log; as it shares the lock, no other set-up can overtake it."""
    shared = () if WINDOWS else (lock.fileno(),)
    surroundings = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    surroundings["PIP_ROOT_USER_ACTION"] = "ignore"
    with LOG.open("ab") as log:
        log.write(f"$ {' '.join(map(str, command))}\n".encode())
        log.flush()
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=shared,
            env=surroundings,
            cwd=REPO,
        )
    return done.returncode == 0


def _succeed(done: bool, what: str) -> None:
    if done:
        return
    lines = LOG.read_text("utf-8", "replace").splitlines()
    say("\n".join(dict.fromkeys(line for line in lines[-20:] if line.startswith("ERROR"))))
    raise Stop(
        f"The set-up failed while {what}: "
        f"check the network and run this again ({LOG} has every detail)."
    )


def _runs(code: str) -> bool:
    try:
        return subprocess.run([PYTHON, "-c", code], capture_output=True).returncode == 0
    except OSError:
        return False


if __name__ == "__main__":
    guarded(lambda arguments: ready(*arguments[:1]) and 0)
