"""Whole exports: what they leave and where, that nothing half stands there, that nothing is lost by accident."""

import json
import shutil
import subprocess
import zipfile
from types import SimpleNamespace

import pytest
import toy
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from studio.config import read_arguments
from studio.config.source import trained_result
from studio.errors import StudioError
from studio.runs import folder as files
from studio.worker.export import adapter as packed
from studio.worker.export import drafts, merge, recipe, shards

QUICK = {"verify_export": False}


@pytest.fixture
def trained(run_on):
    """The folder of a real training run of two steps, with scores."""
    rows = [{"instruction": f"What is {n}?", "input": "", "output": f"It is {n}."} for n in range(8)]
    code, folder = run_on("trained", rows, {}, max_steps=2, template="llama3", val_size=2)
    assert code == 0
    return folder


def test_a_run_becomes_a_model_an_adapter_and_a_card(trained, export, toy_model):
    (trained / files.JOB).write_text(_job_yaml(trained, toy_model), "utf-8")
    code, folder, result = export(trained, export_formats=["merged", "adapter"], license_name="apache-2.0")
    assert code == 0 and [(one["format"], one["ok"]) for one in result["verdicts"]] == [("merged", 1), ("adapter", 1)]
    assert {one["path"]: one["format"] for one in result["files"]}["adapter/adapter.zip"] == "adapter"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert "<|start_header_id|>" in tokenizer.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False)
    with zipfile.ZipFile(folder / "adapter" / "adapter.zip") as packed:
        assert {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json"} <= set(packed.namelist())
    card = (folder / "README.md").read_text("utf-8")
    assert card.startswith("---\nlicense: apache-2.0\n") and "`rows`, licence: cc-by-4.0" in card
    assert "| lora_rank | 4 |" in card and "eval_loss" in card and str(folder.parent) not in card
    summed = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, check=False)
    assert summed.returncode == 0
    assert "vllm serve .\n" in card and "--enable-lora" not in card, "vLLM takes no vocabulary that has grown"
    assert any(str(folder) in command for command in result["next"]) and result["peak_gib"] > 0


def _job_yaml(trained, toy_model):
    from studio.config import read_mapping

    data = trained.parent / "data"
    registered = json.loads((data / "dataset_info.json").read_text())
    registered["rows"]["license"] = "cc-by-4.0"
    (data / "dataset_info.json").write_text(json.dumps(registered))
    keys = {"model_name_or_path": str(toy_model), "dataset": "rows", "dataset_dir": str(data), "lora_rank": 4}
    return read_mapping("train", keys | {"output_dir": str(trained)}).job.to_yaml()


def test_vllm_is_named_for_an_adapter_that_it_takes(adapter, toy_model):
    config = AutoConfig.from_pretrained(toy_model)
    job = SimpleNamespace(model_name_or_path="~/my models/toy")

    def served(*folders):
        return packed.served(SimpleNamespace(adapters=folders, config=config), job)

    plain, wide, own = adapter("plain"), adapter("wide", r=20), adapter("own", modules_to_save=["lm_head"])
    assert served(plain) == ["vllm serve ~/'my models/toy' --enable-lora --lora-modules adapter={dir}"]
    assert "--enable-lora --max-lora-rank 32 --lora-modules" in served(wide)[0]
    assert served(own) == served(adapter("dora", use_dora=True)) == served(plain, wide) == []


def test_what_is_exported_twice_has_the_same_bytes(adapter, export, tmp_path):
    made, found = adapter("a"), []
    for _ in range(2):
        forms = {"export_formats": ["merged", "adapter", "gguf"], "export_size": 0.00004}
        _, out, result = export(made, overwrite_export_dir=True, **forms, **QUICK)
        found.append({one["path"]: one["sha256"] for one in result["files"]})
    assert found[0] == found[1] and len([name for name in found[0] if name.endswith(".safetensors")]) > 2
    with zipfile.ZipFile(out / "adapter" / "adapter.zip") as packed:
        assert {entry.date_time for entry in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)} and packed.testzip() is None


def test_a_full_fine_tune_is_exported_as_it_is(export, toy_model, tmp_path):
    base = shutil.copytree(toy_model, tmp_path / "drawing")
    settings = {"do_sample": False, "temperature": 0.6, "top_p": 0.9}  # as some hubs' models have it
    (base / "generation_config.json").write_text(json.dumps(settings))
    code, folder, result = export(infer_dtype="float16", model_name_or_path=str(base))
    assert json.loads((folder / "generation_config.json").read_text())["temperature"] == 0.6
    assert code == 0 and result["verdicts"][0]["ok"]
    assert AutoModelForCausalLM.from_pretrained(folder).dtype.itemsize == 2


def test_forms_stand_where_they_can_be_found(tmp_path):
    def place(form, *forms):
        return recipe.folder_of(form, forms, tmp_path).relative_to(tmp_path).as_posix()

    assert place("merged", "merged", "adapter") == "." and place("adapter", "merged", "adapter") == "adapter"
    assert place("adapter", "adapter") == "." and place("quantized", "quantized") == "."
    assert place("gguf", "gguf", "ollama") == "." and place("ollama", "merged", "gguf", "ollama") == "gguf"


def test_an_expected_sum_is_compared(adapter, export):
    made = adapter("a")
    _, _, result = export(made, **QUICK)
    weights = next(one["sha256"] for one in result["files"] if one["path"] == "model.safetensors")
    again = {"overwrite_export_dir": True, **QUICK}
    _, _, result = export(made, expected_sha256=f"sha256:{weights}  model.safetensors", **again)
    assert result["sha256"]["equal"] and result["sha256"]["found"] == weights
    _, _, result = export(made, expected_sha256="0" * 64, **again)
    assert not result["sha256"]["equal"] and result["sha256"]["found"] == weights


def test_a_folder_in_use_is_refused_and_replaced_only_when_asked(adapter, export, tmp_path):
    made, out = adapter("a"), tmp_path / "out"
    export(made, **QUICK)
    before = (out / "model.safetensors").stat().st_mtime_ns
    with pytest.raises(StudioError) as error:
        export(made, **QUICK)
    assert error.value.key == "export_dir_used" and (out / "model.safetensors").stat().st_mtime_ns == before
    (out / "notes.txt").write_text("mine")
    code, _, _ = export(made, overwrite_export_dir=True, **QUICK)
    assert code == 0 and not (out / "notes.txt").exists()
    (kept,) = tmp_path.glob("out.previous-*")
    assert [path.name for path in kept.iterdir()] == ["notes.txt"]
    (out / "job.yaml").touch()
    for folder in (made, tmp_path, tmp_path / "run", out, made / "adapter_config.json"):
        with pytest.raises(StudioError) as error:
            export(made, export_dir=str(folder), overwrite_export_dir=True, **QUICK)
        assert error.value.key == "export_dir_refused" and made.is_dir(), folder


def test_an_interrupted_export_leaves_nothing_that_looks_whole(adapter, export, tmp_path, monkeypatch):
    made, make = adapter("a"), merge.Plan.make

    def stop_at_the_norm(plan, name):
        if name == "model.norm.weight":
            files.request_stop(tmp_path / "run")
        return make(plan, name)

    monkeypatch.setattr(merge.Plan, "make", stop_at_the_norm)
    code, out, _ = export(made, **QUICK)
    assert code == 3 and not out.exists() and not (tmp_path / "out.part").exists()
    assert not (tmp_path / "run" / "result.json").exists()
    (tmp_path / "run" / "stop").unlink()
    monkeypatch.setattr(merge.Plan, "make", make)
    torn = tmp_path / "out.part"  # as a power cut leaves it
    torn.mkdir()
    (torn / drafts.MARK).touch()
    (torn / "model.safetensors").write_bytes(b"half")
    code, out, _ = export(made, **QUICK)
    assert code == 0 and not torn.exists() and shards.open_weights(out)


def test_a_disk_without_room_is_told_before_anything_is_written(adapter, export, tmp_path, monkeypatch):
    made = adapter("a")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 10**5))
    with pytest.raises(StudioError) as error:
        export(made, **QUICK)
    assert error.value.key == "export_no_room" and not (tmp_path / "out.part").exists()


def test_a_push_without_a_token_is_refused_at_once(export, monkeypatch):
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "MODELSCOPE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for hub in ("huggingface", "modelscope"):
        with pytest.raises(StudioError) as error:
            export(push_to_hub=True, export_hub_model_id="me/mine", push_hub=hub)
        assert error.value.key == "export_push_no_token"


def test_a_training_file_serves_an_export(adapter, toy_model, tmp_path):
    trained = adapter("trained")
    config = tmp_path / "train.yaml"
    config.write_text(f"model_name_or_path: {toy_model}\nstage: sft\ndo_train: true\ndataset: rows\n"
                      f"finetuning_type: lora\noutput_dir: {trained}\nlearning_rate: 1.0e-4\n")  # fmt: skip
    job = read_arguments("export", [str(config), "export_dir=out"]).job
    assert job.adapter_name_or_path == [str(trained)] == [str(trained_result(trained)[1])] and job.device == "cpu"


def test_pth_goes_there_and_back(export, adapter, tmp_path):
    from studio.worker.export import pth

    base = toy.build(tmp_path / "base", intermediate_size=88)
    code, folder, result = export(adapter("a", base), model_name_or_path=str(base), output_type="pth")
    names = {path.name for path in folder.iterdir()}
    assert code == 0 and result["verdicts"][0]["ok"] and {pth.WEIGHTS, pth.PARAMS} <= names
    assert "model.safetensors" not in names and "config.json" not in names
    params = json.loads((folder / pth.PARAMS).read_text())
    width = int(params.get("ffn_dim_multiplier", 1) * int(2 * 4 * params["dim"] / 3))
    assert -(-width // params["multiple_of"]) * params["multiple_of"] == 88 and params["n_kv_heads"] == 2
    with pytest.raises(StudioError) as error:
        other = toy.build(tmp_path / "qwen", architecture="Qwen2ForCausalLM")
        export(model_name_or_path=str(other), output_type="pth", overwrite_export_dir=True)
    assert error.value.key == "export_pth_not_llama"


def test_pth_of_what_the_original_code_has_no_word_for_is_refused():
    from transformers import LlamaConfig

    from studio.worker.export import pth

    linear = {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}
    other = pth.stretched(64) | {"rope_theta": 500000.0, "factor": 8.0}
    for keys in ({"rope_parameters": linear}, {"rope_parameters": other}, {"head_dim": 32}, {"hidden_act": "gelu"}):
        config = LlamaConfig(hidden_size=64, num_attention_heads=4, **keys)
        with pytest.raises(StudioError) as error:
            pth.check(SimpleNamespace(config=config), None)
        assert error.value.key == "export_pth_not_llama" and ": " in error.value.values["kind"]
    for rope in (pth.stretched(64) | {"rope_theta": 500000.0}, None):
        config = LlamaConfig(hidden_size=64, num_attention_heads=4, rope_parameters=rope)
        pth.check(SimpleNamespace(config=config), None)
