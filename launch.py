#!/usr/bin/env python3
"""Start the studio: the first start makes .venv beside this file and fills it, later ones only check it.

    python3 launch.py                     open the studio
    python3 launch.py test [ARGUMENT …]   lint and tests; the arguments are pytest's
    python3 launch.py COMMAND …           the same as: studio COMMAND …

Before the command: --torch-index URL   take torch from this wheel index too (or set STUDIO_TORCH_INDEX);
                                        without an accelerator, name PyTorch's index of CPU wheels

An environment that already has what pyproject.toml asks for is used as it is. pip and its settings do the work.
Standard library only; this file parses and runs on Python 3.8, so that an old Python is told what to do.
"""

import collections
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "studio.json"
OLDEST = (3, 11)
FEW_TESTS = 2
NAMES = ("python3.11", "python3.12", "python3.13", "python3.14")  # the tested one first
INSTALLERS = (
    ("dnf", "dnf install -y python3.12"),
    ("zypper", "zypper install -y python312"),
    ("pacman", "pacman -S --noconfirm python"),
    ("apk", "apk add python3"),
    ("brew", "brew install python@3.12"),
    ("conda", "conda create -y -n studio python=3.12 && conda activate studio"),
)
REASONS = (
    (("No space left", "Errno 28"),
     "the disk is full. Free some space where this folder, the temporary folder and pip's cache are."),
    (("CERTIFICATE_VERIFY_FAILED", "SSLError"),
     "the index's certificate was refused. Name your network's certificates: pip config set global.cert FILE."),
    (("NewConnectionError", "name resolution", "Max retries", "unreachable", "ProxyError", "timed out", "refused"),
     "the package index cannot be reached. Check network and proxy, or name a mirror: "
     "pip config set global.index-url URL."),
    (("No matching distribution", "Could not find a version"),
     "pip's index lacks the package named above for this system. Name another: pip config set global.index-url URL."),
)


def main(argv):
    index, command = read_options(argv)
    wants_help = command[:1] in (["-h"], ["--help"])
    if wants_help:
        say(__doc__)
    extras = wanted_extras(command)
    inside = VENV.exists() and os.path.samefile(sys.prefix, str(VENV))  # then the stamp decides
    lack = "" if inside else missing(extras)
    if lack is None:
        return hand_over(sys.executable, command)
    if not up_to_date(extras, index):
        if wants_help:
            return 0
        prepare(argv, extras, index, lack)
    return hand_over(str(VENV_PYTHON), command)


def read_options(argv):
    """(the torch index or None, the studio's own arguments)"""
    index, rest = os.environ.get("STUDIO_TORCH_INDEX") or None, list(argv)
    while rest and rest[0].split("=")[0] == "--torch-index":
        value = rest.pop(0).partition("=")[2] or (rest.pop(0) if rest else "")
        if not value:
            sys.exit("--torch-index needs the address of a wheel index.")
        index = value
    return index, rest


def wanted_extras(command):
    """The extras of pyproject.toml that this machine and this command need."""
    extras = ["metrics", "modelscope", "torch"]
    return extras + ["npu"] * bool(shutil.which("npu-smi")) + ["dev"] * (command[:1] == ["test"])


def missing(extras):
    """The first thing that this interpreter's environment lacks to run the studio, or None."""
    if sys.version_info < OLDEST:
        return "Python 3.11 or newer"
    try:
        from packaging.requirements import Requirement
    except ImportError:
        try:
            from pip._vendor.packaging.requirements import Requirement
        except ImportError:
            return "pip"
    import tomllib
    from importlib.metadata import PackageNotFoundError, version

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lists = [project["dependencies"]] + [project["optional-dependencies"][extra] for extra in extras]
    for requirement in (Requirement(text) for texts in lists for text in texts):
        try:
            if requirement.marker is None or requirement.marker.evaluate():
                found = version(requirement.name)
                if not requirement.specifier.contains(found, prereleases=True):
                    return f"{requirement} (it has {found})"
        except PackageNotFoundError:
            return str(requirement)
    pair = ("torch", "torch-npu") if "npu" in extras else ()
    releases = {version(name).split("+")[0].split(".post")[0] for name in pair}
    return "torch and torch-npu of one release" if len(releases) > 1 else None


def fingerprint():
    """Changes with what is asked for, and with the Python that .venv stands on."""
    digest = hashlib.sha256(os.path.realpath(str(VENV_PYTHON)).encode())
    for name in ("pyproject.toml", "constraints.txt"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def read_stamp():
    """What the last finished install wrote, or {}."""
    try:
        return json.loads(STAMP.read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def up_to_date(extras, index):
    stamp = read_stamp()
    return (VENV_PYTHON.exists() and stamp.get("fingerprint") == fingerprint()
            and set(extras) <= set(stamp["extras"]) and index in (None, stamp["torch_index"]))


def prepare(argv, extras, index, lack):
    """Bring .venv up to date. Whatever interrupts it, the next start does it again: the stamp is written last."""
    if lack and (sys.prefix != sys.base_prefix or "CONDA_PREFIX" in os.environ):
        say(f"The active environment is not used as it is: it lacks {lack}.")
    stamp = read_stamp()
    extras = sorted(set(extras) | set(stamp.get("extras", [])))
    if not runs(VENV_PYTHON, "import sys; sys.exit(sys.version_info < %r)" % (OLDEST,)):
        make_venv(argv)
    elif not runs(VENV_PYTHON, "import pip"):
        run([str(VENV_PYTHON), "-m", "ensurepip", "--default-pip"], "Could not put pip into .venv")
    install(extras, index, stamp)
    done = {"fingerprint": fingerprint(), "extras": extras, "torch_index": index or stamp.get("torch_index")}
    STAMP.write_text(json.dumps(done), "utf-8")


def make_venv(argv):
    """Make .venv with this Python, or start over with a Python that can. One whose Python is gone is made anew."""
    lack = shortcoming()
    if lack:
        able = "import sys, venv, ensurepip; sys.exit(sys.version_info < %r)" % (OLDEST,)
        other = next((path for path in map(shutil.which, NAMES) if path and runs(path, able)), None)
        if other is None:
            sys.exit(f"The studio needs {lack}. Run this once, then start again:\n    {remedy()}")
        say(f"The studio needs {lack}; going on with {other}")
        os.execv(other, [other, str(Path(__file__).resolve()), *argv])
    say(f"[1/2] Making .venv with Python {sys.version.split()[0]}")
    run([sys.executable, "-m", "venv", "--clear", str(VENV)], "Could not make .venv")


def shortcoming(version=sys.version_info):
    """What this Python lacks for making an environment, or None."""
    if version < OLDEST:
        return "Python 3.11 or newer (this is %d.%d)" % tuple(version[:2])
    parts = all(importlib.util.find_spec(name) for name in ("venv", "ensurepip"))
    return None if parts else "Python's venv module"


def remedy(version=sys.version_info):
    """The one command that mends it on this system."""
    sudo = "" if os.name == "nt" or os.geteuid() == 0 else "sudo "
    if shutil.which("apt-get"):
        here = ["python%d.%d-venv" % tuple(version[:2])] if version >= OLDEST else []
        known = (name for name in here + [name + "-venv" for name in NAMES[1:] + NAMES[:1]] if apt_knows(name))
        package = next(known, None)
        if package:
            return sudo + "apt-get install -y " + package
    for tool, command in INSTALLERS:
        if shutil.which(tool):
            return (sudo if tool not in ("brew", "conda") else "") + command
    return "install Python 3.12 from your system's packages or from python.org"


def apt_knows(package):
    return subprocess.call(["apt-cache", "show", package], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0


def install(extras, index, stamp):
    """pip installs this folder with its extras, at the tested versions. It shows its own progress."""
    say(f"[2/2] Installing the studio with {', '.join(extras)}; the first time takes minutes")
    accelerator = next((tool for tool in ("nvidia-smi", "npu-smi") if shutil.which(tool)), None)
    if not accelerator and not index and sys.platform == "linux":
        say("No nvidia-smi or npu-smi here. Plain torch is the CUDA build, several GB; PyTorch's index of CPU wheels")
        say("has a small one: python3 launch.py --torch-index URL")
    pip = [str(VENV_PYTHON), "-m", "pip", "--disable-pip-version-check"]
    failure = "The install did not finish"
    if index and "torch" in stamp.get("extras", []) and index != stamp["torch_index"]:
        run([*pip, "uninstall", "--yes", "torch"], failure)
    plain = [] if sys.stdout.isatty() else ["--progress-bar", "off", "--no-input"]
    source = ["--extra-index-url", index] if index else []
    wanted = ["--constraint", "constraints.txt", "--editable", f".[{','.join(extras)}]"]
    # Python compiles what it imports; all 24,000 files of the libraries would take a minute more.
    run([*pip, "install", "--no-compile", *wanted, *plain, *source], failure)


def run(command, failure):
    """Run a command; its output goes through. If it fails, end with one sentence: what, why, what to do."""
    environment = dict(os.environ, PIP_USER="0", PYTHONUNBUFFERED="1")
    last = collections.deque(maxlen=200)
    with subprocess.Popen(command, cwd=str(ROOT), env=environment, stderr=subprocess.PIPE, errors="replace") as process:
        for line in process.stderr:
            last.append(line)
            sys.stderr.write(line)
            sys.stderr.flush()
    if process.returncode:
        said = "".join(last)
        reasons = (why for words, why in REASONS if any(word in said for word in words))
        reason = next(reasons, "the reason stands above.")
        sys.exit(f"\n{failure}: {reason} Then run the same command again: it goes on where it stopped.")


def runs(python, code):
    """Whether this Python is there and the code ends well in it."""
    try:
        return subprocess.call([str(python), "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def hand_over(python, command):
    """Become the studio. Its children find this checkout too, also in an environment it is not installed in."""
    others = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT)] + ([others] if others else []))
    if command[:1] == ["test"]:
        return test(python, command[1:])
    call = [python, "-P", "-m", "studio.cli"] + (command or ["ui"])
    if os.name == "nt":
        return subprocess.call(call)
    os.execv(python, call)


def test(python, arguments):
    """Lint and tests, as `make check` and .ci/run do. The exit code is the first one that is not 0.

    Browsers, servers and processes of three files share the machine: one or two tests that fail there have to pass
    alone. Both runs are told.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    shared = ["-n", "3", "--dist", "loadfile", "--no-loadscope-reorder"]
    tools = (["ruff", "check", "."], ["pytest", *shared, *arguments])
    linted, tested = (subprocess.call([python, "-m", *tool], cwd=str(ROOT)) for tool in tools)
    failed = failed_tests() if tested == 1 else ()
    if 0 < len(failed) <= FEW_TESTS:
        say("\nFailed beside others, and run once more alone: " + ", ".join(failed))
        tested = subprocess.call([python, "-m", "pytest", "-n", "0", "--last-failed", *arguments], cwd=str(ROOT))
    return linted or tested


def failed_tests():
    """What pytest has noted of its last run."""
    try:
        noted = json.loads((ROOT / ".pytest_cache" / "v" / "cache" / "lastfailed").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    return tuple(noted)


def say(text):
    print(text, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        say("\nStopped. The next start goes on from here.")
        sys.exit(130)
