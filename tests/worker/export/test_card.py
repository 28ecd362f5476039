"""The model card tells what the files of the run, of the base and of evaluations tell, and nothing else."""

import json
import shutil

import pytest
import yaml

from studio.config import read_mapping
from studio.worker.export import card, source
from studio.worker.export.verify import Verdict
from studio.worker.progress import Progress


@pytest.fixture
def written(adapter, toy_model, tmp_path, home):
    """`written(**keys) -> (head, text)` of the card of an adapter that a run has trained."""
    base = shutil.copytree(toy_model, tmp_path / "base")
    (base / "README.md").write_text("---\nlicense: other\nlicense_name: toy-licence\n---\n# Base\n")
    made = adapter("trained", base)
    train = {"model_name_or_path": str(base), "dataset": "owner/set,identity", "output_dir": str(made), "lora_rank": 4}
    (made / "job.yaml").write_text(read_mapping("train", train).job.to_yaml())
    (made / "all_results.json").write_text(json.dumps({"train_loss": 0.5, "note": "text"}))
    scored = home / "saves" / "toy" / "evaluate" / "one"
    asked = {"model_name_or_path": str(base), "adapter_name_or_path": [str(made)], "task": "mini"}
    other = {**asked, "task": None, "eval_dataset": [str(tmp_path / "a|b.json")]}
    for folder, job in ((scored, asked), (scored.with_name("two"), other)):
        folder.mkdir(parents=True)
        (folder / "job.yaml").write_text(read_mapping("evaluate", job).job.to_yaml())
        (folder / "status.json").write_text(json.dumps({"kind": "evaluate", "state": "finished"}))
        (folder / "all_results.json").write_text(json.dumps({"Average": 61.79}))

    def write(**keys):
        named = {"model_name_or_path": str(base), "adapter_name_or_path": str(made)}
        job = read_mapping("export", named | keys).job
        found = source.find(job, Progress(tmp_path))
        verdicts = [Verdict("merged", True, 0.00012, True, 8, num_tokens=128, num_equal_tokens=128)]
        text = card.write(found, job, tmp_path, verdicts, ["vllm serve ."]).read_text("utf-8")
        return yaml.safe_load(text.split("---")[1]), text

    return write


def test_licences_data_settings_and_scores(written, tmp_path):
    head, text = written(export_dir=str(tmp_path / "my-model"))
    assert head["license"] == "toy-licence" and head["datasets"] == ["owner/set"] and "# my-model" in text
    assert head["tags"] == ["finetune-studio", "sft", "lora"] and "base_model" not in head
    assert "- licence: toy-licence" in text and "`identity`, licence: apache-2.0" in text
    assert "`owner/set`, licence: not stated" in text
    assert "| lora_rank | 4 |" in text and "| training | train_loss | 0.5 |" in text and "note" not in text
    assert "| mini | Average | 61.79 |" in text and "| merged | same | 0.00012 | 128 of 128 |" in text
    assert "| a\\|b.json | Average | 61.79 |" in text and str(tmp_path) not in text


def test_a_model_that_was_trained_whole_has_the_base_it_began_with(toy_model, tmp_path, home):
    base, whole = (shutil.copytree(toy_model, tmp_path / name) for name in ("base", "whole"))
    (base / "README.md").write_text("---\nlicense: mit\n---\n")
    train = {"dataset": "identity", "finetuning_type": "full", "output_dir": str(whole)}
    for name, licence in ((str(base), "mit"), ("owner/base", None)):
        (whole / "job.yaml").write_text(read_mapping("train", train | {"model_name_or_path": name}).job.to_yaml())
        job = read_mapping("export", {"model_name_or_path": str(whole)}).job
        text = card.write(source.find(job, Progress(tmp_path)), job, tmp_path, (), ()).read_text("utf-8")
        head = yaml.safe_load(text.split("---")[1])
        assert head.get("license") == licence and f"- licence: {licence or card.UNKNOWN}" in text
        assert f"- model: `{name if licence is None else 'base'}`" in text
        assert head.get("base_model") == (name if licence is None else None)


def test_a_licence_of_the_user_s_goes_first(written):
    assert written(license_name="mit")[0]["license"] == "mit"
