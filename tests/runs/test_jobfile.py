"""`job.yaml` edited without the schema."""

import yaml

from studio.config import read_run
from studio.runs import jobfile


def test_edit_changes_one_key_alone(tmp_path, job):
    made = job(output_dir="/a b/" + "long name " * 30, lora_target=["q_proj", "v_proj"], learning_rate=3e-5)
    (tmp_path / "job.yaml").write_text(made.to_yaml())
    jobfile.edit(tmp_path, output_dir="/new/päth: #1", resume_from_checkpoint="/new/checkpoint-5")
    found = read_run(tmp_path)
    assert found.output_dir == "/new/päth: #1" and found.resume_from_checkpoint == "/new/checkpoint-5"
    changed = {"output_dir": found.output_dir, "resume_from_checkpoint": found.resume_from_checkpoint}
    assert found == made.model_copy(update=changed)


def test_edit_replaces_lists_and_adds_keys(tmp_path):
    (tmp_path / "job.yaml").write_text("a:\n- 1\n- 2\nb: x\n  y\nc: 3")
    jobfile.edit(tmp_path, a="one", b="two", d="new")
    assert yaml.safe_load((tmp_path / "job.yaml").read_text()) == {"a": "one", "b": "two", "c": 3, "d": "new"}


def test_value_reads_a_scalar(tmp_path):
    (tmp_path / "job.yaml").write_text("kind: train\nwhat: 'starter'\nnone: null\n")
    found = {key: jobfile.value(tmp_path, key) for key in ("kind", "what", "none", "missing")}
    assert found == {"kind": "train", "what": "starter", "none": "null", "missing": None}
    assert jobfile.value(tmp_path / "missing", "kind") is None


def test_earlier_jobs_are_kept(tmp_path):
    for number in range(3):
        (tmp_path / "job.yaml").write_text(f"n: {number}")
        jobfile.keep(tmp_path)
    assert [(tmp_path / f"job.{number}.yaml").read_text() for number in (1, 2, 3)] == ["n: 0", "n: 1", "n: 2"]
