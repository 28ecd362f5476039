"""The format of a bare file is read off its first row."""

import json

import pytest

from studio.data import detect, formats
from studio.errors import StudioError


def test_conversations_with_their_own_role_names(put):
    rows = [{"conversations": [{"from": "user", "value": "a"}, {"from": "assistant", "value": "b"}], "system": "s"}]
    source = detect.source_of(put("a.json", rows))
    assert (source.formatting, source.columns.messages) == ("sharegpt", "conversations")
    assert source.columns.system == "system"
    assert (source.tags.role_tag, source.tags.user_tag, source.tags.assistant_tag) == ("from", "user", "assistant")


def test_question_and_answer_by_their_usual_names(put):
    source = detect.source_of(put("a.csv", "question,answer\nq,a\n"))
    assert (source.columns.prompt, source.columns.response, source.columns.query) == ("question", "answer", None)
    source = detect.source_of(put("a.json", [{"instruction": "i", "input": "n", "output": "o"}]))
    assert (source.columns.prompt, source.columns.query, source.columns.response) == ("instruction", "input", "output")
    assert not source.is_text


def test_text_alone_is_for_pretraining(put):
    assert detect.source_of(put("a.txt", "one\n")).is_text
    assert detect.source_of(put("a.jsonl", [{"text": "x", "url": "y"}])).is_text


def test_folder_of_files(put, tmp_path):
    put("many/1.jsonl", [{"text": "x"}])
    put("many/2.jsonl", [{"text": "y"}])
    assert detect.source_of(tmp_path / "many").columns.prompt == "text"


def test_pairs_of_whole_conversations_and_pictures(put, tmp_path):
    names = ("chosen", "rejected")
    pair = {name: [{"role": "user", "content": "q"}, {"role": "assistant", "content": name}] for name in names}
    for more in ({"prompt": "q"}, {"prompt": "q", "messages": pair["chosen"]}, {}):
        source = detect.source_of(put("a.json", [pair | more]))
        assert source.ranking and (source.columns.messages, source.columns.chosen) == (None, "chosen")
        row = formats.to_row(source, pair | more)
        assert [one["content"] for one in (*row.messages, row.rejected)] == ["q", "chosen", "rejected"]
    named = {f"{name}_messages": turns for name, turns in pair.items()}
    assert detect.source_of(put("c.json", [named])).columns.rejected == "rejected_messages"
    source = detect.source_of(put("b.json", [{"question": "<image>?", "answer": "a", "image": "a.png"}]))
    assert (source.columns.images, source.media_dir) == ("image", tmp_path)


def test_a_list_within_an_object_on_one_line(put):
    rows = [{"instruction": "q", "output": "a"}]
    with pytest.raises(StudioError) as error:
        detect.source_of(put("a.json", json.dumps({"version": 1, "data": rows})))
    assert (error.value.key, error.value.values["keys"]) == ("data_json_object", "data")


def test_rows_without_names(put):
    with pytest.raises(StudioError) as error:
        detect.source_of(put("a.json", ["q", ["a"]]))
    assert error.value.key == "data_not_objects"


def test_lists_in_a_table(put):
    talk = json.dumps([{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]).replace('"', '""')
    source = detect.source_of(put("a.csv", f'messages,n\n"{talk}",1\n'))
    assert (source.formatting, source.columns.messages) == ("openai", "messages")


def test_a_column_that_begins_empty(put):
    source = detect.source_of(put("a.jsonl", [{"instruction": "x"}, {"instruction": "y", "output": "z"}]))
    assert (source.columns.prompt, source.columns.response) == ("instruction", "output")


def test_unknown_columns_are_named(put):
    with pytest.raises(StudioError, match="left, right"):
        detect.source_of(put("a.json", [{"left": "x", "right": "y"}]))


LATE = {"input": "i", "system": "s", "history": [["a", "b"]]}


@pytest.mark.parametrize("num_rows", [30, 1_200])
def test_what_only_a_late_row_has_is_read(put, num_rows):
    rows = [{"instruction": "x", "output": "y"}] * num_rows
    source = detect.source_of(put("a.jsonl", [*rows, rows[0] | LATE]))
    assert [turn["content"] for turn in formats.to_row(source, rows[0] | LATE).messages] == ["s", "a", "b", "x\ni", "y"]
    talk = {"conversations": [{"from": "user", "value": "a"}, {"from": "assistant", "value": "b"}]}
    source = detect.source_of(put("b.jsonl", [talk] * num_rows + [talk | {"system": "s"}]))
    assert formats.to_row(source, talk | {"system": "s"}).messages[0]["content"] == "s"
    assert detect.source_of(put("c.jsonl", rows)).columns.tools == ("tools" if num_rows > 1_000 else None)
    assert detect.source_of(put("d.csv", "instruction,output\n" + "x,y\n" * num_rows)).columns.query is None


def test_a_row_further_down_that_cannot_be_read_is_no_matter_here(put):
    row = json.dumps({"instruction": "x", "output": "y"}) + "\n"
    assert detect.source_of(put("a.jsonl", row * 30 + "{broken\n" + row)).columns.query == "input"
    with pytest.raises(StudioError):
        detect.source_of(put("b.jsonl", row * 3 + "{broken\n"))


def test_pairs_behind_a_list_of_messages(put):
    row = {"prompt": [{"role": "user", "content": "q"}], "chosen": [{"role": "assistant", "content": "good"}],
           "rejected": [{"role": "assistant", "content": "bad"}]}  # fmt: skip
    source = detect.source_of(put("a.jsonl", [row]))
    assert (source.formatting, source.columns.messages, source.ranking) == ("openai", "prompt", True)
    found = formats.to_row(source, row)
    assert [one["content"] for one in (*found.messages, found.rejected)] == ["q", "good", "bad"]
    whole = row | {name: row["prompt"] + row[name] for name in ("chosen", "rejected")}
    assert detect.source_of(put("b.jsonl", [whole])).columns.messages is None
    for more in ({}, {"label": True}):
        with pytest.raises(StudioError) as error:
            detect.source_of(put("c.jsonl", [{"prompt": row["prompt"], "completion": row["chosen"]} | more]))
        assert (error.value.key, error.value.values["question"]) == ("data_question_turns", "prompt")
