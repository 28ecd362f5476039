"""Where exports are written: aside, alone, and given their name when they are whole; whatever comes in between."""

import errno
import os
import resource
import shutil
from pathlib import Path

import pytest

from studio.errors import StudioError
from studio.worker.export import drafts, manifest


def test_only_files_as_an_export_of_ours_has_written_them_are_replaced(tmp_path):
    target = tmp_path / "out"

    def written(text):
        with drafts.draft(target) as part:
            (part / "weights").write_text(text)
            (part / "card").write_text(text)
            manifest.record(part, [], lambda *_: None)
            drafts.put(part, target)

    def kept():
        (folder,) = tmp_path.glob("out.previous-*")
        found = {path.name: path.read_text() for path in folder.iterdir()}
        shutil.rmtree(folder)
        return found

    target.mkdir()
    (target / "weights").write_text("somebody's")  # a publisher's folder, with the sums of its own
    manifest.record(target, [], lambda *_: None)
    written("first")
    assert set(kept()) == {"weights", manifest.SUMS}
    (target / "card").write_text("edited")
    written("second")
    assert kept() == {"card": "edited"}
    written("third")
    assert [path.name for path in tmp_path.glob("out*")] == ["out"] and (target / "weights").read_text() == "third"


def test_an_export_that_is_being_written_is_left_alone_by_another(export, tmp_path):
    with drafts.draft(tmp_path / "out") as part:
        with pytest.raises(StudioError) as error:
            export(verify_export=False)
        assert error.value.key == "export_dir_busy" and (part / drafts.MARK).exists()
        with pytest.raises(StudioError) as error, drafts.draft(tmp_path / "out"):
            pass  # both were past the check
        assert error.value.key == "export_dir_busy" and (part / drafts.MARK).exists()


def test_a_folder_that_was_filled_meanwhile_is_not_replaced(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "weights").write_text("another run's")  # both were past the check
    with pytest.raises(StudioError) as error, drafts.draft(tmp_path / "out", overwrite=False):
        pass
    assert error.value.key == "export_dir_used" and not (tmp_path / "out.part").exists()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["weights"]


def test_what_a_killed_process_has_left_is_cleared_away_and_nothing_else(tmp_path):
    part = tmp_path / "out.part"
    part.mkdir()
    (part / "weights").write_text("half")
    with pytest.raises(StudioError) as error:
        drafts.clear(tmp_path / "out")
    assert error.value.key == "export_dir_used" and (part / "weights").is_file(), "somebody's own folder"
    (part / drafts.MARK).touch()
    with drafts.draft(tmp_path / "out") as draft:
        assert [path.name for path in draft.iterdir()] == [drafts.MARK]
        drafts.put(draft, tmp_path / "out")
    assert [path.name for path in tmp_path.glob("out*")] == ["out"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == [drafts.DONE]


def test_a_folder_that_cannot_make_room_is_told_before_the_work(tmp_path, monkeypatch):
    with pytest.raises(StudioError) as error:
        drafts.clear(Path("/dev/shm"))  # a mounted disk, for root; below a folder that others may not write
    assert error.value.key == "export_dir_fixed" and not list(Path("/dev").glob("shm.*"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    drafts.clear(tmp_path / "out")
    assert (tmp_path / "out" / "mine").is_file() and len(list(tmp_path.glob("out*"))) == 1

    def refuse(*_):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(Path, "rename", refuse)  # as with a folder of a container's image
    with pytest.raises(StudioError) as error:
        drafts.clear(tmp_path / "out")
    assert error.value.key == "export_dir_fixed" and len(list(tmp_path.glob("out*"))) == 1


@pytest.mark.parametrize(("share", "keys"), [
    (0.5, {}),
    (1.02, {"output_type": "pth"}),
    (0.75, {"export_formats": ["gguf"], "gguf_types": ["f32"], "infer_dtype": "bfloat16"}),
    (1.02, {"export_formats": ["adapter"]}),  # in the zip, which holds more than the weights
], ids=["merged", "pth", "gguf", "adapter"])  # fmt: skip
def test_a_disk_that_becomes_full_leaves_nothing_half(share, keys, adapter, toy_model, export, tmp_path):
    made, limits = adapter("a"), resource.getrlimit(resource.RLIMIT_FSIZE)
    of_adapter = keys.get("export_formats") == ["adapter"]
    weights = made / "adapter_model.safetensors" if of_adapter else toy_model / "model.safetensors"
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(share * weights.stat().st_size), limits[1]))
    try:
        with pytest.raises(StudioError) as error:
            export(made, verify_export=False, **keys)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert error.value.key == "export_disk_full" and error.value.values["path"] == tmp_path
    assert not (tmp_path / "out").exists() and not (tmp_path / "out.part").exists()
