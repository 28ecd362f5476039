"""dataset_info.json is read as LLaMA-Factory reads it; what is wrong is said with its place."""

import pytest

from studio import paths
from studio.data import registry
from studio.data.source import Columns, Tags
from studio.errors import StudioError


def test_defaults_are_llama_factorys(put, tmp_path):
    put("dataset_info.json", {"mine": {"file_name": "mine.json"}})
    source = registry.find("mine", tmp_path)
    assert (source.path, source.formatting, source.split) == (tmp_path / "mine.json", "alpaca", "train")
    assert source.columns == Columns() and source.tags == Tags()


def test_columns_and_tags_not_named_are_null(put, tmp_path):
    entry = {
        "file_name": "a.json",
        "formatting": "sharegpt",
        "columns": {"messages": "talk", "unknown": "x"},
        "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "bot"},
    }
    put("dataset_info.json", {"a": entry})
    source = registry.find("a", tmp_path)
    assert source.columns.messages == "talk" and source.columns.prompt is None
    assert source.tags.system_tag is None and source.tags.assistant_tag == "bot"


def test_openai_has_openais_names(put, tmp_path):
    put("dataset_info.json", {"a": {"file_name": "a.json", "formatting": "openai"}})
    source = registry.find("a", tmp_path)
    assert (source.columns.messages, source.tags.role_tag, source.tags.user_tag) == ("messages", "role", "user")


def test_hub_entry_is_parsed_and_goes_before_the_file(put, tmp_path):
    put("dataset_info.json", {"a": {"hf_hub_url": "o/n", "ms_hub_url": "m/n", "file_name": "a.json", "num_samples": 9}})
    source = registry.find("a", tmp_path)
    assert source.path is None and dict(source.hub) == {"hf_hub_url": "o/n", "ms_hub_url": "m/n"}
    assert source.num_samples == 9


def test_unknown_name_names_the_nearest(put, tmp_path):
    put("dataset_info.json", {"poems_zh": {"file_name": "a.json"}})
    with pytest.raises(StudioError, match="poems_zh") as error:
        registry.find("poems_zn", tmp_path)
    assert error.value.key == "data_unknown"


def test_missing_path_is_said_as_a_path(put, tmp_path):
    put("dataset_info.json", {"a": {"file_name": "a.json"}})
    with pytest.raises(StudioError) as error:
        registry.find(str(tmp_path / "b.json"), tmp_path)
    assert error.value.key == "data_file_missing"


def test_half_written_registry_names_the_line(put, tmp_path):
    put("dataset_info.json", '{\n "a": {"file_name": "a.json"},\n "b": {"file')
    with pytest.raises(StudioError) as error:
        registry.load(tmp_path)
    assert error.value.key == "data_info_broken" and error.value.values["line"] == 3


@pytest.mark.parametrize(
    ("entry", "key"),
    [
        ("a.json", "data_entry_shape"),
        ({"file_name": "a", "formatting": "csv"}, "data_entry_formatting"),
        ({"file_name": "a", "columns": ["x"]}, "data_entry_part"),
        ({"file_name": "a", "num_samples": "3"}, "data_entry_samples"),
        ({"formatting": "alpaca"}, "data_entry_empty"),
    ],
)
def test_malformed_entry(put, tmp_path, entry, key):
    put("dataset_info.json", {"a": entry})
    with pytest.raises(StudioError) as error:
        registry.load(tmp_path)
    assert error.value.key == key and "a" in str(error.value)


def test_folder_without_registry(tmp_path):
    for folder, key in ((tmp_path, "data_dir_no_info"), (tmp_path / "no", "data_dir_missing")):
        with pytest.raises(StudioError) as error:
            registry.load(folder)
        assert error.value.key == key


def test_relative_folder_is_the_users_first_then_the_shipped(put, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert registry.folder("data") == paths.resource("data")
    put("data/dataset_info.json", {"own": {"file_name": "own.json"}})
    assert list(registry.load("data")) == ["own"]
    assert registry.find("text_demo", "data").path == paths.resource("data") / "text_demo.jsonl"


def test_a_path_needs_no_registry(put, tmp_path):
    file = put("talk.jsonl", [{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}])
    source = registry.find(str(file), tmp_path / "nowhere")
    assert source.path == file and source.formatting == "openai"


def test_shipped_sets_are_there():
    for name, source in registry.load(paths.resource("data")).items():
        assert source.path.is_file(), name
