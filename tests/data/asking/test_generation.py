"""A generate run without its process: the three ways, the criteria, and starts after an end at any moment."""

import json
import random
import threading

import pytest
import shop
from wordsmith import Wordsmith, tasks, whole

from studio.config import GenerateJob
from studio.data import formats, reading, register, registry
from studio.data.asking import endpoint, generation, journal
from studio.errors import StudioError

SYLLABLES = [a + b for a in "bdfgklmnprstv" for b in ("a", "e", "i", "o", "u", "en", "or")]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(endpoint, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(generation, "LOOK_S", 0.01)


@pytest.fixture
def produce(tmp_path):
    """Runs a job in one folder; `stop_at` ends it once so many rows are made. Returns the figures."""
    folder = tmp_path / "run"
    folder.mkdir()

    def start(there, stop_at=None, judge=None, **keys):
        def tell(phase, done, total, unit):
            if stop_at is not None and done >= stop_at:
                raise KeyboardInterrupt

        job = GenerateJob(**{"api_base": there.url, "model": "toy", "new_dataset": "made", "topic": "food"} | keys)
        asker = endpoint.connect(there.url, "toy", max_tries=2)
        return generation.produce(job, folder, (asker, judge), tell)

    start.folder = folder
    return start


def novel(count=4):
    """An answer of tasks that resemble nothing; they are numbered through, so that a doubled one shows."""
    chance, lock, number = random.Random(5), threading.Lock(), [0]

    def answer(body):
        with lock:
            rows = []
            for _ in range(count):
                number[0] += 1
                words = ["".join(chance.choices(SYLLABLES, k=3)) for _ in range(8)]
                rows.append((f"Explain {' '.join(words)} {number[0]}", "<none>", f"answer {number[0]}"))
        return tasks(*rows)

    return answer


def rows_of(name="made"):
    return [raw for _, raw in reading.read_rows(registry.find(name, "data"))]


def refused(folder):
    lines = [json.loads(line) for line in (folder / journal.REJECTED).read_text().splitlines()]
    return [(line["reason"], line["row"].get("output") or line["row"].get("answer") or "") for line in lines]


def test_from_a_topic(produce):
    with Wordsmith(novel()) as there:
        figures = produce(there, num_rows=30, tasks_per_request=4, parallel_requests=3, temperature=0.7)
    assert len(rows_of()) == 30 == figures["rows"] and there.most_at_once <= 3
    assert set(rows_of()[0]) == {"instruction", "input", "output"} and rows_of()[0]["input"] == ""
    assert "Write 4 new tasks" in there.prompts[0] and "about: food." in there.prompts[0]
    assert rows_of()[0]["instruction"] in "".join(there.prompts[3:]), "what is made is shown as an example"
    assert there.asked[0]["temperature"] == 0.7 and there.asked[0]["max_tokens"] == 2048
    assert figures["completion_tokens"] == 5 * len(there.asked) and len(there.asked) == 8


def test_from_seeds(produce, tmp_path):
    seeds = tmp_path / "seeds.jsonl"
    lines = [{"id": "seed_0", "instruction": "Name a fruit.", "instances": [{"input": "", "output": "Apple."}]},
             {"instruction": "Sum up the text.", "input": "A text.", "output": "A sum."}]
    seeds.write_text("".join(json.dumps(line) + "\n" for line in lines))
    said = tasks(("Name a fruit!", "", "Pear."), ("Describe how rain forms over the sea.", "", "So."))
    with Wordsmith(lambda body: said) as there:
        produce(there, seed_tasks=str(seeds), topic=None, num_rows=1, num_seeds=2)
    assert [row["output"] for row in rows_of()] == ["So."], "what resembles a seed does not join"
    assert "Instruction: Sum up the text.\n" in there.prompts[0] and "Output: Apple." in there.prompts[0]
    assert "any subject" in there.prompts[0]


@pytest.mark.parametrize("stop_at", [0, 1, 7, 19])
def test_an_end_at_any_time_loses_and_doubles_nothing(produce, stop_at):
    with Wordsmith(novel(3)) as there:
        keys = {"num_rows": 20, "tasks_per_request": 3}
        with pytest.raises(KeyboardInterrupt):
            produce(there, stop_at=stop_at, **keys)
        before = rows_of() if stop_at else []
        file = produce.folder / journal.JOURNAL
        kept = file.read_bytes()
        file.write_bytes(kept + b'{"unit": 99, "rows": [{"instr')  # killed in the middle of a line
        produce(there, **keys)
    after = rows_of()
    assert after[: len(before)] == before and len(before) >= stop_at and len(after) == 20
    assert len({row["output"] for row in after}) == 20
    assert file.read_bytes().startswith(kept) and b'"unit": 99' not in file.read_bytes()


def test_a_finished_run_grows(produce):
    with Wordsmith(novel(3)) as there:
        produce(there, num_rows=4, tasks_per_request=3)
        first = rows_of()
        produce(there, num_rows=8, tasks_per_request=3)
    assert len(first) == 4 and rows_of()[:4] == first and len(rows_of()) == 8


def test_what_is_refused_is_counted_with_its_reason(produce):
    said = tasks(("Name a city in the north.", "", "Oslo"), ("Name a city in the north!", "", "Bergen"),
                 ("Draw a picture of a cat.", "", "none"), ("Tell a very long story.", "", "x" * 60),
                 ("Sing", "", "la"), ("Say it in Chinese please.", "", "好的，没问题"),
                 ("Answer with one letter.", "", "a"))
    said += "\n###\n8. Instruction: Cut\n8. Input:\n8. Output: off"
    with Wordsmith(lambda body: (200, {}, whole(said, "length"))) as there:
        figures = produce(there, num_rows=1, answer_language="en", max_answer_chars=50, min_answer_chars=2)
    assert [row["output"] for row in rows_of()] == ["Oslo"]
    assert sorted(refused(produce.folder)) == [
        ("cut", "off"), ("forbidden", "none"), ("language", "好的，没问题"), ("malformed", "la"), ("similar", "Bergen"),
        ("too_long", "x" * 60), ("too_short", "a")]  # fmt: skip
    assert sum(figures["refused"].values()) == 7


def test_questions_about_documents(produce, tmp_path):
    (tmp_path / "doc.md").write_text("\n\n".join(f"Fact {number}: " + "word " * 30 for number in range(8)))
    keys = {"way": "questions", "documents": [str(tmp_path / "doc.md")], "chunk_chars": 200, "overlap_chars": 0,
            "questions_per_chunk": 2, "topic": None}  # fmt: skip

    def answer(body):
        fact = body["messages"][0]["content"].partition("Fact ")[2][0]
        pairs = ((f"What about {fact}{fact}?", f"It is {fact}."), ("What is this?", "A fact."))
        return "\n###\n".join(f"{n}. Question: {q}\n{n}. Answer: {a}" for n, (q, a) in enumerate(pairs, 1))

    with Wordsmith(answer) as there:
        with pytest.raises(KeyboardInterrupt):
            produce(there, stop_at=3, **keys)
        figures = produce(there, **keys)
        assert len(there.asked) <= 8 + 4, "what is done is not asked again"
        (tmp_path / "doc.md").write_text("Something else.")
        with pytest.raises(StudioError) as caught:
            produce(there, **keys)
    assert caught.value.key == "asking_changed"
    rows = rows_of()
    facts = [row for row in rows if row["output"] != "A fact."]
    assert [row["output"] for row in facts] == [f"It is {number}." for number in range(8)], "in the document's order"
    assert all(f"Fact {row['output'][6]}" in row["context"] and row["source"] == "doc.md" for row in facts)
    assert len(rows) == 9 and figures["refused"] == {"similar": 7}


def test_what_was_refused_is_asked_again_under_other_terms(produce, tmp_path):
    (tmp_path / "doc.md").write_text("\n\n".join(f"Fact {number}: " + "word " * 30 for number in range(3)))
    keys = {"way": "questions", "documents": [str(tmp_path / "doc.md")], "chunk_chars": 200, "overlap_chars": 0,
            "topic": None, "parallel_requests": 1}  # fmt: skip

    def answer(body):
        fact = body["messages"][0]["content"].partition("Fact ")[2][0]
        words = "short" if fact == "1" else "a rather long answer"
        return (400, {}, "no") if body["temperature"] > 1 else f"1. Question: {fact}{fact}{fact}?\n1. Answer: {words}"

    with Wordsmith(answer) as there:
        for terms, num_rows, num_asked in (
            ({"temperature": 2}, 0, 3), ({"temperature": 1, "max_answer_chars": 9}, 1, 3),
            ({"temperature": 1, "max_answer_chars": 9}, 1, 0), ({"temperature": 1}, 3, 2), ({"temperature": 1}, 3, 0),
        ):  # fmt: skip
            before = len(there.asked)
            if num_rows:
                assert produce(there, **keys, **terms)["rows"] == num_rows
            else:
                with pytest.raises(StudioError):
                    produce(there, **keys, **terms)
            assert len(there.asked) - before == num_asked
    assert [row["instruction"] for row in rows_of()] == ["000?", "111?", "222?"]


SETS = {
    "alpaca": ({"instruction": "Q", "input": "i", "output": "old 2", "history": [["q0", "old 1"]]},
               {"columns": {"prompt": "instruction", "query": "input", "response": "output", "history": "history"}}),
    "sharegpt": ({"conversations": [{"from": "human", "value": "q0"}, {"from": "gpt", "value": "old 1"},
                                    {"from": "human", "value": "Q"}, {"from": "gpt", "value": "old 2"}]},
                 {"formatting": "sharegpt"}),
    "openai": ({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "q0"},
                             {"role": "assistant", "content": "old 1"}, {"role": "user", "content": "Q"},
                             {"role": "assistant", "content": "old 2"}]}, {"formatting": "openai"}),
}  # fmt: skip


SETS["text"] = ({"conversations": json.dumps(SETS["sharegpt"][0]["conversations"])}, {"formatting": "sharegpt"})
SETS["half a character"] = (SETS["alpaca"][0] | {"note": "\ud83d"}, SETS["alpaca"][1])
SETS["history"] = (SETS["alpaca"][0] | {"history": json.dumps(SETS["alpaca"][0]["history"])}, SETS["alpaca"][1])


@pytest.mark.parametrize("kind", SETS)
def test_answers_written_anew_in_their_own_format(produce, home, kind):
    raw, entry = SETS[kind]
    (home / "data").mkdir()
    (home / "data" / "old.jsonl").write_text(json.dumps(raw) + "\n" + json.dumps({"odd": 1}) + "\n")
    register.register("old", {"file_name": "old.jsonl", **entry})

    def answer(body):
        words = body["messages"][0]["content"]
        return "new 1" if "q0" in words and "old 1" in words else "new 2" if "Q" in words and "old 2" in words else "?"

    with Wordsmith(answer) as there:
        figures = produce(there, way="rewrite", rewrite_dataset="old", rewrite_instruction="shorter", topic=None)
    source = registry.find("made", "data")
    (new,) = rows_of()
    before, after = (formats.to_row(source, row) for row in (raw, new))
    assert [m["content"] for m in after.messages if m["role"] == "assistant"] == ["new 1", "new 2"]
    asked = [[message for message in row.messages if message["role"] != "assistant"] for row in (before, after)]
    assert asked[0] == asked[1]
    assert "old" in str(new["original"]) and figures["refused"] == {"unusable": 1}
    assert "this asks for: shorter" in there.prompts[0]


def test_a_judge_of_another_endpoint(produce):
    scores = {"answer 1": "Score: 9/10. Good.", "answer 2": "**Score:** 3\nBad.", "answer 3": "no idea"}
    with Wordsmith(novel(3)) as there, Wordsmith(lambda body: next(
            (said for words, said in scores.items() if body["messages"][0]["content"].endswith(words)), "8")) as judge:
        figures = produce(there, num_rows=3, judge=endpoint.connect(judge.url, "judge"), judge_min_score=7,
                tasks_per_request=3, judge_rubric="It rhymes.")
    assert [row["output"] for row in rows_of()] == ["answer 1", "answer 4", "answer 5"]
    assert [row["score"] for row in rows_of()] == [9, 8, 8] and "What counts: It rhymes." in judge.prompts[0]
    assert sorted(refused(produce.folder)) == [("judge_unclear", "answer 3"), ("judged_low", "answer 2")]
    assert figures["prompt_tokens"] == 10 * (len(there.asked) + len(judge.asked))
    assert len(judge.asked) == 7, "what cannot be read is asked for once more"


def test_sql_that_runs(produce, tmp_path):
    shop.database(tmp_path / "dbs" / "shop.sqlite")
    said = tasks(("How many customers are there?", "", "```sql\nSELECT count(*) FROM customer\n```"),
                 ("Which orders came from Delft?", "", "SELECT x FROM nowhere"))
    with Wordsmith(lambda body: said) as there:
        produce(there, num_rows=1, sql_databases=str(tmp_path / "dbs"))
    assert [row["instruction"] for row in rows_of()] == ["How many customers are there?"]
    assert [reason for reason, _ in refused(produce.folder)] == ["sql_fails"]


def test_questions_about_a_database(produce, tmp_path):
    file = shop.database(tmp_path / "shop.sqlite")
    said = ("1. Question: How many customers are there?\n1. Answer: ```sql\nSELECT count(*) FROM customer\n```\n###\n"
            "2. Question: Who owes most?\n2. Answer: SELECT debt FROM customer")  # fmt: skip
    with Wordsmith(lambda body: said) as there:
        produce(there, way="questions", documents=[str(file)], topic=None)
    source = registry.find("made", "data")
    (row,) = rows_of()
    assert row["db_id"] == "shop" and shop.SCHEMA in there.prompts[0] and "SQL query" in there.prompts[0]
    system, question, answer = (message["content"] for message in formats.to_row(source, row).messages)
    assert shop.SCHEMA in system and (question, answer) == ("How many customers are there?",
                                                            "SELECT count(*) FROM customer")  # fmt: skip
    assert refused(produce.folder) == [("sql_fails", "SELECT debt FROM customer")]


@pytest.mark.parametrize("said, key, most", [
    ((401, {}, {"error": {"message": "bad key"}}), "asking_refused", 4), ("no tasks here", "asking_fruitless", 24),
    ((400, {}, {"error": {"message": "too long"}}), "asking_all_refused", 8), ((500, {}, "broken"), "asking_gone", 8),
])
def test_going_on_in_vain_has_an_end(produce, said, key, most):
    with Wordsmith(lambda body: said) as there, pytest.raises(StudioError) as caught:
        produce(there, num_rows=50)
    assert caught.value.key == key and len(there.asked) <= most
    with pytest.raises(StudioError):
        registry.find("made", "data")


def test_a_name_that_is_taken_is_refused_before_anything_is_asked(produce, home):
    register.register("made", {"file_name": "other.jsonl"})
    with Wordsmith(novel()) as there, pytest.raises(StudioError) as caught:
        produce(there)
    assert caught.value.key == "data_name_taken" and not there.asked
    assert not (produce.folder / journal.JOURNAL).exists()


def test_rows_stand_under_another_name_where_theirs_was_taken_meanwhile(produce, capsys):
    writer = novel()

    def answer(body):
        register.register("made", {"file_name": "other.jsonl"}, replace=True)
        return writer(body)

    with Wordsmith(answer) as there:
        figures = produce(there, num_rows=4, tasks_per_request=4)
        assert figures["dataset"] == "made_2" and len(rows_of("made_2")) == 4
        assert "made_2" in capsys.readouterr().out
        grown = produce(there, num_rows=8, tasks_per_request=4)
    assert (grown["dataset"], len(rows_of("made_2"))) == ("made_2", 8)


def test_a_prompt_of_ones_own(produce):
    with Wordsmith(novel()) as there:
        produce(there, num_rows=4, tasks_per_request=4, ask_prompt='Give {count} on {topic} as {"json": {x}}.')
    assert there.prompts == ['Give 4 on food as {"json": {x}}.']
