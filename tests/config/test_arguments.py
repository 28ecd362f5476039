"""The command line: files, flags and assignments in the ways people write them."""

from pathlib import Path

import pytest

from studio.config import ConfigError, read_arguments
from studio.config.arguments import parse


def values(*argv):
    return parse(argv).values


def test_a_file_comes_first_or_by_config():
    assert parse(["my.yaml", "seed=1"]).file == parse(["--config", "my.yaml", "seed=1"]).file == Path("my.yaml")
    assert parse(["--seed", "1", "--config=a=b.json"]).file == Path("a=b.json")
    assert parse(["seed=1"]).file is None


def test_all_ways_to_give_a_value():
    assert values("seed=1", "--data_seed", "2", "--max_steps=-1", "--lora-rank", "4") == {
        "seed": "1", "data_seed": "2", "max_steps": "-1", "lora_rank": "4",
    }  # fmt: skip
    assert values("--max_steps", "-1")["max_steps"] == "-1"
    assert values("output_dir=a=b", "--default_system", "x=y z") == {"output_dir": "a=b", "default_system": "x=y z"}


def test_a_switch_stands_alone_or_takes_a_yes_or_no():
    assert values("--plot_loss", "--fp16", "False", "--do_train", "seed=1", "--no_use_reentrant_gc") == {
        "plot_loss": "true", "fp16": "False", "do_train": "true", "seed": "1", "use_reentrant_gc": "false",
    }  # fmt: skip
    assert values("--group_by_length", "seed=1") == {"group_by_length": "true", "seed": "1"}
    assert values("--packing", "--streaming", "no") == {"packing": "true", "streaming": "no"}
    assert values("--no_cuda") == {"no_cuda": "true"}


def test_a_list_takes_several_words():
    assert values("--lora_target", "q_proj", "v_proj", "--dataset", "a,b", "seed=1") == {
        "lora_target": ["q_proj", "v_proj"], "dataset": "a,b", "seed": "1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("argv", "key", "code"),
    [
        (["seed=1", "hello"], "hello", "unexpected_word"),
        (["--lora_rank"], "--lora_rank", "no_value"),
        (["--template", "--seed", "1"], "--template", "no_value"),
        (["--config"], "--config", "no_value"),
        (["--seed", "1", "2"], "2", "unexpected_word"),
    ],
)
def test_a_word_out_of_place(argv, key, code):
    with pytest.raises(ConfigError) as caught:
        parse(argv)
    assert [(it.key, it.code) for it in caught.value.problems] == [(key, code)]
    assert key in str(caught.value)


def test_flags_alone_make_a_job():
    argv = "--stage sft --do_train --model_name_or_path m --dataset a,identity --dataset_dir ./data --template qwen "
    argv += "--finetuning_type lora --output_dir out --overwrite_cache --overwrite_output_dir --cutoff_len 1024 "
    argv += "--preprocessing_num_workers 16 --per_device_eval_batch_size 1 --max_samples 20 --learning_rate 1e-4 --bf16"
    job = read_arguments("train", argv.split()).job
    assert (job.dataset, job.template, job.overwrite_output_dir, job.bf16) == (["a", "identity"], "qwen", True, True)
    assert (job.cutoff_len, job.max_samples, job.learning_rate) == (1024, 20, 1e-4)


def test_train_with_do_predict_alone_is_an_evaluation():
    argv = "--stage sft --do_predict --model_name_or_path m --adapter_name_or_path a --dataset b,identity "
    argv += "--dataset_dir ./data --template qwen --finetuning_type lora --output_dir out --overwrite_cache "
    argv += "--overwrite_output_dir --cutoff_len 1024 --preprocessing_num_workers 16 --per_device_eval_batch_size 1 "
    argv += "--max_samples 20 --predict_with_generate"
    reading = read_arguments("train", argv.split())
    job = reading.job
    assert (job.kind, job.output_dir, job.overwrite_output_dir) == ("evaluate", "out", True)
    assert (job.dataset, job.adapter_name_or_path) == (["b", "identity"], ["a"])
    assert "predicts" in {notice.code for notice in reading.notices}


def test_an_evaluation_takes_the_run_of_a_training_file_and_its_own_folder_from_another(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "adapter_config.json").write_text("{}")
    words = f"model_name_or_path: m\ndataset: a\noutput_dir: {tmp_path / 'run'}\n"
    (tmp_path / "trains.yaml").write_text(words + "do_train: true\n")
    (tmp_path / "predicts.yaml").write_text(words + "do_predict: true\n")
    trained = read_arguments("evaluate", [str(tmp_path / "trains.yaml")]).job
    assert (trained.adapter_name_or_path, trained.output_dir) == ([str(tmp_path / "run")], None)
    predicted = read_arguments("evaluate", [str(tmp_path / "predicts.yaml")]).job
    assert (predicted.adapter_name_or_path, predicted.output_dir) == ([], str(tmp_path / "run"))
    exported = read_arguments("export", [str(tmp_path / "trains.yaml"), "--export_dir", "x"]).job
    assert (exported.adapter_name_or_path, exported.export_dir) == ([str(tmp_path / "run")], "x")


def test_an_evaluation_of_a_run_holds_back_what_its_training_did(tmp_path):
    trained = read_arguments("train", ["model_name_or_path=m", "dataset=a", "val_size=0.1", "seed=7"]).job
    (tmp_path / "job.yaml").write_text(trained.to_yaml())
    job = read_arguments("evaluate", [str(tmp_path / "job.yaml")]).job
    assert (job.seed, job.val_size, job.dataset) == (7, 0.1, ["a"])


def test_judged_rows_are_asked_as_conversations(tmp_path):
    (tmp_path / "dpo.yaml").write_text("model_name_or_path: m\nstage: dpo\ndataset: a\nval_size: 0.1\n")
    reading = read_arguments("evaluate", [str(tmp_path / "dpo.yaml")])
    assert (reading.job.stage, reading.job.held_back_of) == ("sft", str(tmp_path / "dpo.yaml"))
    assert "asked_as_conversations" in [notice.code for notice in reading.notices]
    with pytest.raises(ConfigError, match="stage"):
        read_arguments("evaluate", [str(tmp_path / "dpo.yaml"), "stage=dpo"])


def test_the_starter_is_built_by_a_job():
    assert read_arguments("build", ["what=starter", "--output_dir", "x"]).job.what == "starter"
    with pytest.raises(ConfigError, match="model_name_or_path"):
        read_arguments("build", ["what=download"])
    with pytest.raises(ConfigError, match="lora_rank: there is no such key"):
        read_arguments("build", ["what=starter", "lora_rank=8"])
