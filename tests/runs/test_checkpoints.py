"""Only whole checkpoints are gone on from."""

import json
import zipfile

import pytest
import stand_in

from studio.runs import checkpoints


def test_last_is_by_number_not_by_name(tmp_path):
    for step in (9, 10, 100):
        stand_in.save(tmp_path, step)
    (tmp_path / "checkpoint-x").mkdir()
    (tmp_path / "checkpoint-200").write_text("a file")
    assert checkpoints.last_checkpoint(tmp_path).name == "checkpoint-100"
    assert [checkpoints.step_of(path) for path in checkpoints.checkpoints(tmp_path)] == [9, 10, 100]


def cut_weights(path):
    data = (path / "adapter_model.safetensors").read_bytes()
    (path / "adapter_model.safetensors").write_bytes(data[:-1])


def cut_header(path):
    (path / "adapter_model.safetensors").write_bytes((path / "adapter_model.safetensors").read_bytes()[:20])


def wild_header(path):
    (path / "adapter_model.safetensors").write_bytes(b"\xff" * 64)


def cut_state(path):
    (path / "trainer_state.json").write_text('{"global_st')


def no_state(path):
    (path / "trainer_state.json").unlink()


def no_weights(path):
    (path / "adapter_model.safetensors").unlink()


def missing_shard(path):
    index = {"weight_map": {"a": "adapter_model.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (path / "model.safetensors.index.json").write_text(json.dumps(index))


def cut_optimizer(path):
    with zipfile.ZipFile(path / "optimizer.pt", "w") as archive:
        archive.writestr("data", b"x" * 1000)
    (path / "optimizer.pt").write_bytes((path / "optimizer.pt").read_bytes()[:500])


@pytest.mark.parametrize("damage", [
    cut_weights, cut_header, wild_header, cut_state, no_state, no_weights, missing_shard, cut_optimizer,
])
def test_half_written_is_passed_over(tmp_path, damage):
    stand_in.save(tmp_path, 5)
    damage(stand_in.save(tmp_path, 10))
    assert checkpoints.last_checkpoint(tmp_path).name == "checkpoint-5"


def test_whole_with_optimizer_and_shards(tmp_path):
    path = stand_in.save(tmp_path, 5)
    with zipfile.ZipFile(path / "optimizer.pt", "w") as archive:
        archive.writestr("data", b"x")
    (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "adapter_model.safetensors"}}))
    assert checkpoints.is_whole(path)


def test_real_file_of_the_library_is_whole(tmp_path):
    numpy_file = pytest.importorskip("safetensors.numpy")
    import numpy

    path = stand_in.save(tmp_path, 5)
    tensors = {"a": numpy.zeros((3, 5), numpy.float32), "b": numpy.zeros(7, numpy.float16)}
    numpy_file.save_file(tensors, path / "adapter_model.safetensors", {"format": "pt"})
    assert checkpoints.is_whole(path)


def test_no_folder_no_checkpoint(tmp_path):
    assert checkpoints.last_checkpoint(tmp_path / "missing") is None
