"""A merged model says what the base with its adapters says, whatever kind of adapter, and in their order."""

import json

import pytest
import torch
import toy
from peft import PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from studio.errors import StudioError

UNPROVEN = {"verify_export": False}  # here by hand
IDS = torch.tensor([[5, 80, 33, 101, 7, 250, 12]])


def logits(model):
    with torch.inference_mode():
        return model.eval()(input_ids=IDS).logits


def loaded(folder, **keys):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **keys)


KINDS = {
    "plain": {},
    "rslora": {"use_rslora": True},
    "dora": {"use_dora": True},
    "patterns": {"rank_pattern": {"q_proj": 8}, "alpha_pattern": {"q_proj": 32}},
    "bias": {"bias": "lora_only"},
    "embeddings": {"target_modules": ["embed_tokens", "q_proj"]},
    "head": {"target_modules": ["lm_head", "q_proj"]},
    "saved": {"target_modules": ["q_proj", "v_proj"], "modules_to_save": ["embed_tokens", "lm_head"]},
}


@pytest.mark.parametrize("tied", [False, True], ids=["apart", "tied"])
def test_every_kind_of_adapter_gives_its_logits(adapter, export, tmp_path, tied):
    base, again = toy.build(tmp_path / "base", tie_word_embeddings=tied), {"overwrite_export_dir": True, **UNPROVEN}
    for name, keys in KINDS.items():
        made = adapter(name, base, **keys)
        code, folder, result = export(made, model_name_or_path=str(base), **again)
        assert code == 0 and result["facts"]["merged"]["by"] == "studio", name
        expected = logits(PeftModel.from_pretrained(loaded(base), made))
        torch.testing.assert_close(logits(loaded(folder)), expected, atol=1e-5, rtol=1e-4, msg=name)
        assert not torch.allclose(logits(loaded(base)), expected, atol=1e-3), name


def test_gpt2_whose_weights_lie_the_other_way_round(adapter, export, tmp_path):
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512}
    base = toy.build(tmp_path / "base", architecture="GPT2LMHeadModel", **sizes)
    made = adapter("turned", base, target_modules=["c_attn"], fan_in_fan_out=True)
    code, folder, result = export(made, model_name_or_path=str(base), **UNPROVEN)
    assert code == 0 and result["facts"]["merged"]["by"] == "studio"
    torch.testing.assert_close(logits(loaded(folder)), logits(PeftModel.from_pretrained(loaded(base), made)))


def test_an_adapter_of_another_kind_is_merged_by_peft(toy_model, export, tmp_path):
    from peft import LoHaConfig

    made = tmp_path / "loha"
    model = get_peft_model(loaded(toy_model), LoHaConfig(task_type="CAUSAL_LM", r=2, target_modules=["q_proj"],
                                                         init_weights=False))  # fmt: skip
    model.save_pretrained(made)
    code, folder, result = export(made)
    assert code == 0 and result["verdicts"][0]["ok"] and result["facts"]["merged"]["by"] == "peft"
    torch.testing.assert_close(logits(loaded(folder)), logits(model), atol=1e-5, rtol=1e-4)


def test_the_order_of_adapters_matters_and_vocabularies_of_different_size_grow(adapter, export, toy_model, tmp_path):
    """As LLaMA-Plus, then Alpaca-Plus: each brings embeddings of its own, the second one row more."""
    whole = {"target_modules": ["q_proj", "v_proj"], "modules_to_save": ["embed_tokens", "lm_head"]}
    rows = loaded(toy_model).config.vocab_size
    plus, alpaca = (adapter(name, seed=seed, rows=rows + seed, **whole) for name, seed in (("plus", 1), ("alpaca", 2)))
    tokenizer = AutoTokenizer.from_pretrained(toy_model)
    tokenizer.add_tokens(["<one>", "<two>"])
    tokenizer.save_pretrained(alpaca)
    code, folder, result = export(plus, alpaca)
    merged = loaded(folder)
    assert code == 0 and result["verdicts"][0]["ok"] and merged.config.vocab_size == rows + 2
    assert len(AutoTokenizer.from_pretrained(folder)) == rows + 2
    step = loaded(toy_model)
    step.resize_token_embeddings(rows + 1)
    step = PeftModel.from_pretrained(step, plus).merge_and_unload()
    step.resize_token_embeddings(rows + 2)
    torch.testing.assert_close(logits(merged), logits(PeftModel.from_pretrained(step, alpaca)), atol=1e-5, rtol=1e-4)
    _, folder, _ = export(alpaca, plus, overwrite_export_dir=True, **UNPROVEN)
    other = logits(loaded(folder))[..., :rows]
    assert not torch.allclose(other, logits(merged)[..., :rows], atol=1e-3)


def test_weights_are_split_by_size_and_come_in_the_dtype_that_was_asked_for(adapter, export):
    code, folder, result = export(adapter("a"), export_size=0.00004, infer_dtype="bfloat16")
    files = sorted(folder.glob("*.safetensors"))
    assert code == 0 and len(files) > 1 and result["verdicts"][0]["ok"]
    assert all(path.stat().st_size < 45_000 for path in files)
    tensors = {name: tensor for path in files for name, tensor in load_file(path).items()}
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}
    index = json.loads((folder / "model.safetensors.index.json").read_text("utf-8"))
    assert set(index["weight_map"]) == set(tensors)
    assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in tensors.values())
    assert AutoModelForCausalLM.from_pretrained(folder).dtype == torch.bfloat16


def test_an_adapter_of_another_model_is_named_with_both_shapes(adapter, export, tmp_path):
    base = toy.build(tmp_path / "wider", hidden_size=64)
    with pytest.raises(StudioError) as error:
        export(adapter("a"), model_name_or_path=str(base))
    assert error.value.key == "export_adapter_misfit" and not (tmp_path / "out").exists()
    assert "32" in str(error.value) and "64" in str(error.value) and "layers.0" in str(error.value)


def test_a_base_of_another_name_is_told(adapter, export, tmp_path, capsys):
    made = adapter("a")
    for name, said in (("toy", False), ("other", True)):
        base = toy.build(tmp_path / name)
        config = json.loads((made / "adapter_config.json").read_text())
        (made / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": "owner/toy"}))
        code, _, _ = export(made, model_name_or_path=str(base), verify_export=False, overwrite_export_dir=True)
        assert code == 0 and ("was trained on owner/toy" in capsys.readouterr().out) == said


def test_an_unfinished_pissa_adapter_and_a_quantised_base_are_refused(adapter, export, toy_model, tmp_path):
    made = adapter("a")
    config = json.loads((made / "adapter_config.json").read_text())
    (made / "adapter_config.json").write_text(json.dumps(config | {"init_lora_weights": "pissa_niter_16"}))
    with pytest.raises(StudioError) as error:
        export(made)
    assert error.value.key == "export_adapter_unfinished"
    base = toy.build(tmp_path / "few")
    config = json.loads((base / "config.json").read_text())
    few = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    (base / "config.json").write_text(json.dumps(config | {"quantization_config": few}))
    with pytest.raises(StudioError) as error:
        export(model_name_or_path=str(base))
    assert error.value.key == "export_base_quantized"
