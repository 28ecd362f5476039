"""Merging and writing a model beside LLaMA-Factory's export: same model, adapter, dtype and size of files.

    python -m tests.bench.exporting [--llamafactory DIR] [--threads 2] [--repeat 1]

DIR is the environment of LLaMA-Factory 0.9.5 (default `~/.cache/studio-llamafactory`). Each side is a whole command;
nothing else should run on the machine. The studio's is measured as it is, with all that it writes loaded and compared,
and without that (`merge_only`), as LLaMA-Factory compares nothing. Prints one JSON line a measure. About two minutes.
"""

import argparse
import json
import multiprocessing
import resource
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from tests.bench.measuring import measure
from tests.bench.training import WORDS, make_tokenizer

SIZES = {
    "hidden_size": 1024, "intermediate_size": 2816, "num_hidden_layers": 12, "num_attention_heads": 16,
    "num_key_value_heads": 8,
}  # fmt: skip


def main() -> None:
    options = _options()
    folder = Path(tempfile.mkdtemp(prefix="bench-exporting-"))
    # In a process of its own: the peak memory of a child is never told below that of the process it was forked from.
    maker = multiprocessing.get_context("spawn").Process(target=make_inputs, args=(folder,))
    maker.start()
    maker.join()
    sides = {"llamafactory": run_llamafactory, "studio": run_studio, "merge_only": run_merge_only}
    found: dict[str, list[dict]] = {name: [] for name in sides}
    for turn in range(options.repeat):
        for name, run in sides.items():
            output = folder / f"{name}-{turn}"
            measure = run(folder, output, options)
            found[name].append(measure)
            print(json.dumps({"side": name, "turn": turn, **measure}), flush=True)
    _compare(found)
    print(json.dumps({"largest_difference_of_weights": _difference(folder)}))  # last: it loads both
    shutil.rmtree(folder)


def make_inputs(folder: Path) -> None:
    """A Llama of 150 M parameters in bfloat16 (300 MB), and a LoRA adapter of rank 16 on all its layers."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM, set_seed

    set_seed(0)
    tokenizer = make_tokenizer(folder / "model", [" ".join(WORDS)])
    config = LlamaConfig(vocab_size=8192, max_position_embeddings=1024, dtype="bfloat16", **SIZES)
    config.eos_token_id, config.bos_token_id = tokenizer.eos_token_id, None
    model = LlamaForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(folder / "model")
    lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    get_peft_model(model, lora).save_pretrained(folder / "adapter")


def _job(folder: Path, output: Path) -> dict:
    return {
        "model_name_or_path": str(folder / "model"), "adapter_name_or_path": str(folder / "adapter"),
        "template": "chatml", "export_dir": str(output), "export_size": 5, "export_device": "cpu",
    }  # fmt: skip


def run_llamafactory(folder: Path, output: Path, options) -> dict:
    import yaml

    config = folder / f"{output.name}.yaml"
    config.write_text(yaml.safe_dump(_job(folder, output) | {"finetuning_type": "lora"}), "utf-8")
    command = [str(options.llamafactory / "bin" / "python"), "-m", "llamafactory.cli", "export", str(config)]
    return measure(command, output, folder, options.threads)


def run_studio(folder: Path, output: Path, options, **keys) -> dict:
    """The bare worker on a folder that `start` would write, by the command line's own reading of the keys."""
    from studio.config import read_mapping

    run = folder / f"run-{output.name}"
    run.mkdir()
    (run / "job.yaml").write_text(read_mapping("export", _job(folder, output) | keys).job.to_yaml(), "utf-8")
    found = measure([sys.executable, "-m", "studio.worker", str(run)], output, folder, options.threads)
    result = json.loads((run / "result.json").read_text("utf-8"))
    verdict = result["verdicts"][0]
    merged_s = result["facts"]["merged"]["seconds"]
    return found | {"merge_s": merged_s, "ok": verdict["ok"], "logits_within": verdict["max_logit_difference"]}


def run_merge_only(folder: Path, output: Path, options) -> dict:
    return run_studio(folder, output, options, verify_export=False)


def _difference(folder: Path) -> float:
    """How far the weights of both sides lie apart: rounding alone, or they merged something else."""
    from safetensors.torch import load_file

    both = [load_file(folder / f"{side}-0" / "model.safetensors") for side in ("llamafactory", "studio")]
    assert both[0].keys() == both[1].keys()
    return max((both[0][name].float() - both[1][name].float()).abs().max().item() for name in both[0])


def _compare(found: dict[str, list[dict]]) -> None:
    def median(side: str, name: str) -> float:
        return statistics.median(measure[name] for measure in found[side])

    for side in ("studio", "merge_only"):
        ratio = {name: round(median(side, name) / median("llamafactory", name), 3)
                 for name in ("wall_s", "cpu_s", "peak_mib")}  # fmt: skip
        print(json.dumps({f"{side}_over_llamafactory": ratio}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--llamafactory", type=Path, default=Path.home() / ".cache" / "studio-llamafactory")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
