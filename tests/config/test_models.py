"""The catalogue: big enough, each id once and well formed, each template one that LLaMA-Factory names."""

import re
from collections import Counter
from dataclasses import FrozenInstanceError

import pytest

from studio.config import models

ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")

TEMPLATES = re.findall(
    r"\S+",
    """aeva alpaca bailing bailing_v2 breeze chatglm3 chatml chatml_de cohere cpm4 dbrx deepseek deepseek3
    deepseekcoder deepseekr1 default dots_ocr empty ernie ernie_nothink ernie_vl exaone falcon falcon_h1 fewshot gemma
    gemma2 gemma3 gemma3n gemma4 gemma4n glm4 glm4_5v glm4_7 glm4_moe glm4v glm_ocr glmz1 gpt_oss granite3
    granite3_vision granite4 hunyuan hunyuan_small hy3 hy_dense_1_8b hy_dense_7b index intern2 intern_s1 intern_vl
    keye_vl kimi_vl lfm2 lfm2_vl llama2 llama2_zh llama3 llama4 llava llava_next llava_next_llama3 llava_next_mistral
    llava_next_qwen llava_next_video llava_next_video_mistral llava_next_video_yi llava_next_yi mimo mimo_v2 mimo_vl
    minicpm_o minicpm_v minicpm_v_4_6 minimax1 minimax2 ministral ministral3 mistral mistral_small mllama moonlight
    moss_vl olmo openchat openchat-3.6 opencoder paligemma paligemma_chat phi phi4 phi4_mini phi_small pixtral qwen
    qwen2_audio qwen2_omni qwen2_vl qwen3 qwen3_5 qwen3_5_nothink qwen3_6 qwen3_nothink qwen3_omni qwen3_omni_nothink
    qwen3_vl qwen3_vl_nothink sailor seed_coder seed_oss smollm smollm2 solar starchat telechat2 vicuna video_llava
    xuanyuan yi yi_vl youtu youtu_vl yuan zephyr""",
)

ALL = [model for family in models.load() for model in family.models]


def test_it_is_big_enough():
    assert len(TEMPLATES) == 124
    assert len(models.load()) >= 40 and all(family.models for family in models.load())
    assert len(ALL) >= 120
    assert sum(model.ms is not None for model in ALL) >= 120


def test_titles_names_and_ids_stand_once():
    families = Counter(family.title for family in models.load())
    names = Counter(model.name.lower() for model in ALL)
    hub_ids = Counter(id.lower() for model in ALL for id in {model.hf, *model.also} if id)
    modelscope_ids = Counter(model.ms.lower() for model in ALL if model.ms)
    for counts in (families, names, hub_ids, modelscope_ids):
        assert [key for key, count in counts.items() if count > 1] == []


def test_each_entry_is_well_formed():
    for model in ALL:
        assert model.hf or model.ms, model
        assert all(ID.fullmatch(id) for id in (model.hf, model.ms, *model.also) if id is not None), model
        assert model.template is None or model.template in TEMPLATES, model
        assert model.parameters_b is None or 0.01 < model.parameters_b < 5000, model
        assert model.context is None or (type(model.context) is int and 512 <= model.context <= 20_000_000), model
        assert type(model.base) is bool and type(model.gated) is bool, model


def test_a_model_is_found_by_either_id_its_old_id_or_its_name_in_any_case():
    model = models.find("meta-llama/Llama-3.2-1B-Instruct")
    assert (model.ms, model.family, model.gated) == ("LLM-Research/Llama-3.2-1B-Instruct", "Llama 3.2", True)
    assert models.find("llm-research/llama-3.2-1b-instruct") is model
    assert models.find(" Llama-3.2-1B-Instruct ") is model
    assert models.find("meta-llama/Meta-Llama-3.1-8B").hf == "meta-llama/Llama-3.1-8B"
    assert models.find("nobody/nothing") is None and models.find("/some/folder") is None


def test_a_model_takes_its_familys_template_unless_it_has_its_own():
    assert models.template_of("Qwen/Qwen3-0.6B") == "qwen3"
    assert models.template_of("Qwen/Qwen3-4B-Instruct-2507") == "qwen3_nothink"
    assert models.template_of("deepseek-ai/DeepSeek-V3.2") is None  # its family has one, this model does not
    assert models.template_of("nobody/nothing") is None


def test_entries_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        models.load()[0].title = "x"
