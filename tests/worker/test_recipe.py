"""Whole runs of the worker on a toy model: what they leave, that a resume changes nothing, what stops them."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from studio.errors import StudioError
from studio.runs import folder as files
from studio.worker.train import recipe

ROWS = [
    {"instruction": f"What is {a} plus {b}?", "input": "", "output": f"It is {a + b}." * (1 + b)}
    for a in range(4)
    for b in range(4)
]


@pytest.fixture
def train(job, tmp_path):
    """`train(name, **keys) -> (exit code, folder)`: a run of six steps on sixteen rows, on the CPU."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "sums.json").write_text(json.dumps(ROWS), "utf-8")
    (data / "text.jsonl").write_text("".join(json.dumps({"text": row["output"] * 3}) + "\n" for row in ROWS), "utf-8")
    (data / "dataset_info.json").write_text(
        json.dumps(
            {
                "sums": {"file_name": "sums.json"},
                "text": {"file_name": "text.jsonl", "columns": {"prompt": "text"}},
            }
        ),
        "utf-8",
    )

    def run(name, **keys):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        base = {
            "dataset": "sums",
            "dataset_dir": str(data),
            "per_device_train_batch_size": 4,
            "max_steps": 6,
            "logging_steps": 1,
            "learning_rate": 1e-3,
            "device": "cpu",
            "num_samples": 0,
            "lora_dropout": 0.1,
            "save_strategy": "no",
            "cutoff_len": 128,
            "bf16": False,
        }
        return recipe.run(folder, job(**(base | keys))), folder

    return run


def lines(folder, name=files.METRICS):
    return [json.loads(line) for line in (folder / name).read_text("utf-8").splitlines()]


LEFT = (
    "adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "chat_template.jinja", "checkpoint-3",
    "checkpoint-6", "trainer_state.json", "train_results.json", "eval_results.json", "all_results.json",
    "training_loss.png",
)  # fmt: skip
COLUMNS = (
    "loss", "lr", "epoch", "percentage", "elapsed_time", "remaining_time", "throughput", "total_tokens", "grad_norm",
    "tokens_per_second", "memory_gib",
)  # fmt: skip


def test_a_run_leaves_what_it_promises(train):
    evaluating = {"val_size": 4, "eval_strategy": "steps", "eval_steps": 3, "sample_prompts": ["What is 1 plus 1?"]}
    code, folder = train("run", **evaluating, plot_loss=True, max_new_tokens=8, save_strategy="steps", save_steps=3)
    assert code == 0
    left = {path.name for path in folder.iterdir()}
    assert left >= {*LEFT, files.METRICS, files.SAMPLES, files.ENVIRONMENT, files.DATA_REPORT, files.RESULT}
    log = lines(folder)
    steps = [line for line in log if "loss" in line]
    assert [line["current_steps"] for line in steps] == [1, 2, 3, 4, 5, 6]
    assert all(line["total_steps"] == 6 for line in log) and set(steps[2]) >= set(COLUMNS)
    assert [line["current_steps"] for line in log if "eval_loss" in line] == [3, 6, 6]
    assert [line["step"] for line in lines(folder, files.SAMPLES)] == [0, 3, 6]
    environment = json.loads((folder / files.ENVIRONMENT).read_text())
    assert len(next(iter(environment["data"].values()))) == 64 and environment["versions"]["torch"]


@pytest.mark.parametrize(
    "method",
    [
        {"finetuning_type": "full"},
        {"finetuning_type": "freeze", "freeze_trainable_layers": 1},
        {"stage": "pt", "dataset": "text", "finetuning_type": "full"},
        {"use_dora": True},
        {"use_rslora": True},
        {"loraplus_lr_ratio": 16},
        {"pissa_init": True},
        {"gradient_checkpointing": True, "bf16": True},
        {"train_from_scratch": True, "finetuning_type": "full"},
        {"add_tokens": "<sum>", "resize_vocab": True},
        {"neftune_noise_alpha": 5, "label_smoothing_factor": 0.1, "lr_scheduler_type": "cosine", "warmup_ratio": 0.5},
    ],
    ids=lambda keys: "-".join(map(str, keys)),
)
def test_every_method_lowers_the_loss(train, method):
    code, folder = train("run", **({"max_steps": 15, "learning_rate": 5e-3} | method))
    losses = [line["loss"] for line in lines(folder) if "loss" in line]
    assert code == 0 and sum(losses[-3:]) < sum(losses[:3]) - 0.05, losses


@pytest.mark.parametrize("keys", [{}, {"finetuning_type": "full"}, {"pissa_init": True}], ids=str)
def test_stop_and_resume_is_the_straight_run(train, keys, monkeypatch):
    _, straight = train("straight", num_train_epochs=3, max_steps=-1, **keys)
    asked = files.stop_requested
    monkeypatch.setattr(
        files, "stop_requested", lambda folder: asked(folder) or ("stop" if (folder / "at").exists() else None)
    )
    append = files.append_metrics

    def stop_at_five(folder, line):
        append(folder, line)
        if line["current_steps"] == 5 and folder.name == "halted":
            files.request_stop(folder)

    monkeypatch.setattr(files, "append_metrics", stop_at_five)
    code, halted = train("halted", num_train_epochs=3, max_steps=-1, **keys)
    assert code == 3
    stopped_at = max(line["current_steps"] for line in lines(halted))
    assert files.last_checkpoint(halted).name == f"checkpoint-{stopped_at}" and stopped_at < 12
    (halted / files.STOP).unlink()
    code, halted = train("halted", num_train_epochs=3, max_steps=-1, resume_from_checkpoint=True, **keys)
    assert code == 0
    name = "model.safetensors" if keys.get("finetuning_type") == "full" else "adapter_model.safetensors"
    expected, got = load_file(straight / name), load_file(halted / name)
    for key in expected:
        torch.testing.assert_close(got[key], expected[key], atol=1e-6, rtol=1e-5)
    by_step = {line["current_steps"]: line["loss"] for line in lines(halted) if "loss" in line}
    for line in lines(straight):
        if "loss" in line:
            assert by_step[line["current_steps"]] == pytest.approx(line["loss"], abs=1e-4)


def test_a_stop_during_evaluation_does_not_wait_for_its_end(train, monkeypatch):
    append = files.append_metrics

    def stop_soon(folder, line):
        append(folder, line)
        if line["current_steps"] == 2:
            (folder / "soon").touch()

    monkeypatch.setattr(files, "append_metrics", stop_soon)
    from studio.worker.train import callbacks

    stopper = callbacks.StopWish.on_prediction_step
    seen = []

    def once_evaluating(self, *args, **kwargs):
        if (self.folder / "soon").exists():
            files.request_stop(self.folder)
            seen.append(1)
        return stopper(self, *args, **kwargs)

    monkeypatch.setattr(callbacks.StopWish, "on_prediction_step", once_evaluating)
    code, folder = train("run", val_size=8, eval_strategy="steps", eval_steps=3, per_device_eval_batch_size=1)
    assert code == 3 and len(seen) == 1
    assert (folder / "checkpoint-3" / "trainer_state.json").is_file()
    assert not (folder / files.RESULT).exists()


def test_a_stop_in_the_last_evaluation_spares_it_and_the_run_is_finished(train, monkeypatch):
    from studio.worker.train import callbacks

    stopper = callbacks.StopWish.on_prediction_step

    def stop_now(self, *args, **kwargs):
        files.request_stop(self.folder)
        return stopper(self, *args, **kwargs)

    monkeypatch.setattr(callbacks.StopWish, "on_prediction_step", stop_now)
    code, folder = train("run", val_size=8)
    assert code == 0 and (folder / files.RESULT).is_file() and (folder / "adapter_model.safetensors").is_file()
    assert not (folder / "eval_results.json").exists()


def test_the_best_checkpoint_is_kept_and_early_stopping_stops(train):
    code, folder = train(
        "run",
        val_size=4,
        eval_strategy="steps",
        eval_steps=1,
        save_strategy="steps",
        save_steps=1,
        load_best_model_at_end=True,
        early_stopping_steps=2,
        learning_rate=10.0,
        max_steps=40,
        save_total_limit=1,
    )
    assert code == 0
    result = json.loads((folder / files.RESULT).read_text())
    losses = {line["current_steps"]: line["eval_loss"] for line in lines(folder) if "eval_loss" in line}
    assert result["steps"] < 40
    assert result["best_checkpoint"] == f"checkpoint-{min(losses, key=losses.get)}"


def test_rows_that_cannot_be_used_are_counted_and_an_empty_set_is_refused(train, tmp_path):
    (tmp_path / "data" / "sums.json").write_text(json.dumps([*ROWS[:8], {"instruction": "no answer", "output": ""}]))
    code, folder = train("run")
    report = json.loads((folder / files.DATA_REPORT).read_text())
    assert code == 0 and "9" in json.dumps(report)
    (tmp_path / "data" / "sums.json").write_text(json.dumps([{"instruction": "no answer", "output": ""}]))
    with pytest.raises(StudioError):
        train("other")


def test_a_loss_that_is_no_number_is_seen_and_the_log_stays_json(train):
    _, folder = train("run", finetuning_type="full", learning_rate=1e30, max_grad_norm=0)
    log = [line for line in lines(folder) if "grad_norm" in line or "loss" in line]
    assert any(line["loss"] is None for line in log)


def test_a_copy_of_the_folder_is_a_model_that_knows_its_template(train, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    _, folder = train("run", finetuning_type="full", template="llama3")
    moved = shutil.copytree(folder, tmp_path / "moved")
    tokenizer = AutoTokenizer.from_pretrained(moved)
    assert "<|start_header_id|>" in tokenizer.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False)
    assert AutoModelForCausalLM.from_pretrained(moved).num_parameters() > 0


@pytest.mark.parametrize("method", [{}, {"finetuning_type": "freeze", "freeze_trainable_layers": 1}], ids=str)
def test_end_tokens_that_the_model_lacks_are_learned_and_told(train, method, capfd):
    _, folder = train("run", template="llama3", max_steps=2, **method)
    assert "<|eot_id|>" in capfd.readouterr().out
    name, mark = ("model.safetensors", "") if method else ("adapter_model.safetensors", "modules_to_save")
    found = load_file(folder / name)
    rows = {key: found[key] for key in found if mark in key and ("embed_tokens" in key or "lm_head" in key)}
    assert len(rows) == 2 and all(len(weights) > 259 for weights in rows.values())
    _, more = train("more", template="llama3", max_steps=3, **method)
    assert all(not torch.equal(load_file(more / name)[key], weights) for key, weights in rows.items())
