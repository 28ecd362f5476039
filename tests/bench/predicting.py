"""Predicting beside LLaMA-Factory's do_predict: same model, rows and longest answer, greedy; rows answered a second.

    python -m tests.bench.predicting [--llamafactory DIR] [--threads 2] [--rows 192] [--repeat 1] [--batches 1,8]

LLaMA-Factory is measured at each batch size; the studio at the same ones and where it chooses itself (0). Both
sides start as whole commands, one after the other; nothing else should run on the machine. `alike` is the share of rows
whose line of predictions is the same: prompt, answer and label. Prints one JSON line a measure.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from tests.bench.measuring import measure
from tests.bench.training import make_inputs


def main() -> None:
    options = _options()
    folder = Path(tempfile.mkdtemp(prefix="bench-predicting-"))
    make_inputs(folder, options.rows)
    found: dict[str, list[dict]] = {}
    for turn in range(options.repeat):
        for side, run, sizes in (
            ("llamafactory", run_llamafactory, options.batches),
            ("studio", run_studio, options.studio_batches),
        ):
            for size in sizes:
                measure = run(folder, f"{side}-{size}-{turn}", size, options)
                found.setdefault(f"{side}-{size}", []).append(measure)
                print(json.dumps({"side": side, "batch": size, "turn": turn, **measure}), flush=True)
    _compare(folder, found)
    shutil.rmtree(folder)


def _job(folder: Path, output: Path, size: int, options) -> dict:
    return {
        "model_name_or_path": str(folder / "model"),
        "stage": "sft",
        "do_predict": True,
        "predict_with_generate": True,
        "finetuning_type": "lora",
        "dataset_dir": str(folder / "data"),
        "template": "chatml",
        "cutoff_len": 1024,
        "output_dir": str(output),
        **({"per_device_eval_batch_size": size} if size else {}),
        "max_new_tokens": options.tokens,
        "do_sample": False,
        "seed": 42,
    }


def run_llamafactory(folder: Path, name: str, size: int, options) -> dict:
    import yaml

    output, config = folder / name, folder / f"{name}.yaml"
    more = {"eval_dataset": "rows", "use_cpu": True, "report_to": "none", "infer_dtype": "float32"}
    config.write_text(yaml.safe_dump(_job(folder, output, size, options) | more), "utf-8")
    command = [str(options.llamafactory / "bin" / "python"), "-m", "llamafactory.cli", "train", str(config)]
    return _measure(command, output, folder, options)


def run_studio(folder: Path, name: str, size: int, options) -> dict:
    """The bare worker on a folder that `start` would write: what LLaMA-Factory's command is compared with."""
    from studio.config import read_mapping

    output = folder / name
    output.mkdir()
    asked = _job(folder, output, size, options) | {"dataset": "rows"}
    kept = {key: value for key, value in asked.items() if key not in ("do_predict", "predict_with_generate")}
    job = read_mapping("evaluate", kept).job
    (output / "job.yaml").write_text(job.to_yaml(), "utf-8")
    return _measure([sys.executable, "-m", "studio.worker", str(output)], output, folder, options)


def _measure(command: list[str], output: Path, folder: Path, options) -> dict:
    found = measure(command, output, folder, options.threads)
    result = json.loads((output / "predict_results.json").read_text())
    return {
        "rows_per_s": round(options.rows / result["predict_runtime"], 3),
        "predict_runtime_s": round(result["predict_runtime"], 2),
        **found,
        "bleu-4": result["predict_bleu-4"],
        "rouge-l": result["predict_rouge-l"],
    }


def _compare(folder: Path, found: dict[str, list[dict]]) -> None:
    """How many times as many rows a second, of each of ours to each of theirs, and how many answers are alike."""
    best = {name: max(measure["rows_per_s"] for measure in measures) for name, measures in found.items()}
    said = {name: _answers(folder / f"{name}-0") for name in found}
    ours = [name for name in found if name.startswith("studio")]
    for name in ours:
        for other in set(found) - set(ours):
            pairs = zip(said[name], said[other], strict=True)
            alike = sum(one == two for one, two in pairs) / len(said[name])
            ratio = {"times": round(best[name] / best[other], 2), "alike": round(alike, 3)}
            print(json.dumps({"studio": name, "llamafactory": other, **ratio}), flush=True)


def _answers(output: Path) -> list[tuple]:
    lines = (output / "generated_predictions.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    # LLaMA-Factory's labels end with the line break that the template puts behind the end of an answer.
    return [(row["prompt"], row["predict"], row["label"].rstrip("\n")) for row in rows]


def _sizes(words: str) -> list[int]:
    return [int(word) for word in words.split(",")]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--llamafactory", type=Path, default=Path.home() / ".cache" / "studio-llamafactory")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", type=int, default=192)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--batches", type=_sizes, default=[1, 8])
    parser.add_argument("--studio-batches", type=_sizes, default=[0, 1, 8])
    return parser.parse_args()


if __name__ == "__main__":
    main()
