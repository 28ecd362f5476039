"""launch.py as a user runs it, in a folder of its own with a stand-in for pip: nothing is downloaded here.

The first start is real (it makes .venv); tests that begin after it get a copy of its folder.
"""

import ast
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = """\
[project]
name = "finetune-studio"
requires-python = ">=3.11"
dependencies = [{dependencies}]
[project.optional-dependencies]
torch = []
metrics = []
modelscope = []
npu = ["torch-npu"]
dev = []
"""
NEVER = '"no-such-package-at-all>=1"'  # so that no environment satisfies it
PIP = """\
import json, os, sys, time
log = os.environ["PIP_LOG"]
open(log, "a").write(json.dumps(sys.argv[1:]) + "\\n")
print("Collecting everything", flush=True)
if os.environ.get("PIP_HANGS"):
    open(log + ".hangs", "w").close()
    time.sleep(60)
if os.environ.get("PIP_SAYS"):
    sys.exit(os.environ["PIP_SAYS"])
"""
CLI = "import sys; print('STUDIO', sys.executable, *sys.argv[1:], flush=True)\n"


def write_project(folder: Path, dependencies: str = NEVER) -> Path:
    (folder / "studio").mkdir(parents=True)
    (folder / "studio" / "__init__.py").touch()
    (folder / "studio" / "cli.py").write_text(CLI)
    shutil.copy(ROOT / "launch.py", folder)
    (folder / "pyproject.toml").write_text(PROJECT.format(dependencies=dependencies))
    (folder / "constraints.txt").write_text("")
    standin = folder.parent / "standin" / "pip"
    standin.mkdir(parents=True)
    (standin / "__init__.py").touch()
    (standin / "__main__.py").write_text(PIP)
    return folder


def environment(folder: Path, **extra: str) -> dict[str, str]:
    names = ("CONDA_PREFIX", "STUDIO_TORCH_INDEX")
    inherited = {key: value for key, value in os.environ.items() if key not in names}
    standin = str(folder.parent / "standin")
    return inherited | {"PYTHONPATH": standin, "PIP_LOG": str(folder.parent / "pip.log")} | extra


def start(folder: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(folder / "launch.py"), *arguments]
    return subprocess.run(command, env=environment(folder, **extra), cwd=folder.parent, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=120, check=False)


def pip_calls(folder: Path) -> list[list[str]]:
    """What the stand-in was asked since the last time."""
    log = folder.parent / "pip.log"
    calls = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    log.unlink(missing_ok=True)
    return calls


@pytest.fixture(scope="module")
def first_start(tmp_path_factory):
    """A folder after its first start, and what that start did."""
    folder = write_project(tmp_path_factory.mktemp("first") / "checkout")
    done = start(folder, "train", "a b.yaml")
    return folder, done, pip_calls(folder)


@pytest.fixture
def started(first_start, tmp_path):
    """A copy of the folder after its first start."""
    folder = tmp_path / "checkout"
    shutil.copytree(first_start[0].parent, tmp_path, symlinks=True, dirs_exist_ok=True)
    return folder


def load(folder: Path = ROOT):
    """launch.py as a module."""
    spec = importlib.util.spec_from_file_location("launch", folder / "launch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_parses_on_python_3_8():
    ast.parse((ROOT / "launch.py").read_text("utf-8"), feature_version=(3, 8))


def test_it_needs_the_standard_library_only():
    names = {node.names[0].name.split(".")[0] if isinstance(node, ast.Import) else (node.module or "").split(".")[0]
             for node in ast.walk(ast.parse((ROOT / "launch.py").read_text("utf-8")))
             if isinstance(node, ast.Import | ast.ImportFrom)}
    assert names - sys.stdlib_module_names == {"packaging", "pip"}  # tried, and done without


def test_it_agrees_with_pyproject():
    launch = load()
    oldest = ".".join(map(str, launch.OLDEST))
    assert f'requires-python = ">={oldest}"' in (ROOT / "pyproject.toml").read_text("utf-8")
    launch.missing(launch.wanted_extras(["test"]))  # every extra exists


def test_first_start_installs_and_hands_over(first_start):
    folder, done, calls = first_start
    python = folder / ".venv" / "bin" / "python"
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"STUDIO {python} train a b.yaml"
    assert "[1/2]" in done.stdout and "Collecting everything" in done.stdout
    (call,) = calls
    assert call[call.index("--constraint") + 1] == "constraints.txt"
    assert call[call.index("--editable") + 1] == ".[metrics,modelscope,torch]"
    assert "--progress-bar" in call  # plain lines, as there is no terminal


def test_second_start_calls_no_pip(started):
    done = start(started)
    assert done.stdout == f"STUDIO {started / '.venv/bin/python'} ui\n" and done.stderr == ""
    assert pip_calls(started) == []


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_an_update_is_installed_once(started, name):
    with (started / name).open("a") as file:
        file.write("# changed\n")
    assert "STUDIO" in start(started).stdout and len(pip_calls(started)) == 1
    assert "STUDIO" in start(started).stdout and pip_calls(started) == []


def test_more_extras_are_added_and_kept(started, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "npu-smi").write_text("#!/bin/sh\n")
    (tools / "npu-smi").chmod(0o755)
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    start(started, PATH=path)
    assert ".[metrics,modelscope,npu,torch]" in pip_calls(started)[0]
    start(started)  # the tool is gone, the extra stays
    assert pip_calls(started) == []


def test_a_torch_index_is_passed_on(started):
    start(started, "--torch-index", "file:///wheels", "version")
    removal, install = pip_calls(started)
    assert removal[-3:] == ["uninstall", "--yes", "torch"]
    assert install[-2:] == ["--extra-index-url", "file:///wheels"]
    assert start(started, "--torch-index=file:///wheels").stdout.endswith("ui\n")
    assert start(started, STUDIO_TORCH_INDEX="file:///wheels").stdout.endswith("ui\n")
    assert pip_calls(started) == []


@pytest.mark.parametrize("said, sentence", [
    ("OSError: [Errno 28] No space left on device", "the disk is full"),
    ("NewConnectionError('...: Temporary failure in name resolution')", "cannot be reached"),
    ("SSLError(SSLCertVerificationError(1, 'CERTIFICATE_VERIFY_FAILED'))", "certificate"),
    ("ERROR: No matching distribution found for gradio", "lacks the package"),
    ("something new", "the reason stands above"),
])
def test_a_failed_install_says_why_and_goes_on_later(started, said, sentence):
    (started / "constraints.txt").write_text("# new\n")
    failed = start(started, PIP_SAYS=said)
    assert failed.returncode == 1 and said in failed.stderr
    assert sentence in failed.stderr.splitlines()[-1] and "STUDIO" not in failed.stdout
    assert "STUDIO" in start(started).stdout and len(pip_calls(started)) == 2


def test_ctrl_c_in_the_install_then_the_next_start_completes(started):
    (started / "constraints.txt").write_text("# new\n")
    (started / ".venv" / "studio.json").unlink()
    process = subprocess.Popen([sys.executable, str(started / "launch.py")], env=environment(started, PIP_HANGS="1"),
                               stdout=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 60
    while not (started.parent / "pip.log.hangs").exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130 and "next start goes on" in output
    assert "STUDIO" in start(started).stdout


def test_a_venv_without_its_python_is_made_anew(started):
    python = started / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to(started / "gone")
    assert start(started).stdout.endswith(f"STUDIO {python} ui\n")


def test_a_satisfied_environment_is_used_as_it_is(tmp_path):
    folder = write_project(tmp_path / "checkout", '"pytest>=8", "pyyaml"')
    done = start(folder, "version")
    assert done.stdout == f"STUDIO {sys.executable} version\n"
    assert not (folder / ".venv").exists() and pip_calls(folder) == []


def test_what_an_environment_lacks_is_named(tmp_path, monkeypatch):
    launch = load(write_project(tmp_path / "checkout", '"pytest>=8", "pyyaml>=999"'))
    assert launch.missing([]).startswith("pyyaml>=999 (it has ")
    assert launch.missing(["npu"]).startswith("pyyaml")
    elsewhere = "\"no-such-package; sys_platform == 'x'\""
    (launch.ROOT / "pyproject.toml").write_text(PROJECT.format(dependencies=elsewhere))
    assert launch.missing(["torch"]) is None
    assert launch.missing(["npu"]) == "torch-npu"


def test_torch_and_torch_npu_have_to_match(tmp_path, monkeypatch):
    launch = load(write_project(tmp_path / "checkout", ""))
    for name, version in (("torch", "2.13.0+cpu"), ("torch_npu", "2.12.0.post1")):
        info = tmp_path / "site" / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert launch.missing(["npu"]) == "torch and torch-npu of one release"
    assert launch.missing([]) is None


def test_an_old_python_is_told_the_command(monkeypatch, tmp_path):
    launch = load()
    assert launch.shortcoming((3, 8, 18)) == "Python 3.11 or newer (this is 3.8)"
    assert launch.shortcoming((3, 11, 2)) is None
    for tool, body in (("apt-get", ""), ("apt-cache", 'case "$2" in python3.12-venv) exit 0;; esac; exit 100')):
        (tmp_path / tool).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / tool).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert launch.remedy((3, 8, 18)).endswith("apt-get install -y python3.12-venv")
    (tmp_path / "apt-get").unlink()
    (tmp_path / "brew").write_text("#!/bin/sh\n")
    (tmp_path / "brew").chmod(0o755)
    assert launch.remedy((3, 8, 18)) == "brew install python@3.12"


def test_nothing_to_make_an_environment_with(monkeypatch, tmp_path):
    launch = load()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(launch, "shortcoming", lambda: "Python's venv module")
    with pytest.raises(SystemExit, match="The studio needs Python's venv module"):
        launch.make_venv([])


SHY = """
from pathlib import Path

def test_alone():
    seen = Path(__file__).with_name("seen")
    first = not seen.exists()
    seen.touch()
    assert not first

def test_always():
    assert {always}
"""


@pytest.mark.parametrize("always, code", [(True, 0), (False, 1)])
def test_one_or_two_tests_that_fail_beside_others_have_to_pass_alone(tmp_path, capfd, always, code):
    shutil.copy(ROOT / "launch.py", tmp_path)
    (tmp_path / "ruff.toml").write_text('exclude = ["*.py"]')
    (tmp_path / "test_shy.py").write_text(SHY.format(always=always))
    assert load(tmp_path).test(sys.executable, []) == code
    told = capfd.readouterr().out
    assert "run once more alone: test_shy.py::test_alone" in told and "1 failed" in told
