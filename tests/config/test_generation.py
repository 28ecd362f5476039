"""The rules of a generate job, and that it takes no device and writes no key."""

import pytest

from studio.config import ConfigError, GenerateJob, read_arguments, read_mapping
from studio.runs import launch

LEAST = {"api_base": "http://x/v1", "model": "m", "new_dataset": "made", "topic": "food"}


@pytest.mark.parametrize("keys, key", [
    ({"api_base": None}, "api_base"), ({"server": "starter/serve/one"}, "api_base"), ({"model": None}, "model"),
    ({"api_base": "x.com"}, "api_base"), ({"new_dataset": None}, "new_dataset"), ({"topic": None}, "topic"),
    ({"way": "questions"}, "documents"), ({"way": "rewrite", "rewrite_instruction": "x"}, "rewrite_dataset"),
    ({"way": "rewrite", "rewrite_dataset": "x"}, "rewrite_instruction"), ({"ask_prompt": "Write!"}, "ask_prompt"),
    ({"way": "questions", "documents": ["a"], "ask_prompt": "{count}"}, "ask_prompt"),
    ({"chunk_chars": 200, "overlap_chars": 101}, "overlap_chars"),
    ({"min_answer_chars": 9, "max_answer_chars": 8}, "max_answer_chars"), ({"num_rows": 0}, "num_rows"),
    ({"key_variable": "MYLLM"}, "key_variable"), ({"judge_api_base": "http://y/v1"}, "judge_model"),
    ({"max_similarity": 1.5}, "max_similarity"),
])
def test_what_does_not_go_together(keys, key):
    with pytest.raises(ConfigError) as caught:
        read_mapping("generate", LEAST | keys)
    assert [problem.key for problem in caught.value.problems] == [key] and str(caught.value)


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "KEY", "HF_TOKEN", "my_apikey", "X_SECRET"])
def test_a_variable_that_reaches_the_run(name):
    assert read_mapping("generate", LEAST | {"key_variable": name}).job and launch.is_secret(name)


def test_a_command_line():
    words = ["api_base=http://x/v1", "--model", "m", "--new_dataset", "made", "--seed_tasks", "seeds.jsonl",
             "forbidden_words=a,b", "request_options.top_p=0.5"]  # fmt: skip
    job = read_arguments("generate", words).job
    assert (job.seed_tasks, job.forbidden_words, job.request_options) == ("seeds.jsonl", ["a", "b"], {"top_p": 0.5})


def test_it_takes_no_device_and_writes_no_key():
    job = read_mapping("generate", LEAST | {"endpoint_key": "sk-1", "judge_key": "sk-2"}).job
    assert launch.wanted_devices(job) is None and "sk-" not in job.to_yaml()
    assert job.secrets() == {"ENDPOINT_API_KEY": "sk-1", "JUDGE_API_KEY": "sk-2"}
    assert isinstance(job, GenerateJob) and job.model_name_or_path == "m"
