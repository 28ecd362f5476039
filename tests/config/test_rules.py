"""Rules between keys: each broken one is a problem at its key."""

import pytest

from studio.config import ConfigError, read_mapping

LEAST = {"model_name_or_path": "m", "dataset": "a,b"}
EVALUATED = {"val_size": 0.1, "eval_strategy": "steps", "eval_steps": 50}


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({"model_name_or_path": None}, {"model_name_or_path": "missing"}),
        ({"dataset": []}, {"dataset": "missing"}),
        ({"dataset_dir": "ONLINE"}, {"dataset_dir": "not_available_yet"}),
        ({"dataset_dir": "REMOTE:me/sets"}, {"dataset_dir": "not_available_yet"}),
        ({"adapter_name_or_path": "x", "finetuning_type": "full"}, {"adapter_name_or_path": "needs"}),
        ({"fp16": True, "bf16": True}, {"fp16": "conflict"}),
        ({"fp16": True, "pure_bf16": True}, {"fp16": "conflict"}),
        ({"bf16": False, "pure_bf16": True}, {"bf16": "conflict"}),
        ({"mask_history": True, "train_on_prompt": True}, {"mask_history": "conflict"}),
        ({"mask_history": True, "stage": "pt"}, {"mask_history": "needs"}),
        ({"val_size": 0.1, "eval_dataset": "c"}, {"val_size": "conflict"}),
        ({"packing": True}, {"packing": "not_available_yet"}),
        ({"devices": "0,1"}, {"devices": "not_available_yet"}),
        ({"val_size": 1.5}, {"val_size": "share_or_count"}),
        ({"interleave_probs": "0.5,0.5"}, {"interleave_probs": "conflict"}),
        ({"interleave_probs": "1", "mix_strategy": "interleave_under"}, {"interleave_probs": "one_for_each"}),
        ({"interleave_probs": "0.5,0.6", "mix_strategy": "interleave_over"}, {"interleave_probs": "sum_to_one"}),
        ({"eval_strategy": "epoch"}, {"eval_strategy": "needs"}),
        ({"do_eval": True}, {"do_eval": "needs"}),
        ({"early_stopping_steps": 3}, {"early_stopping_steps": "needs"}),
        ({"load_best_model_at_end": True}, {"load_best_model_at_end": "needs"}),
        ({"save_strategy": "best"}, {"save_strategy": "needs"}),
        ({"lr_scheduler_type": "reduce_lr_on_plateau"}, {"lr_scheduler_type": "needs"}),
        ({"lr_scheduler_type": "cosine_with_min_lr"}, {"lr_scheduler_type": "needs"}),
        ({"eval_on_each_dataset": True}, {"eval_on_each_dataset": "needs"}),
        (EVALUATED | {"load_best_model_at_end": True, "save_steps": 70}, {"save_steps": "not_a_multiple"}),
        (EVALUATED | {"load_best_model_at_end": True, "save_strategy": "epoch"}, {"save_strategy": "needs"}),
        ({"logging_steps": 2.5}, {"logging_steps": "share_or_count"}),
        ({"do_train": False}, {"do_train": "only_training"}),
    ],
)
def test_a_broken_rule(keys, wanted):
    with pytest.raises(ConfigError) as caught:
        read_mapping("train", LEAST | keys)
    assert {it.key: it.code for it in caught.value.problems} == wanted
    assert next(iter(wanted)) in str(caught.value)


@pytest.mark.parametrize(
    "keys",
    [
        EVALUATED | {"load_best_model_at_end": True, "save_steps": 150, "early_stopping_steps": 2},
        EVALUATED | {"load_best_model_at_end": True, "save_strategy": "best"},
        {"eval_dataset": "c", "do_eval": True, "eval_on_each_dataset": True},
        {"interleave_probs": "0.7,0.3", "mix_strategy": "interleave_under"},
        {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr": 1e-6}},
        {"tokenized_path": "rows", "dataset": None},
        {"val_size": 200, "save_steps": 0.1},
        {"warmup_steps": 0.03},
    ],
)
def test_what_is_allowed(keys):
    assert read_mapping("train", LEAST | keys).job
