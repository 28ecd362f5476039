"""`python -m studio.worker DIR`: exit codes, and what the user is told."""

import json
import os
import subprocess
import sys

import pytest
import torch
from forking import fork

from studio.config import read_mapping
from studio.runs import endings
from studio.runs import folder as files
from studio.worker import __main__ as worker
from studio.worker.train import recipe


@pytest.fixture
def run_folder(job, tmp_path):
    """A folder with a job.yaml for three steps on four rows."""
    (tmp_path / "rows.json").write_text(json.dumps([{"instruction": "a", "output": "b" * n} for n in range(1, 5)]))
    folder = tmp_path / "run"
    folder.mkdir()
    made = job(dataset=str(tmp_path / "rows.json"), max_steps=3, device="cpu", num_samples=0, save_strategy="no")
    (folder / files.JOB).write_text(made.to_yaml(), "utf-8")
    return folder


def test_a_run_ends_with_zero(run_folder):
    command = [sys.executable, "-m", "studio.worker", str(run_folder)]
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert ended.returncode == 0, ended.stderr
    assert (run_folder / files.RESULT).is_file()


def test_a_full_disk_is_said_and_what_was_written_stays(run_folder):
    process = fork(run_folder, largest_file=9_000)
    process.join(60)
    assert process.exitcode == 4
    assert json.loads((run_folder / files.ERROR).read_text())["key"] == "disk_full"
    assert (run_folder / files.JOB).is_file()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9"
        ),
    ],
)
def test_out_of_memory_says_what_to_lower(run_folder, monkeypatch, error):
    monkeypatch.setattr(recipe.CausalTrainer, "training_step", lambda *args, **kwargs: raise_(error))
    assert worker.main([str(run_folder)]) == worker.USER_ERROR
    told = json.loads((run_folder / files.ERROR).read_text())
    assert told["key"] == "out_of_memory" and "per_device_train_batch_size" in told["text"]


def test_an_export_out_of_memory_says_what_helps_an_export(tmp_path, toy_model, monkeypatch):
    from studio.worker.export import merge

    job = read_mapping("export", {"model_name_or_path": str(toy_model), "device": "cpu"}).job
    (tmp_path / files.JOB).write_text(job.to_yaml())
    monkeypatch.setattr(merge, "write", lambda *_: raise_(torch.OutOfMemoryError("CUDA out of memory.")))
    assert worker.main([str(tmp_path)]) == worker.USER_ERROR
    told = json.loads((tmp_path / files.ERROR).read_text())
    assert told["key"] == "export_no_memory" and "verify_export" in told["text"]
    killed = endings.ending(tmp_path, -9, False).error
    assert killed["key"] == "export_no_memory" and "SIGKILL" in killed["text"]
    assert endings.ending(tmp_path, -15, True) == endings.Ending("stopped", -15, None), "it has no checkpoints"


def test_a_bug_keeps_its_traceback(run_folder, monkeypatch):
    monkeypatch.setattr(recipe, "run", lambda *args: raise_(ZeroDivisionError("a bug")))
    with pytest.raises(ZeroDivisionError):
        worker.main([str(run_folder)])
    assert not (run_folder / files.ERROR).exists()


@pytest.mark.parametrize(
    "keys, expected",
    [
        ({"model_name_or_path": "./nowhere"}, "model_path_missing"),
        ({"model_name_or_path": "builtin/starter"}, "starter_not_built"),
        ({"device": "npu"}, "torch_sees_no_device"),
        ({"fp16": True}, "fp16_needs_accelerator"),
        ({"adapter_name_or_path": "/nowhere"}, "adapter_missing"),
    ],
)
def test_wrong_input_is_named(run_folder, job, keys, expected):
    base = {"dataset": str(run_folder.parent / "rows.json"), "max_steps": 1, "num_samples": 0, "device": "cpu"}
    (run_folder / files.JOB).write_text(job(**(base | keys)).to_yaml(), "utf-8")
    assert worker.main([str(run_folder)]) == worker.USER_ERROR
    assert json.loads((run_folder / files.ERROR).read_text())["key"] == expected


def test_a_broken_model_folder_is_named(run_folder, job, tmp_path):
    import shutil

    base = json.loads(json.dumps({"dataset": str(tmp_path / "rows.json"), "max_steps": 1, "device": "cpu"}))
    broken = tmp_path / "broken"
    made = job(**base)
    shutil.copytree(made.model_name_or_path, broken)
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    (run_folder / files.JOB).write_text(job(**(base | {"model_name_or_path": str(broken)})).to_yaml(), "utf-8")
    assert worker.main([str(run_folder)]) == worker.USER_ERROR
    assert json.loads((run_folder / files.ERROR).read_text())["key"] == "model_not_loaded"


def raise_(error):
    raise error
