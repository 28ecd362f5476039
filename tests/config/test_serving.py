"""A server's job: its own keys, the names its users know, and a training file read for serving."""

from pathlib import Path

import pytest

from studio.config import (
    Alias,
    ConfigError,
    Field,
    PassThrough,
    Refused,
    ServeJob,
    TrainJob,
    fields,
    read_arguments,
    read_mapping,
    read_run,
    resolve,
)  # fmt: skip
from studio.config.job import JOBS
from studio.text import catalogue, languages

FILES = Path(__file__).parent / "files"
NAMES = [line for line in (Path(__file__).parent / "llamafactory_names.txt").read_text().splitlines() if line[:1] > "#"]


def told(reading):
    """code → keys of the notices; each has words in every language."""
    for language in languages():
        assert all("{" not in notice.text(catalogue(language)) for notice in reading.notices)
    return {notice.code: notice.values.get("keys", notice.values.get("path")) for notice in reading.notices}


def codes(caught):
    assert all("{" not in caught.value.text(catalogue(language)) for language in languages())
    return {(it.key, it.code) for it in caught.value.problems}


def write(file, words):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(words, "utf-8")
    return str(file)


@pytest.fixture
def trained(home):
    """trained("adapter_config.json", …): a run's folder with these files."""
    def make(*names, at="saves/m/lora/r"):
        for name in names:
            write(home / at / name, "{}")
        return home / at

    return make


def test_the_defaults_are_those_of_llamafactory():
    job = ServeJob(model_name_or_path="m")
    assert (job.do_sample, job.temperature, job.top_p, job.top_k, job.max_new_tokens) == (True, 0.95, 0.7, 50, 1024)
    assert (job.infer_backend, job.infer_dtype, job.vllm_maxlen) == ("huggingface", "auto", 4096)
    assert (job.api_host, job.api_port, job.max_concurrent, job.max_waiting, job.idle_s) == ("127.0.0.1", 0, 8, 64, 30)


def test_training_keeps_its_own_defaults():
    assert (fields(TrainJob)["max_new_tokens"].default, fields(TrainJob)["do_sample"].default) == (128, False)


@pytest.mark.parametrize("name", NAMES)
def test_each_name_of_llamafactory_means_something_to_a_server(name):
    assert isinstance(resolve(name, "serve"), Field | PassThrough | Alias | Refused)


@pytest.mark.parametrize("name", fields(TrainJob))
def test_each_key_of_training_is_known(name):
    assert isinstance(resolve(name, "serve"), Field | Refused)


@pytest.mark.parametrize(("given", "wanted"), [
    ("--base_model m --lora_model a,b --tokenizer_path t --gpus 0 --load_in_8bit",
     {"model_name_or_path": "m", "adapter_name_or_path": ["a", "b"], "tokenizer_name_or_path": "t", "devices": [0],
      "quantization_bit": 8}),
    ("--model_name_or_path m --peft_path a --only_cpu --load_in_kbits 4",
     {"adapter_name_or_path": ["a"], "device": "cpu", "quantization_bit": 4}),
    ("--model_name_or_path m --infer_backend vllm --vllm_dtype float16 --use_cache False --vllm_enforce_eager",
     {"infer_backend": "vllm", "infer_dtype": "float16", "use_kv_cache": False, "vllm_enforce_eager": True}),
    ("--model_name_or_path m --torch_dtype torch.bfloat16 --checkpoint_dir a --use_vllm --port 7007",
     {"infer_dtype": "bfloat16", "adapter_name_or_path": ["a"], "infer_backend": "vllm", "api_port": 7007}),
    ('--model_name_or_path m --vllm_config {"max_num_seqs":64} --sglang_config.mem 1',
     {"vllm_config": {"max_num_seqs": 64}, "sglang_config": {"mem": 1}}),
    ("--model_name_or_path m --dtype auto --system_prompt Hello --num_beams 1 --length_penalty 1",
     {"infer_dtype": "auto", "default_system": "Hello"}),
])  # fmt: skip
def test_names_that_users_know(given, wanted):
    job = read_arguments("serve", given.split()).job
    assert {key: getattr(job, key) for key in wanted} == wanted


@pytest.mark.parametrize(("keys", "wanted"), [
    ({}, ("model_name_or_path", "missing")),
    ({"model_name_or_path": "m", "api_host": ""}, ("api_host", "missing")),
    ({"model_name_or_path": "m", "num_beams": 4}, ("num_beams", "not_available_yet")),
    ({"model_name_or_path": "m", "api_port": 70000}, ("api_port", "too_big")),
    ({"model_name_or_path": "m", "mixture_of_depths": "load"}, ("mixture_of_depths", "not_available_yet")),
    ({"model_name_or_path": "m", "max_curent": 1}, ("max_curent", "unknown")),
    ({"model_name_or_path": "m", "devices": "0,1"}, ("devices", "not_available_yet")),
    ({"model_name_or_path": "m", "infer_backend": "ktransformers"}, ("infer_backend", "not_a_choice")),
    ({"model_name_or_path": "m", "infer_backend": "vllm", "device": "cpu"}, ("infer_backend", "conflict")),
    ({"model_name_or_path": "m", "infer_backend": "vllm", "rope_scaling": "yarn"}, ("rope_scaling", "conflict")),
    ({"model_name_or_path": "m", "infer_backend": "sglang", "adapter_name_or_path": "a,b"},
     ("adapter_name_or_path", "one_adapter")),
])  # fmt: skip
def test_what_is_wrong_is_said_at_its_key(keys, wanted):
    with pytest.raises(ConfigError) as caught:
        read_mapping("serve", keys)
    assert codes(caught) == {wanted}


def test_the_key_is_a_secret(tmp_path):
    job = read_mapping("serve", {"model_name_or_path": "m", "api_key": "SECRET"}).job
    assert job.secrets() == {"API_KEY": "SECRET"} and "SECRET" not in job.to_yaml() + repr(job)


def test_it_reads_back_and_its_folder_stays_its_own(tmp_path, trained):
    run = trained("adapter_config.json")
    job = read_mapping("serve", {"model_name_or_path": "m", "temperature": 0.5}).job
    job = job.model_copy(update={"output_dir": str(run)})
    write(run / "job.yaml", job.to_yaml())
    assert read_run(run) == job
    reading = read_arguments("serve", [str(run / "job.yaml")])
    assert reading.job == job and reading.job.adapter_name_or_path == [] and told(reading) == {}


def test_an_inference_file_of_llamafactory(tmp_path):
    file = write(tmp_path / "infer.yaml", (
        "model_name_or_path: meta-llama/Meta-Llama-3-8B-Instruct\nadapter_name_or_path: saves/llama3-8b/lora/sft\n"
        "template: llama3\nfinetuning_type: lora\ninfer_backend: huggingface  # choices\ntrust_remote_code: true\n"))
    reading = read_arguments("serve", [file])
    assert reading.job.adapter_name_or_path == ["saves/llama3-8b/lora/sft"]
    assert (reading.job.template, reading.job.trust_remote_code) == ("llama3", True)
    assert told(reading) == {"other_verb": "finetuning_type"}


def test_a_training_file_serves_what_it_made(trained):
    run = trained("adapter_config.json", at="saves/llama3-8b/lora/sft")
    reading = read_arguments("serve", [str(FILES / "llama3_lora_sft.yaml")])
    assert (reading.job.adapter_name_or_path, reading.job.output_dir) == ([str(run)], None)
    assert reading.sources["adapter_name_or_path"] == "file"
    counted = next(notice for notice in reading.notices if notice.code == "other_verb")
    assert counted.values["count"] == 26 and "(26)" in counted.text(catalogue())
    assert told(reading)["source_adapter"] == run


@pytest.mark.parametrize("kind, key", [
    ("train", "adapter_name_or_path"), ("serve", "adapter_name_or_path"), ("evaluate", "adapter_name_or_path"),
    ("export", "adapter_name_or_path"), ("serve", "model_name_or_path"), ("evaluate", "predictions_from"),
])
def test_a_run_is_found_where_output_dir_has_put_it(trained, tmp_path, monkeypatch, kind, key):
    """Also by who stands in another folder, and whose own `saves/` does not have it."""
    run = trained("adapter_config.json", at="saves/m/lora/r")
    words = [f"{key}=saves/m/lora/r", "dataset=d", "export_dir=out", "template=default"]
    words += [] if key == "model_name_or_path" else ["model_name_or_path=m"]

    words = [word for word in words if word.split("=")[0] in fields(JOBS[kind])]

    def found():
        value = getattr(read_arguments(kind, words).job, key)
        return value[0] if isinstance(value, list) else value

    monkeypatch.chdir(tmp_path)
    assert found() == str(run)
    write(tmp_path / "saves/m/lora/r/adapter_config.json", "{}")
    assert found() == "saves/m/lora/r"


def test_several_adapters_are_found_each(trained, tmp_path, monkeypatch):
    runs = [trained("adapter_config.json", at=f"saves/m/lora/{name}") for name in "ab"]
    monkeypatch.chdir(tmp_path)
    written = "adapter_name_or_path=saves/m/lora/a,saves/m/lora/b,saves/m/lora/c"
    assert read_arguments("serve", ["model_name_or_path=m", written]).job.adapter_name_or_path == [
        *map(str, runs), "saves/m/lora/c"]


def test_a_whole_model_it_made_takes_the_models_place(trained, tmp_path):
    run = trained("config.json", "model.safetensors", at="saves/m/full/r")
    file = write(tmp_path / "full.yaml", "model_name_or_path: m\nrun_name: full\noutput_dir: saves/m/${run_name}/r\n")
    reading = read_arguments("serve", [file])
    assert reading.job.model_name_or_path == str(run) and told(reading)["source_model"] == run


def test_a_stopped_run_serves_its_newest_checkpoint(trained, tmp_path):
    run = trained("checkpoint-5/adapter_config.json", "checkpoint-40/adapter_config.json", "checkpoint-100/rng")
    file = write(tmp_path / "job.yaml", f"model_name_or_path: m\noutput_dir: {run}\n")
    assert read_arguments("serve", [file]).job.adapter_name_or_path == [str(run / "checkpoint-40")]


def test_what_the_file_says_of_adapters_goes_before(trained, tmp_path):
    run = trained("adapter_config.json")
    file = write(tmp_path / "job.yaml", f"model_name_or_path: m\nadapter_name_or_path: other\noutput_dir: {run}\n")
    reading = read_arguments("serve", [file])
    assert reading.job.adapter_name_or_path == ["other"] and told(reading) == {"source_passed_over": run}
    assert read_arguments("serve", [file, "peft_path=x"]).job.adapter_name_or_path == ["x"]


def test_a_run_that_made_nothing_yet_is_told(tmp_path):
    file = write(tmp_path / "job.yaml", f"model_name_or_path: m\noutput_dir: {tmp_path / 'none'}\n")
    reading = read_arguments("serve", [file])
    assert (reading.job.model_name_or_path, reading.job.adapter_name_or_path) == ("m", [])
    assert told(reading) == {"source_nothing": tmp_path / "none"}


@pytest.mark.parametrize(("began", "new", "wanted"), [
    ([], False, []), (["a"], False, []), (["a", "b"], False, ["a"]), (["a", "b"], True, ["a", "b"]),
])  # fmt: skip
def test_a_runs_own_file_serves_it_on_what_it_stands_on(trained, began, new, wanted):
    run = trained("adapter_config.json")
    keys = {"model_name_or_path": "m", "dataset": "d", "adapter_name_or_path": began, "create_new_adapter": new}
    job = read_mapping("train", keys | {"template": "qwen", "max_new_tokens": 5, "auto_resume": True}).job
    write(run / "job.yaml", job.model_copy(update={"output_dir": str(run)}).to_yaml())
    reading = read_arguments("serve", [str(run / "job.yaml")])
    served = reading.job
    assert (served.adapter_name_or_path, served.template) == ([*wanted, str(run)], "qwen")
    assert (served.max_new_tokens, served.do_sample, served.auto_resume) == (1024, True, False), "those of training"
    assert told(reading) == {"source_adapter": run}


def test_a_files_samples_are_its_answers(tmp_path):
    file = write(tmp_path / "job.yaml", "model_name_or_path: m\nmax_new_tokens: 64\ndo_sample: false\nstage: sft\n")
    assert (job := read_arguments("serve", [file]).job).max_new_tokens == 64 and not job.do_sample
