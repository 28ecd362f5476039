"""LoRA SFT beside LLaMA-Factory: same model, rows, batch, epochs, precision; real (non-padding) tokens a second.

    python -m tests.bench.training [--llamafactory DIR] [--threads 2] [--rows 400] [--repeat 1]

DIR is the environment of LLaMA-Factory 0.9.5 (default `~/.cache/studio-llamafactory`). Both sides start as whole
commands, one after the other, in turns; nothing else should run on the machine. Prints one JSON line a measure.
"""

import argparse
import json
import random
import resource
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from tests.bench.measuring import measure

WORDS = ("river", "stone", "light", "garden", "window", "market", "teacher", "letter", "winter", "copper", "silver")


def main() -> None:
    options = _options()
    folder = Path(tempfile.mkdtemp(prefix="bench-training-"))
    num_tokens = make_inputs(folder, options.rows)
    sides = {"llamafactory": run_llamafactory, "studio": run_studio}
    found: dict[str, list[dict]] = {name: [] for name in sides}
    for turn in range(options.repeat):
        for name, run in sides.items():
            measure = run(folder, f"{name}-{turn}", options)
            measure["real_tokens_per_s"] = round(num_tokens * options.epochs / measure["train_runtime_s"], 1)
            found[name].append(measure)
            print(json.dumps({"side": name, "turn": turn, **measure}), flush=True)
    _compare(found)
    shutil.rmtree(folder)


def make_inputs(folder: Path, num_rows: int) -> int:
    """A 6.8 M-parameter Llama, its tokenizer and mixed-length chat rows; returns the rows' tokens (no padding)."""
    generator = random.Random(0)
    vocabulary = [f"{a}{b}" for a in WORDS for b in ("", *WORDS)]
    rows = [_row(generator, vocabulary) for _ in range(num_rows)]
    tokenizer = _make_model(folder / "model", [row["instruction"] + row["output"] for row in rows])
    data = folder / "data"
    data.mkdir()
    (data / "rows.json").write_text(json.dumps(rows), "utf-8")
    (data / "dataset_info.json").write_text(json.dumps({"rows": {"file_name": "rows.json"}}), "utf-8")
    # ChatML with a line break after each turn, as the template `chatml` of both sides renders it.
    rendered = [
        f"<|im_start|>user\n{r['instruction']}<|im_end|>\n<|im_start|>assistant\n{r['output']}<|im_end|>\n"
        for r in rows
    ]
    return sum(min(1024, len(tokenizer(text, add_special_tokens=False)["input_ids"])) for text in rendered)


def make_tokenizer(folder: Path, texts: list[str]):
    """Write a byte-level BPE tokenizer with ChatML's tokens, learned from `texts`, of 8,192 tokens at most."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    options = {"vocab_size": 8192, "special_tokens": special, "initial_alphabet": alphabet, "show_progress": False}
    core.train_from_iterator(texts, trainers.BpeTrainer(**options))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, pad_token=special[0], eos_token=special[2])
    tokenizer.save_pretrained(folder)
    return tokenizer


def _make_model(folder: Path, texts: list[str]):
    from transformers import LlamaConfig, LlamaForCausalLM, set_seed

    tokenizer = make_tokenizer(folder, texts)
    sizes = {"hidden_size": 256, "intermediate_size": 688, "num_hidden_layers": 6, "num_attention_heads": 8}
    config = LlamaConfig(vocab_size=8192, max_position_embeddings=1024, tie_word_embeddings=True, **sizes)
    config.eos_token_id, config.bos_token_id = tokenizer.eos_token_id, None
    set_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)
    return tokenizer


def _row(generator: random.Random, vocabulary: list[str]) -> dict:
    """Lengths as in chat data: many short rows, some long ones (log-normal), about half of the tokens in the answer."""

    def say(median: float) -> str:
        length = min(300, max(2, int(generator.lognormvariate(median, 0.9))))
        return " ".join(generator.choice(vocabulary) for _ in range(length))

    return {"instruction": say(3.3), "input": "", "output": say(3.6)}


def _job(folder: Path, output: Path, options) -> dict:
    return {
        "model_name_or_path": str(folder / "model"),
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora",
        "lora_rank": 8,
        "lora_target": "all",
        "dataset": "rows",
        "dataset_dir": str(folder / "data"),
        "template": "chatml",
        "cutoff_len": 1024,
        "output_dir": str(output),
        "overwrite_output_dir": True,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 1,
        "learning_rate": 1e-3,
        "num_train_epochs": options.epochs,
        "lr_scheduler_type": "cosine",
        "warmup_ratio": 0.1,
        "logging_steps": 10,
        "save_strategy": "no",
        "bf16": options.bf16,
        "report_to": "none",
        "seed": 42,
    }


def run_llamafactory(folder: Path, name: str, options) -> dict:
    import yaml

    output = folder / name
    config = folder / f"{name}.yaml"
    config.write_text(yaml.safe_dump(_job(folder, output, options) | {"use_cpu": True}), "utf-8")
    command = [str(options.llamafactory / "bin" / "python"), "-m", "llamafactory.cli", "train", str(config)]
    return _measure(command, output, folder, options)


def run_studio(folder: Path, name: str, options) -> dict:
    """The bare worker on a folder that `start` would write: what LLaMA-Factory's command is compared with."""
    from studio.config import read_mapping

    output = folder / name
    output.mkdir()
    job = read_mapping("train", _job(folder, output, options) | {"num_samples": 0, "overwrite_output_dir": False}).job
    (output / "job.yaml").write_text(job.to_yaml(), "utf-8")
    command = [sys.executable, "-m", "studio.worker", str(output)]
    return _measure(command, output, folder, options)


def _measure(command: list[str], output: Path, folder: Path, options) -> dict:
    found = measure(command, output, folder, options.threads)
    result = json.loads((output / "all_results.json").read_text())
    return {
        "train_runtime_s": round(result["train_runtime"], 2),
        "wall_s": found["wall_s"],
        "start_and_end_s": round(found["wall_s"] - result["train_runtime"], 2),
        "train_loss": round(result["train_loss"], 4),
        "peak_mib": found["peak_mib"],
    }


def _compare(found: dict[str, list[dict]]) -> None:
    def median(side: str, name: str) -> float:
        return statistics.median(measure[name] for measure in found[side])

    ratio = {
        f"{name}_ratio": round(median("studio", name) / median("llamafactory", name), 3)
        for name in ("real_tokens_per_s", "train_loss", "peak_mib", "start_and_end_s", "wall_s")
    }
    print(json.dumps({"studio_over_llamafactory": ratio}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--llamafactory", type=Path, default=Path.home() / ".cache" / "studio-llamafactory")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--epochs", type=float, default=2.0)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True)
    return parser.parse_args()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
