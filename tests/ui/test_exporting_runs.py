"""The exports there are, told by their folders; a download gives files of an export alone."""

import asyncio
import json

import pytest
from exported import exported, trained, written

from studio import runs
from studio.errors import StudioError
from studio.runs import folder as files
from studio.text import catalogue
from studio.ui.parts import exporting_runs
from studio.ui.parts.exporting_verdicts import verdicts

EN, ZH = catalogue("en"), catalogue("zh")


def only_row(t=EN):
    return exporting_runs.listing(t, {})["rows"][0]


def test_a_finished_export_tells_its_files_verdicts_and_what_to_do(home):
    folder = exported(home / "saves", "one", adapter_name_or_path=["/a/nova"])
    found = exporting_runs.listing(EN, {})
    row = found["rows"][0]
    assert row["state"] == "finished" and row["about"] == "starter model + nova → Merged model, GGUF"
    result = row["result"]
    assert result["folder"] == str(folder / "model") and len(result["files"]) == 4
    assert result["files"][0][:2] == ["model.safetensors", "7 B"] and result["next"][1].startswith("ollama create")
    assert [one["name"] for one in result["downloads"]] == ["adapter.zip"]
    assert result["facts"] == "12 s · 1.2 GiB of memory at most"
    assert exporting_runs.listing(EN, {"token": found["token"]}) is None
    assert only_row(ZH)["result"]["verdicts"] != result["verdicts"]


def test_verdicts_are_said_in_plain_words(home):
    same, differs, unknown, summed = verdicts(EN, written(home / "x"))
    assert (same["ok"], differs["ok"], unknown["ok"], summed["ok"]) == (True, False, None, True)
    assert same["text"] == "the same as before; greedy answers equal on 8 prompts; largest difference of logits 0.0003"
    assert differs["title"] == "GGUF q8_0"
    assert "not all greedy answers equal" in differs["text"] and EN("export.notes.other_tokens") in differs["text"]
    assert unknown["text"] == "not checked; only on a card" and "as expected" in summed["text"]
    tie = {"format": "pth", "ok": True, "greedy_equal": False, "num_tokens": 9, "num_equal_tokens": 8}
    assert verdicts(EN, {"verdicts": [tie]})[0]["text"] == f"{EN('export.near')}; 8 of 9 tokens equal"
    other = verdicts(ZH, {"sha256": {"expected": "aa", "found": "bb", "equal": False, "path": "m.safetensors"}})
    assert other[0]["ok"] is False and "aa" in other[0]["text"] and "m.safetensors" in other[0]["title"]


ODD = ({}, {"verdicts": None}, {"files": "x", "verdicts": [1, {}], "next": {}, "sha256": 3})


@pytest.mark.parametrize("result", ODD)
def test_a_result_of_another_form_breaks_nothing(home, result):
    exported(home / "saves", "one", result=result)
    assert only_row()["result"]["folder"]


def test_the_export_that_an_address_names_is_told_however_old_it_is(home):
    names = [exported(home / "saves", f"e{number}").name for number in range(10)]
    told = {row["name"] for row in exporting_runs.listing(EN, {})["rows"]}
    assert len(told) == 8
    for left_out in set(names) - told:
        run_id = next(run.id for run in runs.listing() if run.id.endswith(f"/{left_out}"))
        rows = exporting_runs.listing(EN, {"named": run_id})["rows"]
        assert len(rows) == 9 and rows[-1]["id"] == run_id


def test_an_export_that_failed_begins_again(home, monkeypatch):
    folder = exported(home / "saves", "one", "failed")
    run_id = only_row()["id"]
    assert only_row()["can"] == ["resume"] and only_row()["result"] is None and only_row()["says"] == {}
    (folder / files.RESULT).write_text(json.dumps(written(folder / "model")))  # only the hub would not have it
    assert only_row()["result"]["verdicts"] and only_row()["says"] == {"resume": EN("export.send_again")}
    resumed = []
    monkeypatch.setattr(runs, "resume", resumed.append)
    exporting_runs.act(EN, {"run": run_id, "action": "resume"})
    assert resumed[0].id == run_id
    trained(home / "saves", "starter/lora/nova")
    for asked in ({"run": run_id, "action": "stop"}, {"run": "starter/lora/nova", "action": "resume"}, {"run": "../x"}):
        with pytest.raises(StudioError):
            exporting_runs.act(EN, asked)


def test_a_download_gives_files_of_the_export_alone(home, tmp_path):
    folder = exported(home / "saves", "one")
    run_id = runs.Run(folder).id
    assert exporting_runs.exported(run_id, "adapter.zip") == (folder / "model" / "adapter.zip")
    assert asyncio.run(exporting_runs.download(run_id, "adapter.zip")).status_code == 200
    (folder / "model" / "other").write_text("no part of the export")
    secret = tmp_path / "secret"
    secret.write_text("x")
    (folder / "model" / "README.md").unlink()
    (folder / "model" / "README.md").symlink_to(secret)
    for run, name in ((run_id, "other"), (run_id, "../job.yaml"), (run_id, str(secret)), (run_id, "README.md"),
                      (run_id, ""), ("", "adapter.zip"), ("../../etc", "passwd")):  # fmt: skip
        assert exporting_runs.exported(run, name) is None
    assert asyncio.run(exporting_runs.download(run_id, "../job.yaml")).status_code == 404


def test_a_result_that_names_other_folders_gives_nothing_of_them(home, tmp_path):
    (tmp_path / "secret").write_text("x")
    files = [{"path": "../secret", "bytes": 1}, {"path": str(tmp_path / "secret"), "bytes": 1}]
    (tmp_path / "out").mkdir()
    folder = exported(home / "saves", "one", export_dir=tmp_path / "out", result={"files": files})
    for one in files:
        assert exporting_runs.exported(runs.Run(folder).id, one["path"]) is None
