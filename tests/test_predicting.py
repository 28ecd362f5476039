"""A file of prompts into a file of predictions: in order, of every shape, and on from where it was cut off."""

import json
import signal

import pytest
from acting import wait_until
from talking import SETTINGS, studio

from studio import cli, predicting, runs
from studio.errors import StudioError

pytest_plugins = ("acting", "talking")


def predict(tmp_path, *words, prompts=None, name="out.jsonl"):
    source = tmp_path / "prompts.jsonl"
    if prompts is not None:
        source.write_text("".join(json.dumps(prompt) + "\n" for prompt in prompts))
    return studio("chat", *SETTINGS, "--data_file", str(source), "--predictions_file", str(tmp_path / name), *words)


def lines(tmp_path, name="out.jsonl"):
    return [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]


def test_a_text_of_prompts_is_answered_line_by_line(behave, tmp_path):
    (tmp_path / "p.txt").write_text("a\n\nb c\n")
    files_given = ["--data_file", str(tmp_path / "p.txt"), "--predictions_file", str(tmp_path / "out.jsonl")]
    process = studio("chat", *SETTINGS, *files_given, "--with_prompt")
    assert process.communicate(timeout=30) and process.returncode == 0
    assert [(line["prompt"], line["predict"]) for line in lines(tmp_path)] == [("a", "1: a "), ("b c", "1: b c ")]


def test_rows_of_every_shape(behave, tmp_path):
    rows = ["plain", {"prompt": "p", "label": "L"}, {"instruction": "do", "input": 5, "output": "O", "id": 7},
            {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]},
            {"question": "refuse q"}]
    process = predict(tmp_path, prompts=rows)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1 and "refused: 1" in err and "5/5" in err
    found = lines(tmp_path)
    assert [line["predict"] for line in found] == ["1: plain ", "1: p ", "1: do 5 ", "2: u ", None]
    assert [line["index"] for line in found] == [0, 1, 2, 3, 4]
    assert (found[1]["label"], found[2]["label"], found[2]["id"]) == ("L", "O", 7)
    assert found[3]["prompt"] == rows[3]["messages"] and found[4]["error"] == "no"


def test_it_goes_on_where_it_was_cut_off(behave, tmp_path):
    rows = [f"p{number}" for number in range(30)]
    assert predict(tmp_path, "--no_template", prompts=rows).communicate(timeout=30) and len(lines(tmp_path)) == 30
    whole = (tmp_path / "out.jsonl").read_text()
    (tmp_path / "out.jsonl").write_text("".join(whole.splitlines(keepends=True)[:12]) + '{"index": 12, "pro')
    process = predict(tmp_path, "--no_template")
    err = process.communicate(timeout=30)[1]
    assert process.returncode == 0 and "12 of 30" in err
    assert (tmp_path / "out.jsonl").read_text() == whole


def test_separators_of_unicode_do_not_end_a_line(behave, tmp_path):
    prompts = ["a\u2028b", "c\u0085d"]
    assert predict(tmp_path, prompts=prompts, name="out.json").wait(30) == 0
    rows = json.loads((tmp_path / "out.json").read_text())
    assert [row["prompt"] for row in rows] == prompts
    (tmp_path / "out.json").rename(tmp_path / "first.json")
    part = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows[:1])
    (tmp_path / "out.json.part").write_text(part, "utf-8")
    assert "1 of 2" in predict(tmp_path, name="out.json").communicate(timeout=30)[1]
    assert json.loads((tmp_path / "out.json").read_text()) == rows


def test_ctrl_c_keeps_what_is_answered(behave, tmp_path):
    process = predict(tmp_path, "max_concurrent=1", prompts=["a", "b", "long", "c"])
    wait_until(lambda: (tmp_path / "out.jsonl").exists() and len(lines(tmp_path)) == 2)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=30)[1]
    assert process.returncode == 130 and "goes on from there" in err and len(lines(tmp_path)) == 2


def test_a_list_where_the_name_asks_for_one(behave, tmp_path):
    process = predict(tmp_path, prompts=["a", "b"], name="out.json")
    assert process.communicate(timeout=30) and process.returncode == 0
    assert [line["predict"] for line in json.loads((tmp_path / "out.json").read_text())] == ["1: a ", "1: b "]
    assert [path.name for path in tmp_path.glob("out*")] == ["out.json"]


@pytest.mark.parametrize("prompts, predictions, part", [
    (None, "", "cannot be read"), ("\n\n", "", "holds no prompts"), ("{}\n", "", "line 1"),
    ('{"messages": ["a"]}\n', "", "messages"), ('{"instruction": ["a"]}\n', "", "list"), ("nonsense\n", "", "line 1"),
    ('"a"\n', '{"prompt": "b"}\n', "does not answer"),
    ('"a"\n', '{"prompt": "a"}\n{"prompt": "a"}\n', "line 2"),
])
def test_files_that_do_not_fit_are_refused_before_loading(speak, tmp_path, capsys, prompts, predictions, part):
    if prompts is not None:
        (tmp_path / "p.jsonl").write_text(prompts)
    (tmp_path / "out.jsonl").write_text(predictions)
    words = ["--data_file", str(tmp_path / "p.jsonl"), "--predictions_file", str(tmp_path / "out.jsonl")]
    assert cli.main(["chat", *SETTINGS, *words]) == 2
    assert part in capsys.readouterr().err and runs.listing() == []
    assert (tmp_path / "out.jsonl").read_text() == predictions


@pytest.mark.parametrize("words", ['{"data": ["a"]}', '"abc"', "5"])
def test_a_json_file_that_holds_no_list_is_refused(tmp_path, words):
    (tmp_path / "p.json").write_text(words)
    with pytest.raises(StudioError) as caught:
        predicting.read(tmp_path / "p.json")
    assert caught.value.key == "prompts_no_list"
