"""The adapter alone, as PEFT and vLLM load it: its files, with the tokenizer it was trained with, and a zip of them.

Of several adapters each has a folder of its own, numbered in the order in which they belong on the base.
"""

import json
import shlex
import shutil
import zipfile
from pathlib import Path

from studio.worker.export import layering, verify
from studio.worker.export.manifest import Written
from studio.worker.export.source import Source
from studio.worker.serve import adapter_files
from studio.worker.serve.adapter_files import CONFIG, LEGACY_WEIGHTS, WEIGHTS

ZIP = "adapter.zip"
RANKS = (16, 32, 64, 128, 256, 320, 512)  # what vLLM may be told as the most; the first it takes by itself
KEPT = (CONFIG, WEIGHTS, LEGACY_WEIGHTS, "value_head.safetensors", "additional_config.json")


def write(source: Source, job, folder: Path, progress) -> Written:
    """Copy the adapters into `folder` and pack them."""
    progress("packing")
    paths = []
    for number, adapter in enumerate(source.adapters, 1):
        target = folder if len(source.adapters) == 1 else folder / f"{number}-{adapter.name}"
        target.mkdir(exist_ok=True)
        for name in KEPT:
            if (adapter / name).is_file():
                paths.append(Path(shutil.copy2(adapter / name, target)))
        _name_base(target / CONFIG, job.model_name_or_path)
    source.tokenizer.save_pretrained(folder)
    voice = [path for path in sorted(folder.iterdir()) if path.is_file() and path not in paths]
    paths += voice
    with zipfile.ZipFile(folder / ZIP, "w", zipfile.ZIP_STORED) as packed:  # weights do not get smaller
        for path in paths:
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix())  # has no time: the same files, the same bytes
            entry.file_size, entry.external_attr = path.stat().st_size, 0o644 << 16
            with open(path, "rb") as file, packed.open(entry, "w") as target:
                shutil.copyfileobj(file, target)
    return Written("adapter", (*paths, folder / ZIP), {"next": served(source, job)})


def served(source: Source, job) -> list[str]:
    """The command by which vLLM puts the adapter on its base; none for several, and for one that it does not take."""
    if len(source.adapters) != 1:
        return []
    (adapter,) = source.adapters
    config = adapter_files.read_config(adapter)
    try:
        adapter_files.check_mixable(adapter, config, source.config.get_text_config().vocab_size)
    except adapter_files.Apart:
        return []
    base, rank = job.model_name_or_path, max([config.get("r") or 8, *(config.get("rank_pattern") or {}).values()])
    home = "~/" if base.startswith("~/") else ""  # the shell's to fill in
    named = f"{home}{shlex.quote(base.removeprefix(home))}"
    most = next((size for size in RANKS if size >= rank), RANKS[-1])
    ranks = f" --max-lora-rank {most}" if most > RANKS[0] else ""
    return [f"vllm serve {named} --enable-lora{ranks} --lora-modules adapter={{dir}}"]


def prove(written: Written, source: Source, job, expected: verify.Expected) -> list[verify.Verdict]:
    """The copies, put on the base, say what the originals say."""
    folders = tuple(path.parent for path in written.paths if path.name == CONFIG)
    copied = source.with_adapters(folders)
    return [verify.check("adapter", lambda: layering.load(copied), source, expected, verify.SHARES[source.dtype])]


def _name_base(file: Path, base: str) -> None:
    """The base by the name it was asked for, not by a path on this machine which nobody else has."""
    found = json.loads(file.read_text("utf-8"))
    if not Path(base).expanduser().is_dir():
        found["base_model_name_or_path"] = base
        file.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", "utf-8")
