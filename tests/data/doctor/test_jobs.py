"""The round over a job: its model's eyes, its stage, its evaluation sets, the part that val_size keeps back."""

import json

import pytest

from studio import paths
from studio.data import doctor, register, registry
from studio.text import catalogue


def entered(name: str, rows: list, **entry) -> str:
    paths.data().mkdir(parents=True, exist_ok=True)
    (paths.data() / f"{name}.json").write_text(json.dumps(rows), "utf-8")
    register.register(name, {"file_name": f"{name}.json", **entry})
    return name


def pair(number: int, answer: str = "") -> dict:
    return {"instruction": f"q{number}", "output": answer or f"a{number}"}


@pytest.fixture
def found(make_job, tokenizer_dir):
    """found(dataset=…) → {(code, set): finding} for a job on the byte-level model."""

    def check(**keys):
        job = make_job(**{"model_name_or_path": str(tokenizer_dir), "dataset_dir": "data", **keys})
        return {(one.code, one.source): one for one in doctor.check_job(job)}

    return check


def test_leaks_between_the_sets_of_a_job(found, home):
    entered("one", [pair(1), pair(2)])
    entered("two", [pair(3), pair(4)])
    entered("held", [pair(4, "other words"), pair(5)])
    assert set(found(dataset=["one", "two"], eval_dataset=["held"])) == {("leak", "two")}


def test_the_part_held_back_is_the_one_training_draws(found, home):
    entered("set", [pair(number % 10) for number in range(20)])
    (finding,) = [one for key, one in found(dataset=["set"], val_size=0.25).items() if key[0] == "val_leak"]
    assert finding.values["total"] == 5 and 1 <= finding.count <= 5 and len(finding.row_numbers) == finding.count
    entered("some", [pair(number % 10) for number in range(20)], num_samples=12)
    drawn = found(dataset=["some"], val_size=0.25)["val_leak", "some"]
    assert drawn.values["total"] == 3, "of the rows that training draws"
    entered("fresh", [pair(number) for number in range(20)])
    assert found(dataset=["fresh"], val_size=0.25) == {}


def test_rows_that_cutoff_len_cuts(found, home):
    entered("set", [pair(1), pair(2, "x" * 300), pair(3)])
    finding = found(dataset=["set"], cutoff_len=64)["too_long", "set"]
    assert finding.row_numbers == (2,) and "64" in finding.text(catalogue("en"))
    assert found(dataset=["set"], cutoff_len=512) == {}


def test_tokens_of_the_template_that_the_model_lacks(found, home, tokenizer_dir, tmp_path):
    entered("set", [pair(1)])
    assert found(dataset=["set"], template="gemma") == {}
    folder = tmp_path / "poor"
    folder.mkdir()
    for file in tokenizer_dir.iterdir():
        (folder / file.name).write_text(file.read_text("utf-8").replace("<start_of_turn>", "<other>"), "utf-8")
    poor = found(dataset=["set"], template="gemma", model_name_or_path=str(folder))
    assert "<start_of_turn>" in poor["tokens", "set"].text(catalogue("en"))


def test_sets_that_are_missing_or_of_another_stage(found, home):
    entered("pairs", [{"instruction": "a", "chosen": "b", "rejected": "c"}], ranking=True,
            columns={"prompt": "instruction", "chosen": "chosen", "rejected": "rejected"})  # fmt: skip
    assert set(found(dataset=["pairs", "nowhere"])) == {("stage", "pairs"), ("missing", "nowhere")}
    assert found(dataset=["pairs"], stage="dpo") == {}


def test_placeholders_that_the_job_fills_are_none(found, home):
    entered("me", [pair(1, "I am {{name}}.")])
    assert set(found(dataset=["me"])) == {("placeholders", "me")}
    assert found(dataset=["me"], placeholders={"name": "Ada"}) == {}


def test_a_model_that_is_not_here_leaves_the_other_checks(found, home):
    entered("set", [pair(1), pair(1)])
    assert set(found(dataset=["set"], model_name_or_path="owner/not-here")) == {("lens", "set"), ("duplicate", "set")}


def test_a_fix_looks_through_the_jobs_eyes(make_job, tokenizer_dir, home):
    entered("set", [pair(1), pair(2, "x" * 300), pair(3)])
    entered("held", [pair(3)])
    job = make_job(model_name_or_path=str(tokenizer_dir), dataset_dir="data", dataset=["set"], eval_dataset=["held"],
                   cutoff_len=64)  # fmt: skip
    made = doctor.fix(registry.find("set", "data"), ["too_long", "leak"], "good", doctor.values_of(job))
    assert made.num_rows == 1 and made.counts["left_out"] == 2
