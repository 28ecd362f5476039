"""dataset_info.json is read as LLaMA-Factory reads it; what is wrong is said with its place."""

import json

import pytest

from studio import paths
from studio.data import registry, remote
from studio.data.source import Columns, Tags
from studio.errors import StudioError
from studio.text import catalogue


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
        ({"file_name": ["a", "b"]}, "data_entry_file_name"),
        ({"file_name": "a\0b"}, "data_entry_file_name"),
        ({"hf_hub_url": "../../etc"}, "data_entry_hub_id"),
        ({"ms_hub_url": "/etc/passwd"}, "data_entry_hub_id"),
        ({"file_name": "a", "columns": {"prompt": ["x"]}}, "data_entry_part"),
    ],
)
def test_malformed_entry(put, tmp_path, entry, key):
    put("dataset_info.json", {"a": entry})
    with pytest.raises(StudioError) as error:
        registry.load(tmp_path)
    assert error.value.key == key and "a" in str(error.value) and "{" not in str(error.value).replace('{"file', "")


def test_an_owner_may_name_files_anywhere(put, tmp_path):
    put("sub/dataset_info.json", {"a": {"file_name": "../a.json"}, "b": {"file_name": str(tmp_path / "a.json")}})
    put("a.json", [])
    assert all(source.path.is_file() for source in registry.load(tmp_path / "sub").values())


def test_a_file_in_the_data_folder_needs_no_entry(put, tmp_path):
    put("dataset_info.json", {})
    file = put("words.jsonl", [{"text": "x"}])
    assert registry.find("words.jsonl", tmp_path).path == file


def test_an_id_of_a_hub_is_not_a_path_that_is_missing(put, tmp_path):
    put("dataset_info.json", {})
    assert registry.find("owner/poems", tmp_path).hub[0] == ("hf_hub_url", "owner/poems")
    assert registry.is_elsewhere("owner/poems", tmp_path) and not registry.is_elsewhere("owner/poems.json", tmp_path)
    with pytest.raises(StudioError) as error:
        registry.find("owner/poems.json", tmp_path)
    assert error.value.key == "data_file_missing"


def test_pairs_have_their_usual_columns_where_none_are_given(put, tmp_path):
    put("dataset_info.json", {"a": {"file_name": "a.json", "ranking": True}})
    assert registry.find("a", tmp_path).columns.chosen == "chosen"


def test_the_folder_of_media(put, tmp_path):
    put("dataset_info.json", {"a": {"file_name": "a.json"}})
    assert registry.find("a", tmp_path).media_dir == tmp_path
    assert registry.find("a", tmp_path, tmp_path / "m").media_dir == tmp_path / "m"


def test_a_registry_saved_as_gbk(put, tmp_path):
    put("dataset_info.json", '{"诗词数据集": {"file_name": "中文.json"}}'.encode("gbk"))
    assert list(registry.load(tmp_path)) == ["诗词数据集"]


def test_a_registry_of_a_hub_names_no_file_of_this_machine(home, tmp_path):
    folder = remote.registry_folder("REMOTE:some/body")
    for entry in ({"cloud_file_name": "file:///etc/hosts"}, {"file_name": "../x.json"}, {"file_name": "/etc/hosts"}):
        with pytest.raises(StudioError) as caught:
            registry.parse_entry("x", entry, folder)
        assert caught.value.key == "data_file_name_refused"
        if "cloud_file_name" in entry:
            assert registry.parse_entry("x", entry, tmp_path).hub, "the owner of a registry may"
    assert registry.parse_entry("x", {"cloud_file_name": "s3://bucket/x.json"}, folder).hub


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
    shipped = registry.load(paths.resource("data"))
    local = {name: source for name, source in shipped.items() if not source.hub}
    assert len(local) >= 12 and len(shipped) - len(local) >= 85
    for name, source in local.items():
        assert source.path.is_file() and not source.notices, name
    assert dict(shipped["alpaca_gpt4_zh"].hub)["ms_hub_url"] == "llamafactory/alpaca_gpt4_zh"


ODD = {
    "no format": {"file_name": "a.json", "formatting": "foo"}, "no text": {"file_name": "a.json", "subset": ["a"]},
    "half \ud83d": {"file_name": "a.json"}, "half": {"file_name": "\ud83d.json"},
}  # fmt: skip


def test_an_odd_entry_takes_no_other_down(put, tmp_path):
    put("a.json", [])
    put("dataset_info.json", json.dumps({**ODD, "fine": {"file_name": "a.json"}}))
    assert registry.find("fine", tmp_path).path == tmp_path / "a.json"
    assert list(registry.usable(tmp_path)) == ["fine"] and set(registry.listed(tmp_path)) == {*ODD, "fine"}
    for name, key in zip(ODD, ("formatting", "text", "characters", "characters"), strict=True):
        with pytest.raises(StudioError) as error:
            registry.find(name, tmp_path)
        assert error.value.key == f"data_entry_{key}" and error.value.text(catalogue("zh"))


@pytest.mark.parametrize("name", ["a" * 300, "a" * 300 + ".json", "~nobody-at-all/x.json"])
def test_a_name_that_no_path_can_have(put, tmp_path, name):
    put("dataset_info.json", {})
    with pytest.raises(StudioError) as error:
        registry.find(name, tmp_path)
    assert error.value.key in ("data_unknown", "data_file_missing")
