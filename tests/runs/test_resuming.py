"""Going on with a run: after a crash, a stop, an end; and what cannot be gone on with."""

import pytest
import stand_in
from acting import TOY, ended, key_of

from studio import runs
from studio.errors import StudioError
from studio.runs import folder as files
from studio.runs import queue


def used(job, behave, *words) -> runs.Run:
    behave(*words)
    return ended(runs.start(job(output_dir="saves/m/lora/r")))


def test_resume_goes_on_from_the_last_whole_checkpoint(behave, job):
    run = used(job, behave, "steps=9", "save=2", "crash=6")
    stand_in.save(run.folder, 6, half=True)
    behave("steps=9")
    runs.resume(run, learning_rate="2e-5")
    ended(run)
    assert run.state == "finished" and "starting at 4" in run.log_tail()
    assert run.job().learning_rate == 2e-5 and run.status.attempts == 2
    assert "learning_rate: 2.0e-05" not in (run.folder / "job.1.yaml").read_text()


def test_resume_of_what_cannot_be(behave, job):
    run = used(job, behave, "steps=2", "save=1")
    assert key_of(runs.resume, run) == "resume_finished"
    assert key_of(runs.resume, run, num_train_epochs=2) == "resume_finished"
    assert key_of(runs.resume, run, lora_rank="many") == "config"
    for checkpoint in run.folder.glob("checkpoint-*"):
        (checkpoint / "trainer_state.json").unlink()
    with pytest.raises(StudioError) as found:
        runs.resume(run, num_train_epochs=20)
    assert found.value.key == "resume_nothing" and "overwrite_output_dir=true" in str(found.value)
    assert run.state == "finished"


def test_train_longer(behave, job):
    run = used(job, behave, "steps=2", "save=1")
    behave("steps=4")
    ended(runs.resume(run, num_train_epochs="20"))
    assert run.state == "finished" and run.job().num_train_epochs == 20 and "starting at 2" in run.log_tail()
    assert run.progress().step == 4


def test_begin_anew_in_the_same_folder(behave, job):
    run = used(job, behave, "steps=3", "crash=2")
    assert key_of(runs.resume, run) == "resume_nothing"
    behave("steps=3")
    runs.resume(run, overwrite_output_dir="true")
    assert ended(run).state == "finished" and list(run.folder.glob("previous-*"))


def test_resume_of_a_live_run(busy, behave, job):
    run = runs.start(job())
    assert key_of(runs.resume, run) == "run_is_live"


def test_resume_of_a_run_that_never_began(busy, behave, job):
    run = runs.start(job())
    runs.stop(run)
    assert run.state == "stopped" and queue.order() == []
    assert runs.resume(run).state == "queued" and queue.order() == [run.id]


def test_resume_keeps_the_folder_paths_were_meant_for(behave, job, tmp_path, monkeypatch):
    run = used(job, behave, "steps=5", "save=2", "crash=5")
    before = files.read_json(run.folder / files.LAUNCH)["cwd"]
    monkeypatch.chdir(tmp_path)
    behave("steps=5")
    ended(runs.resume(run))
    assert files.read_json(run.folder / files.LAUNCH)["cwd"] == before != str(tmp_path)


def test_a_folder_of_llamafactory_is_gone_on_from(behave, job, home):
    folder = home / "saves" / "Llama-3" / "lora" / "old"
    stand_in.save(folder, 4)
    (folder / "trainer_log.jsonl").write_text('{"current_steps": 4, "total_steps": 8, "loss": 1.0}\n')
    (folder / "training_args.yaml").write_text(
        f"stage: sft\ndo_train: true\nmodel_name_or_path: {TOY}\ndataset: d\nfinetuning_type: lora\noutput_dir: x\n")
    run = runs.find("old")
    assert run.state == "unknown" and run.kind == "train"
    behave("steps=8")
    ended(runs.resume(run, device="cpu"))
    assert run.state == "finished" and "starting at 4" in run.log_tail() and run.job().output_dir == str(folder)
