"""Folders of evaluations as the worker leaves them, without a model: predictions, scores, figures, benchmarks."""

import json
import time
from dataclasses import replace
from pathlib import Path

from studio.config import read_mapping
from studio.runs import folder as files
from studio.runs import locks, states

KEYS = ("rouge-1", "rouge-2", "rouge-l", "bleu-4", "f1")


def score(predict: str, label: str | None) -> dict:
    """Scores that suit the texts: 100 where they are the same, by shared words elsewhere."""
    if label is None:
        return {}
    ours, theirs = set(predict.split()), set(label.split())
    share = 100.0 * len(ours & theirs) / max(1, len(ours | theirs))
    return {"exact_match": 100.0 * (predict == label), **dict.fromkeys(KEYS, share), "nll": 12.5 - share / 10,
            "num_label_tokens": 6}  # fmt: skip


def folder_of(saves: Path, run_id: str, state: str = "finished", **asked) -> Path:
    """The folder of an evaluate run in a state, without results."""
    folder = saves / run_id
    folder.mkdir(parents=True)
    mapping = {"model_name_or_path": "builtin/starter", "dataset": ["identity"]} | asked
    (folder / files.JOB).write_text(read_mapping("evaluate", mapping).job.to_yaml())
    status = replace(states.new("evaluate"), state=state, created=time.time(), started=time.time() - 60, attempts=1)
    states.write(folder, replace(status, ended=time.time()) if state not in states.LIVE else status)
    return folder


def predictions(folder: Path, rows: list[tuple[str, str, str | None]], datasets: list[str] | None = None) -> None:
    """(prompt, predict, label) of each row, with scores and figures as they belong to them."""
    found = [score(predict, label) for _, predict, label in rows]
    with open(folder / "generated_predictions.jsonl", "w", encoding="utf-8") as lines:
        for number, (prompt, predict, label) in enumerate(rows, 1):
            line = {"prompt": prompt, "predict": predict, "label": label, "row": number,
                    "dataset": datasets[number - 1] if datasets else "identity",
                    "others": {"id": f"q{number}"}}  # fmt: skip
            lines.write(json.dumps(line, ensure_ascii=False) + "\n")
    (folder / "scores.jsonl").write_text("".join(json.dumps(one) + "\n" for one in found))
    scored = [one for one in found if one]
    means = {f"predict_{key}": sum(one[key] for one in scored) / len(scored)
             for key in ("exact_match", *KEYS) if scored}  # fmt: skip
    more = {"predict_perplexity": 3.25, "predict_num_rows": len(rows), "predict_num_scored": len(scored),
            "predict_runtime": 12.5, "predict_samples_per_second": 4.1,
            "predict_left_out": {"sql": "no_databases"}}  # fmt: skip
    for name in ("predict_results.json", files.RESULTS):
        (folder / name).write_text(json.dumps(means | more))


def answering(folder: Path, *answers: str) -> int:
    """An evaluation that has come to these answers and goes on, until the lock that is given back is closed."""
    lock = locks.acquire(folder / files.LOCK)
    files.write_json_atomic(folder / files.PROGRESS, {"phase": "predicting", "done": len(answers), "total": 30,
                                                      "unit": "rows", "remaining_s": 90})  # fmt: skip
    add(folder, *answers)
    return lock


def add(folder: Path, *answers: str) -> None:
    """More answers, without scores."""
    with open(folder / "generated_predictions.jsonl", "a", encoding="utf-8") as lines:
        for answer in answers:
            lines.write(json.dumps({"prompt": "p", "predict": answer, "label": "l", "row": lines.tell() + 1}) + "\n")


def finish(folder: Path) -> None:
    """Its end."""
    states.write(folder, replace(states.read(folder), state="finished", ended=time.time()))


def benchmark(folder: Path, values: dict[str, float], questions: list[tuple[str, str, str | None]]) -> None:
    """A benchmark's figures by category, and (prompt, answer, label or None) of each question."""
    report = {"tasks": {"mini": {"acc": values["Average"]}}, "categories": values, "num_questions": len(questions)}
    (folder / "benchmark_results.json").write_text(json.dumps(report))
    with open(folder / "benchmark_samples.jsonl", "w", encoding="utf-8") as lines:
        for index, (prompt, answer, label) in enumerate(questions):
            line = {"task": "mini", "index": index, "prompt": prompt, "answer": answer, "label": label,
                    "correct": None if label is None else answer == label}  # fmt: skip
            lines.write(json.dumps(line, ensure_ascii=False) + "\n")
