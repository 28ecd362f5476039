"""A built wheel carries words, presets and data, and starts outside the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built offline with the backend of the dev extra."""
    target = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(target), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    (file,) = target.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder with the wheel's content, and nothing of the checkout near it."""
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target)]
    subprocess.run([*pip, str(wheel)], check=True)
    return target


def run(installed: Path, cwd: Path, *arguments: str) -> str:
    variables = {key: value for key, value in os.environ.items() if key != "STUDIO_HOME"}
    done = subprocess.run([sys.executable, *arguments], cwd=cwd, env=variables | {"PYTHONPATH": str(installed)},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def files_below(folder: str) -> set[str]:
    tracked = (path.relative_to(ROOT / folder).as_posix() for path in (ROOT / folder).rglob("*") if path.is_file())
    return {name for name in tracked if "__pycache__" not in name}


def test_it_carries_the_package_and_the_three_folders(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"studio/{name}" for name in files_below("studio")} <= names
    for folder in ("locales", "presets", "data"):
        assert {f"studio/share/{folder}/{name}" for name in files_below(folder)} <= names
    assert not [name for name in names if name.startswith(("tests/", "saves/", "cache/")) or "__pycache__" in name]


def test_the_command_starts(installed, tmp_path):
    from studio import __version__

    assert __version__ in run(installed, tmp_path, "-m", "studio.cli", "version")


def test_it_finds_what_it_carries(installed, tmp_path):
    code = """if 1:
        from studio import paths, text, config
        from studio.data import registry
        assert paths.CHECKOUT is None, paths.CHECKOUT
        print(paths.home(), text.catalogue("zh").language, text.languages(), len(config.list_presets()))
        print(sorted(registry.load(paths.resource("data"))))
    """
    said = run(installed, tmp_path, "-c", code)
    assert str(tmp_path) in said and "zh ('en', 'zh')" in said
    assert "identity" in said and int(said.splitlines()[0].split()[-1]) >= 1


def test_the_licence_is_in_it(wheel):
    assert any(name.endswith("/licenses/LICENSE") for name in zipfile.ZipFile(wheel).namelist())
