"""What the doctor finds: each finding with the right rows, and nothing in what is well."""

import json
from dataclasses import replace

import pytest

from studio import paths
from studio.data import doctor, registry
from studio.data.detect import source_of
from studio.data.source import Columns, Source
from studio.text import catalogue

TURNS = [{"from": "human", "value": "a question"}, {"from": "gpt", "value": "an answer"}]


@pytest.fixture
def examined(home, tmp_path):
    """examined(rows) → {code: finding}; more keys go to `examine`."""

    def examine(rows, **keys):
        file = tmp_path / f"set{len(list(tmp_path.iterdir()))}.jsonl"
        file.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
        source = Source("set", file, formatting="sharegpt") if "conversations" in rows[0] else Source("set", file)
        if "label" in rows[0]:
            source = replace(source, columns=replace(source.columns, kto_tag="label"))
        return {finding.code: finding for finding in doctor.examine(source, **keys)}

    return examine


def pair(number: int, answer: str = "", question: str = "") -> dict:
    words = question or f"What is item number {number} of the list, {'abcdefghijkl'[number % 12] * (number + 3)}?"
    return {"instruction": words, "output": answer or f"It is the {'xyzuvw'[number % 6] * (number + 2)} of {number}."}


def test_a_healthy_set_has_nothing(examined):
    assert examined([pair(number) for number in range(12)]) == {}


def test_rows_that_cannot_be_used_are_told_by_why(examined):
    found = examined([
        {"conversations": TURNS}, {"conversations": [*TURNS, TURNS[1]]}, {"conversations": TURNS[:1]},
        {"conversations": [TURNS[0], {"from": "gpt", "value": " "}]}, {"conversations": "no list"}, "{broken",
    ])  # fmt: skip
    assert {code: finding.row_numbers for code, finding in found.items()} == {
        "broken": (6,), "turns": (2, 3), "empty": (4,), "unusable": (5,),
    }  # fmt: skip
    assert all(finding.severity == "error" for finding in found.values())
    assert "message 3 is by 'gpt'" in found["turns"].text(catalogue("en"))


def test_values_of_any_kind_are_told_and_break_nothing(examined):
    odd = [{"from": {"a": 1}, "value": "x"}, {"from": ["human"], "value": "x"}, {"from": 1, "value": None}, {}]
    found = examined([{"conversations": TURNS}, *({"conversations": [one]} for one in odd)])
    assert found["turns"].row_numbers == (2, 3, 4, 5)
    assert examined([pair(1), pair(2) | {"output": 3}, "5", "null", '["x"]'])["unusable"].row_numbers == (2, 3, 4, 5)


def test_repeats_and_conflicts(examined):
    found = examined([pair(1), pair(2), pair(1), pair(3), pair(2, "Something else entirely."), pair(1)])
    assert found["duplicate"].row_numbers == (3, 6) and found["duplicate"].values["first"] == 1
    assert found["conflict"].row_numbers == (5,) and found["conflict"].values == {"row": 5, "first": 2}


def test_answers_that_differ_are_meant_where_they_are_judged(examined):
    rows = [pair(1) | {"label": True}, pair(1, "worse") | {"label": False}, pair(2) | {"label": True}]
    assert set(examined(rows)) == set()


def test_near_rows_in_english_and_chinese(examined):
    english = "The quick brown fox jumps over the lazy dog and then runs back into the forest by the river."
    chinese = "今天天气很好，我们一起去公园散步，看到许多花正在开放，孩子们在草地上奔跑，老人们在树下下棋聊天。"
    rows = [pair(1, english), pair(2, chinese), pair(1, english.replace("lazy", "idle")), pair(3)]
    rows += [pair(2, chinese.replace("公园", "花园")), pair(4, "A wholly different answer about something else.")]
    found = examined(rows)
    assert found["near"].row_numbers == (3, 5) and "duplicate" not in found
    assert found["near"].values["first"] == 1 and found["near"].values["percent"] >= 80


def test_leaks_are_questions_of_the_other_set(examined, tmp_path):
    held_out = tmp_path / "eval.json"
    held_out.write_text(json.dumps([pair(2, "another answer"), pair(9)]))
    found = examined([pair(1), pair(2), pair(3)], against=source_of(held_out))
    assert found["leak"].row_numbers == (2,) and found["leak"].severity == "error"


def test_near_leaks_are_told_once(examined, tmp_path):
    long = "The quick brown fox jumps over the lazy dog and then runs back into the forest by the river."
    held_out = tmp_path / "eval.json"
    held_out.write_text(json.dumps([pair(1, long), pair(2, long + " It sleeps.")]))
    rows = [pair(5), pair(7, long.replace("lazy", "idle"), pair(1)["instruction"] + "?"), pair(2, long), pair(3)]
    found = examined(rows, against=source_of(held_out))
    assert {code: finding.row_numbers for code, finding in found.items()} == {"leak": (3,), "near_leak": (2,)}
    assert found["near_leak"].values["first"] == 1


@pytest.mark.parametrize("answer, code", [
    ("ends with a bell\a", "control"), ("lost \ufffd letters", "broken_text"), ("这是锟斤拷乱码", "broken_text"),
    ("CafÃ© crÃ¨me, naÃ¯ve", "broken_text"), ("zero\u200bwidth", "invisible"), ("ＡＢＣ１２３ 全角", "wide"),
    ("I am {{name}}.", "placeholders"), ("As an AI language model, I cannot do that.", "refusal"),
    ("抱歉，我无法回答这个问题。", "refusal"), ("x" * 20_001, "long"),
])  # fmt: skip
def test_texts_that_are_not_well(examined, answer, code):
    found = examined([pair(1), pair(2, answer)])
    assert found[code].row_numbers == (2,) and set(found) == {code}
    assert found[code].text(catalogue("zh")) and found[code].to_mapping(catalogue("en"))["count"] == 1


def test_half_a_surrogate_pair_is_no_letter(examined):
    found = examined([pair(1), pair(2, "half a pair \ud83d of it")])
    assert found["broken_text"].row_numbers == (2,) and "U+D83D" in found["broken_text"].text(catalogue("en"))


@pytest.mark.parametrize("answer", [
    "emoji 👩‍👩‍👧 and flags 🇩🇪", "línea ñandú œuvre – “quoted” … €", "你好，世界！《红楼梦》——曹雪芹",
    "line\n\ttab\r\n", "שלום مرحبا",
])  # fmt: skip
def test_texts_that_are_well(examined, answer):
    assert examined([pair(1, answer)]) == {}


def test_an_answer_that_is_the_question(examined):
    assert examined([pair(1), pair(2, "Say it", "Say it")])["echo"].row_numbers == (2,)


def test_pairs_of_one_answer_and_what_nobody_reads(home, tmp_path):
    file = tmp_path / "pairs.jsonl"
    rows = [{"instruction": "one?", "chosen": "good", "rejected": "bad", "system": "s"},
            {"instruction": "two?", "chosen": "good ", "rejected": "good", "tools": "[{\"name\": \"f\"}]"}]  # fmt: skip
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    columns = Columns.none(prompt="instruction", chosen="chosen", rejected="rejected")
    found = {one.code: one for one in doctor.examine(Source("p", file, columns=columns, ranking=True))}
    assert {code: one.row_numbers for code, one in found.items()} == {"equal_pair": (2,), "unread": (1, 2)}
    assert "system, tools" in found["unread"].text(catalogue("en")) and found["unread"].fix is None
    assert doctor.fix(source_of(file), ["equal_pair"], "kept").num_rows == 1


def test_labels_out_of_balance(examined):
    rows = [pair(number, "no" if number % 30 == 0 else "yes") for number in range(60)]
    found = examined(rows)["imbalance"]
    assert found.values["percent"] == 97 and found.count == 0
    assert "imbalance" not in examined([pair(number, "no" if number % 3 else "yes") for number in range(60)])
    marked = [pair(number) | {"label": True} for number in range(3)]
    assert examined(marked)["imbalance"].values["most"] == "good"


def test_a_missing_file_names_the_nearest(home, tmp_path):
    (tmp_path / "rows.jsonl").write_text("{}")
    (finding,) = doctor.examine(Source("set", tmp_path / "rows.json"))
    assert finding.code == "missing" and "rows.jsonl" in finding.text(catalogue("en"))
    (paths.data()).mkdir()
    (paths.data() / "dataset_info.json").write_text('{"made": {"script_url": "make.py"}}')
    (finding,) = doctor.examine(registry.find("made", "data"))
    assert finding.code == "missing" and "make.py), which is not run" in finding.text(catalogue("en"))


def test_what_follows_a_break_in_an_array_is_told(home, tmp_path):
    file = tmp_path / "cut.json"
    file.write_text('[{"instruction": "a", "output": "b"}, {"instruction": "c"')
    found = {finding.code: finding for finding in doctor.examine(Source("cut", file))}
    assert found["unreadable"].row_numbers == (2,)


def test_only_what_is_asked_for(examined):
    rows = [pair(1, "call +86 13812345678"), pair(1, "call +86 13812345678")]
    assert set(examined(rows, checks=["duplicate"])) == {"duplicate"}
    assert set(examined(rows)) == {"duplicate", "phone"}


def test_the_traps_of_an_entry_are_told(home):
    paths.data().mkdir()
    (paths.data() / "a.json").write_text(json.dumps([pair(1)]))
    entry = {"a": {"file_name": "a.json", "colums": {}}}
    (paths.data() / "dataset_info.json").write_text(json.dumps(entry))
    (finding,) = doctor.examine(registry.find("a", "data"))
    assert finding.code == "entry" and "colums" in finding.text(catalogue("en"))


def test_progress_counts_and_may_cancel(home, tmp_path):
    file = tmp_path / "many.jsonl"
    file.write_text("".join(json.dumps(pair(number)) + "\n" for number in range(1_500)))
    told = []
    doctor.examine(source_of(file), checks=["broken"], progress=lambda *counts: told.append(counts))
    assert told == [(1_000, 0), (1_500, 1_500)]

    def cancel(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        doctor.examine(source_of(file), progress=cancel)


def test_the_shipped_sets_are_well(home):
    sets = [source for source in registry.load("data").values() if source.path]
    told = [(one.source, one.code) for source in sets for one in doctor.examine(source) if one.severity != "hint"]
    assert told == [("identity", "placeholders")]


def test_every_finding_has_its_words():
    for language in ("en", "zh"):
        t = catalogue(language)
        assert all(f"doctor.{code}.{part}" in t.words for code in doctor.CODES for part in ("title", "text"))


def test_plain_text_is_examined_too(home, tmp_path):
    file = tmp_path / "text.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in ("one text", "bad \ufffd", "one text", " ")))
    source = Source("text", file, columns=Columns.none(prompt="text"))
    found = {finding.code: finding.row_numbers for finding in doctor.examine(source)}
    assert found == {"empty": (4,), "duplicate": (3,), "broken_text": (2,)}


@pytest.mark.parametrize("name, content", [("a.json", "[]"), ("a.json", "[{'a': 1}]"), ("a.csv", "a,a\n1,2\n"),
                                           ("a.x", "")])  # fmt: skip
def test_a_set_without_one_row_is_not_healthy(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    (found,) = doctor.examine(Source("set", tmp_path / name))
    assert (found.code, found.severity, found.count, found.fix) == ("unreadable", "error", 0, None)
    assert name in found.text(catalogue("en")) and "row 1 of set" in found.text(catalogue("en"))
