"""Which rows an evaluation asks: those that its training held back, and no others."""

import json
from pathlib import Path

import pytest

from studio import data
from studio.config import TrainJob, read_arguments
from studio.errors import StudioError
from studio.worker.evaluate import rows

TOKENIZER = Path(__file__).resolve().parents[2] / "golden" / "bytes"
JUDGED = {"ranking": True, "columns": {"prompt": "q", "chosen": "a", "rejected": "b"}}


@pytest.fixture
def train(tmp_path, data_dir, add):
    """`train(**keys)`: the job of a training on two sets (of a judged one, where a stage is named), in its folder."""
    add("more", [{"instruction": f"q{number}", "output": f"a{number}"} for number in range(40)])
    add("pairs", [{"q": f"q{number}", "a": "yes", "b": "no"} for number in range(30)], **JUDGED)

    def make(**keys):
        folder = tmp_path / "run"
        folder.mkdir()
        sets = ["pairs"] if "stage" in keys else ["sums", "more"]
        base = {"model_name_or_path": "m", "template": "chatml", "dataset": sets, "dataset_dir": str(data_dir),
                "output_dir": str(folder), "val_size": 0.2}  # fmt: skip
        job = TrainJob(**base | keys)
        (folder / "job.yaml").write_text(job.to_yaml())
        return job

    return make


def held_back(job):
    kept = data.load(job, TOKENIZER).eval
    names = {id(store): name for store, name in zip(kept.stores, job.dataset, strict=True)}
    places = [kept.locate(index) for index in range(len(kept))]
    return [(names[id(store)], int(store.numbers[row])) for store, row in places]


def asked(*argv):
    job = read_arguments("evaluate", [str(word) for word in argv]).job
    return [(row.dataset, row.number) for row in rows.find(job, TOKENIZER, lambda *step: None).rows]


@pytest.mark.parametrize("keys", [
    {}, {"seed": 0}, {"mix_strategy": "interleave_under"}, {"mix_strategy": "interleave_over", "seed": 3},
    {"streaming": True, "max_steps": 2, "val_size": 4, "buffer_size": 8}, {"max_samples": 20}, {"stage": "dpo"},
])  # fmt: skip
def test_what_was_held_back_is_asked_from_the_run_and_from_its_file(train, tmp_path, keys):
    job = train(**keys)
    wanted = held_back(job)
    assert len(wanted) >= 4 and asked(tmp_path / "run" / "job.yaml") == wanted
    file = tmp_path / "written.yaml"
    file.write_text(json.dumps(TrainJob.model_dump(job, exclude_unset=True) | {"output_dir": str(tmp_path / "not")}))
    assert asked(file) == wanted
    assert asked(file, "max_samples=2") == wanted[:2]


def test_another_choice_of_rows_is_split_by_itself(train, tmp_path):
    train(mix_strategy="interleave_under")
    run = tmp_path / "run" / "job.yaml"
    assert {name for name, _ in asked(run, "dataset=sums")} == {"sums"} and len(asked(run, "val_size=3")) == 3


def test_a_run_that_has_gone_is_said(train, tmp_path):
    train()
    with pytest.raises(StudioError, match="elsewhere"):
        asked(tmp_path / "run" / "job.yaml", f"held_back_of={tmp_path / 'elsewhere' / 'job.yaml'}")
