"""What this machine has for a run: versions of packages, devices, and what is missing, all without importing them."""

import platform
import re
import sys
import tomllib
from dataclasses import dataclass
from importlib import metadata

from studio import __version__, devices, paths
from studio.text import Catalogue

_NEEDED = ("", "torch")  # the core and what a worker needs; the other extras are for those who want them
_WITH_DEVICE = {"npu": "npu"}  # extra → kind of device that needs it


@dataclass(frozen=True)
class Package:
    """A package the project names: what is asked for, what is there (None: nothing), and for which extra."""

    name: str
    requirement: str
    version: str | None
    extra: str


def packages() -> list[Package]:
    """All packages of pyproject.toml, or of the installed wheel; the core first."""
    found = {}
    for extra, requirement in _requirements():
        name = re.match(r"[\w.\-]+", requirement)[0]
        found.setdefault(name, Package(name, requirement.partition(";")[0].strip(), _version(name), extra))
    return list(found.values())


def report(t: Catalogue) -> list[str]:
    """The lines of `studio env`."""
    seen, known = devices.detect(), packages()
    needed = (*_NEEDED, *(extra for extra, kind in _WITH_DEVICE.items() if any(one.kind == kind for one in seen)))
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    lines = [f"{t('terminal.env_studio')}: {__version__} · Python {platform.python_version()} · {system}",
             f"{t('terminal.env_home')}: {paths.home()}", f"{t('terminal.env_devices')}:"]  # fmt: skip
    lines += [f"  {device.kind}:{device.index}  {device.name}{_memory(device)}" for device in seen]
    for tool, answer in devices.complaints():
        lines.append(f"  {t('errors.device_tool_failed', device=tool, tool=tool, answer=answer)}")
    lines.append(f"{t('terminal.env_packages')}:")
    for package in known:
        lack = t("terminal.env_missing") if package.extra in needed else t("terminal.env_optional", extra=package.extra)
        lines.append(f"  {package.name:<18} {package.version or lack}")
    missing = [package.requirement for package in known if package.version is None and package.extra in needed]
    if not missing:
        return [*lines, t("terminal.env_complete")]
    quoted = " ".join(f'"{requirement}"' for requirement in missing)
    return [*lines, t("terminal.env_command"), f"  {sys.executable} -m pip install {quoted}"]


def _requirements() -> list[tuple[str, str]]:
    """(extra or "", requirement) of everything the project names."""
    if paths.CHECKOUT:
        project = tomllib.loads((paths.CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
        extras = {"": project["dependencies"], **project["optional-dependencies"]}
        return [(extra, requirement) for extra, requirements in extras.items() for requirement in requirements]
    named = metadata.requires("finetune-studio") or []
    extra = re.compile(r"""extra\s*==\s*['"]([\w\-]+)['"]""")
    return [(found[1] if (found := extra.search(requirement)) else "", requirement) for requirement in named]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _memory(device: devices.Device) -> str:
    return f", {device.memory_gib:.1f} GiB" if device.memory_gib else ""
