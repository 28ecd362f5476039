"""What is trained of a model: adapters new, continued and merged; frozen layers; PiSSA made plain again."""

import json

import pytest
import torch
import toy
from transformers import AutoModelForCausalLM

from studio.errors import StudioError
from studio.worker import adapters, place


def prepared(job, folder, **keys):
    wanted = job(device="cpu", **keys)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(wanted.model_name_or_path)
    return adapters.prepare(model, wanted, place.choose(wanted), folder), wanted


def trained_names(model):
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def test_lora_on_all_linear_layers_leaves_the_head_alone(job, tmp_path):
    names = trained_names(prepared(job, tmp_path, lora_target="all")[0])
    assert len(names) == 2 * 2 * 7 and not any("lm_head" in name for name in names)


def test_additional_target_is_trained_whole(job, tmp_path):
    names = trained_names(prepared(job, tmp_path, lora_target="q_proj", additional_target="embed_tokens,lm_head")[0])
    assert sum("modules_to_save" in name for name in names) == 2


def test_alpha_is_twice_the_rank_unless_said(job, tmp_path):
    assert prepared(job, tmp_path)[0].peft_config["default"].lora_alpha == 8


def test_a_lora_target_that_does_not_exist_is_named(job, tmp_path):
    with pytest.raises(StudioError) as caught:
        prepared(job, tmp_path, lora_target="wqkv")
    assert caught.value.key == "lora_target_missing" and "wqkv" in str(caught.value)


@pytest.mark.parametrize("layers, expected", [(1, {"1"}), (-1, {"0"}), (2, {"0", "1"})])
def test_freeze_trains_the_last_or_first_layers(job, tmp_path, layers, expected):
    model, _ = prepared(job, tmp_path, finetuning_type="freeze", freeze_trainable_layers=layers)
    assert {name.split(".")[2] for name in trained_names(model)} == expected


def test_freeze_by_module_and_extra(job, tmp_path):
    model, _ = prepared(
        job,
        tmp_path,
        finetuning_type="freeze",
        freeze_trainable_layers=1,
        freeze_trainable_modules="mlp",
        freeze_extra_modules="lm_head",
    )
    names = trained_names(model)
    assert "lm_head.weight" in names and all(".mlp." in name for name in names if name != "lm_head.weight")


def test_freeze_names_the_modules_there_are(job, tmp_path):
    with pytest.raises(StudioError) as caught:
        prepared(job, tmp_path, finetuning_type="freeze", freeze_trainable_modules="attn")
    assert "self_attn" in str(caught.value)


def test_an_adapter_of_another_base_model_is_refused(job, tmp_path, toy_model):
    prepared(job, tmp_path)[0].save_pretrained(tmp_path / "adapter")
    other = toy.build(tmp_path / "other", hidden_size=64)
    with pytest.raises(StudioError) as caught:
        prepared(job, tmp_path, model_name_or_path=str(other), adapter_name_or_path=str(tmp_path / "adapter"))
    assert caught.value.key == "adapter_of_another_model"


def test_the_last_adapter_is_continued_and_those_before_it_are_merged(job, tmp_path):
    logits, ids = [], torch.tensor([[5, 6, 7]])
    for name in ("one", "two"):
        model, _ = prepared(job, tmp_path)
        torch.manual_seed(len(name + name[0]) + ord(name[0]))
        for parameter in model.parameters():
            if parameter.requires_grad:
                torch.nn.init.normal_(parameter, std=0.1)
        model.save_pretrained(tmp_path / name)
        logits.append(model.eval()(ids).logits)
    both, _ = prepared(job, tmp_path, adapter_name_or_path=f"{tmp_path / 'one'},{tmp_path / 'two'}")
    assert len(trained_names(both)) == 28
    with both.disable_adapter():
        torch.testing.assert_close(both.eval()(ids).logits, logits[0], atol=1e-5, rtol=1e-4)
    assert not torch.allclose(both(ids).logits, logits[1], atol=1e-3)


def test_pissa_becomes_a_plain_adapter_on_the_unchanged_base(job, tmp_path, toy_model):
    model, wanted = prepared(job, tmp_path, pissa_init=True)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += 0.01 * torch.randn_like(parameter)
    ids = torch.tensor([[5, 6, 7]])
    trained = model.eval()(ids).logits
    adapters.finish(model, wanted, tmp_path)
    from peft import PeftModel

    again = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(toy_model), tmp_path).eval()
    torch.testing.assert_close(again(ids).logits, trained, atol=1e-4, rtol=1e-3)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["init_lora_weights"] is True
