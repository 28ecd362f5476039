"""Adding: the format is detected, the entry shown first; what cannot be leaves registry and folder as they were."""

import json

import pytest

from studio import paths
from studio.data import making, reading, registry
from studio.errors import StudioError

CHAT = [{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}]


def test_a_file_is_registered_where_it_is(home, tmp_path):
    file = tmp_path / "talks.json"
    file.write_text(json.dumps(CHAT))
    proposal = making.propose(file)
    assert proposal.name == "talks" and proposal.columns == ("messages",) and proposal.problem is None
    assert proposal.entry["columns"] == {"messages": "messages"}
    assert not (paths.data() / "dataset_info.json").exists()
    making.add(file)
    source = registry.find("talks", "data")
    assert source.path == file and [number for number, _ in reading.read_rows(source)] == [1]
    assert making.preview(proposal.entry)[0][2].messages[1]["content"] == "b"


def test_a_name_that_is_there_is_refused_and_the_offered_one_is_free(home, tmp_path):
    file = tmp_path / "identity.json"
    file.write_text(json.dumps([{"instruction": "a", "output": "b"}]))
    assert making.propose(file).name == "identity_2"
    with pytest.raises(StudioError, match="already"):
        making.add(file, "identity")
    assert not (paths.data() / "dataset_info.json").exists()


def test_columns_nobody_knows_are_to_be_chosen(home, tmp_path):
    file = tmp_path / "odd.csv"
    file.write_text("frage,antwort\na,b\n")
    proposal = making.propose(file)
    assert proposal.columns == ("frage", "antwort") and proposal.problem.key == "data_columns_unknown"
    with pytest.raises(StudioError):
        making.add(file)
    entry = making.entry_with(proposal.entry, "alpaca", {"prompt": "frage", "response": "antwort"})
    assert making.preview(entry)[0][2].messages[0]["content"] == "a"
    assert making.add(file, "odd", entry).columns.response == "antwort"
    with pytest.raises(StudioError, match="antwrt"):
        making.entry_with(proposal.entry, None, {"antwrt": "x"})


@pytest.mark.parametrize("where, hub, key, found", [
    ("owner/some-set", None, "hf_hub_url", "owner/some-set"), ("owner/some-set", "ms", "ms_hub_url", "owner/some-set"),
    ("https://huggingface.co/datasets/owner/some-set/tree/main", None, "hf_hub_url", "owner/some-set"),
    ("https://modelscope.cn/datasets/owner/some-set?x=1", None, "ms_hub_url", "owner/some-set"),
])  # fmt: skip
def test_a_set_of_a_hub_is_entered_by_its_id(home, where, hub, key, found):
    proposal = making.propose(where, hub)
    assert proposal.entry == {key: found} and proposal.name == "some-set"
    making.add(proposal.where, None, proposal.entry)
    assert dict(registry.find("some-set", "data").hub) == {key: found}


@pytest.mark.parametrize("where", ["", "nothing", "/no/such/file.json", "a/b/c", "../x", "a" * 300])
def test_what_is_neither_is_said(home, where):
    with pytest.raises(StudioError):
        making.propose(where)


def test_an_upload_is_kept_under_a_harmless_name(home, tmp_path):
    for number, name in enumerate(("../../evil.jsonl", "C:\\x\\evil.jsonl", ".evil.jsonl")):
        upload = tmp_path / f"tmp{number}"
        upload.write_text('{"instruction": "a", "output": "b"}\n')
        kept = making.keep_upload(upload, name)
        assert kept.parent == paths.data() / "uploads" and kept.name.startswith("evil") and not upload.exists()
    making.add(kept, "up")
    assert json.loads((paths.data() / "dataset_info.json").read_text())["up"]["file_name"] == "uploads/evil_3.jsonl"


@pytest.mark.parametrize("name, text, key", [
    ("a.json", '[{"instruction": "a", "output": "b"}, {"instr', "data_json_cut"),
    ("a.jsonl", '{"instruction": "a", "output": "b"}\n{"instruc', "data_json_cut"),
    ("a.json", "", "data_empty"), ("a.exe", "x", "data_file_kind"), ("a", "x", "data_file_kind"),
    ("a.parquet", "PAR1", "data_unreadable"),
])  # fmt: skip
def test_an_upload_that_cannot_be_leaves_nothing(home, tmp_path, name, text, key):
    upload = tmp_path / "tmp"
    upload.write_text(text)
    with pytest.raises(StudioError) as error:
        making.propose(making.keep_upload(upload, name))
    assert error.value.key == key
    if name != "a.parquet":
        assert not list((paths.data() / "uploads").glob("*"))
