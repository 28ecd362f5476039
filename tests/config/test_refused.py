"""Features that are not built: their keys are errors only where they ask for something."""

import json

import pytest

from studio.config import ConfigError, read_arguments, read_mapping

LEAST = {"model_name_or_path": "m", "dataset": "a"}


@pytest.mark.parametrize(
    ("key", "off", "on"),
    [
        ("shift_attn", [False, "false", None, "null"], True),
        ("quantization_device_map", [None, "none", ""], "auto"),
        ("pref_bco_weight", [0, 0.0, "0.0"], 0.5),
        ("deepspeed", [None, ""], "ds_z2.json"),
        ("fsdp", [None, "", False, []], "full_shard"),
        ("init_special_tokens", ["noise_init"], "desc_init"),
        ("ignore_pad_token_for_loss", [True, "true"], False),
        ("ray_num_workers", [1, "1"], 2),
    ],
)
def test_a_switch_may_be_off(key, off, on):
    for value in off:
        assert [it.code for it in read_mapping("train", LEAST | {key: value}).notices] == ["off_anyway"]
    with pytest.raises(ConfigError) as caught:
        read_mapping("train", LEAST | {key: on})
    assert [(it.key, it.code) for it in caught.value.problems] == [(key, "not_available_yet")]


@pytest.mark.parametrize(
    ("key", "code"),
    [("image_max_pixels", "text_only"), ("export_dir", "other_command"), ("swanlab_api_key", "part_of_off")],
)
def test_what_belongs_elsewhere_is_passed_over(key, code):
    notice = read_mapping("train", LEAST | {key: "SECRET"}).notices[0]
    assert (notice.code, notice.values["keys"]) == (code, key)


@pytest.mark.parametrize(
    ("key", "value"), [
        ("stage", "rm"),
        ("stage", "PPO"),
        ("finetuning_type", "oft"),
        ("optim", "paged_adamw_8bit"),
        ("quantization_method", "hqq"),
        ("pref_loss", "kto_pair"),
    ],
)
def test_a_later_choice_is_not_available_yet(key, value):
    with pytest.raises(ConfigError) as caught:
        read_mapping("train", LEAST | {key: value})
    assert [(it.key, it.code) for it in caught.value.problems] == [(key, "not_available_yet")]


@pytest.mark.parametrize(("content", "passes"), [
    ({"train_batch_size": "auto", "bf16": {"enabled": "auto"}, "zero_optimization": {"stage": 0}}, True),
    ({"zero_optimization": {"stage": 3, "overlap_comm": True, "offload_param": {"device": "none"}}}, True),
    ({"zero_optimization": {"stage": 2, "offload_optimizer": {"device": "cpu", "pin_memory": True}}}, False),
    ({"zero_optimization": {"stage": 2, "cpu_offload": True}}, False),
    ({"zero_optimization": {"stage": 0}, "optimizer": {"type": "OneBitAdam"}}, False),
    ({"zero_optimization": "2"}, False),
    ([], False),
])
def test_deepspeed_that_only_shares_is_passed_over_on_one_device(tmp_path, content, passes):
    (tmp_path / "ds.json").write_text(json.dumps(content))
    words = ["model_name_or_path=m", "dataset=a", f"deepspeed={tmp_path / 'ds.json'}"]
    if passes:
        told = {notice.code: notice.values["keys"] for notice in read_arguments("train", words).notices}
        assert told == {"one_device": "deepspeed"}
        words.append("devices=0,1")
    with pytest.raises(ConfigError) as caught:
        read_arguments("train", words)
    assert caught.value.problems[0].key == ("devices" if passes else "deepspeed")
