"""What goes wrong in a download, each done for real, and what the user is told."""

import hashlib
import socket
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants
from pydantic import SecretStr

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fixtures"))
from toy_hub import FILES, HUBS, TOY, a_job, failure, lines, open_hub, start

from studio.worker.build import download as downloads


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with open_hub(monkeypatch, tmp_path) as server:
        yield server


@HUBS
@pytest.mark.parametrize("token", [None, "reader of other things"])
def test_a_gated_model_says_where_its_licence_is_accepted(hub, where, token):
    hub.repos[TOY].gated = True
    hub.tokens.add(token)
    secret = token and SecretStr(token)
    error = failure(a_job(where, hf_hub_token=secret, ms_hub_token=secret))
    assert error.key == "download_gated"
    page = f"{hub.url}/{TOY}" if where == "huggingface" else f"{hub.url}/models/{TOY}"
    assert page in str(error) and ("HF_TOKEN" if where == "huggingface" else "MODELSCOPE_API_TOKEN") in str(error)
    assert not hub.asked("resolve") and not hub.asked("FilePath")


@HUBS
def test_a_token_that_is_no_good_is_named_by_its_variable(hub, where):
    error = failure(a_job(where, hf_hub_token=SecretStr("stale"), ms_hub_token=SecretStr("stale")))
    assert error.key == "download_refused" and "_TOKEN" in str(error) and "stale" not in str(error)


@HUBS
@pytest.mark.parametrize("private", [False, True])
def test_an_unknown_or_private_model_names_the_other_hub(hub, where, private):
    hub.add("owner/secret", FILES, private=True)
    error = failure(a_job(where, name="owner/secret" if private else "owner/typo"))
    assert error.key == "download_unknown"
    other = "hub: modelscope" if where == "huggingface" else "hub: huggingface"
    assert other in str(error) and "_TOKEN" in str(error)


def test_an_unknown_id_that_the_catalogue_knows_is_named_as_the_other_hub_has_it(hub):
    error = failure(a_job(name="meta-llama/Llama-3.2-1B"))
    assert "LLM-Research/Llama-3.2-1B" in str(error)


@HUBS
def test_a_wrong_revision_names_those_there_are(hub, where):
    error = failure(a_job(where, model_revision="v9"))
    assert error.key == "download_no_revision" and "v9" in str(error) and "v1" in str(error)


@HUBS
@pytest.mark.parametrize("down", ["closed", "broken"])
def test_a_hub_that_cannot_be_reached_names_mirror_and_other_hub(hub, where, down, monkeypatch):
    hub.down = True
    if where == "modelscope":
        monkeypatch.setattr("modelscope_hub._legacy_api.REPO_TREE_PAGE_MAX_ATTEMPTS", 1)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # and does not listen
        if down == "closed":
            monkeypatch.setattr("studio.data.asking.hubs.getproxies", dict)
            if where == "modelscope":  # its client would try for ten seconds, and tell each of them
                monkeypatch.delattr("modelscope_hub.HubApi.list_repo_files")
            for variable in ("HF_ENDPOINT", "MODELSCOPE_ENDPOINT"):
                monkeypatch.setenv(variable, f"http://127.0.0.1:{deaf.getsockname()[1]}")
        error = failure(a_job(where))
    assert error.key == "download_unreachable"
    hints = ("HF_ENDPOINT", "USE_MODELSCOPE_HUB=1") if where == "huggingface" else ("MODELSCOPE_ENDPOINT", "hub: hugg")
    assert all(hint in str(error) for hint in hints) and "retries" not in str(error)


def test_offline_is_said(hub, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert failure(a_job()).key == "download_offline"


@HUBS
def test_too_little_room_is_said_before_any_byte_comes(hub, where, tmp_path):
    hub.repos[TOY].claims["model.safetensors"] = 10**18
    error = failure(a_job(where, local_dir=str(tmp_path / "far" / "away")))
    assert error.key == "download_no_room"
    assert float(error.values["needed_gib"]) > float(error.values["free_gib"]) > 0
    assert str(tmp_path / "far" / "away") in str(error) and not (tmp_path / "far").exists()
    assert not hub.asked("storage") and not hub.asked("FilePath")


@HUBS
def test_a_disk_that_fills_up_is_said_and_the_bytes_are_kept(hub, where, tmp_path):
    found = lines(start(hub, tmp_path, limit_bytes=100_000, hub=where))
    assert found[-1][:2] == ["error", "disk_full"] and str(tmp_path) in found[-1][2]
    assert 100_000 in [path.stat().st_size for path in tmp_path.rglob("*.incomplete")]


@HUBS
def test_a_file_that_arrives_damaged_is_thrown_away(hub, where, monkeypatch, tmp_path):
    if where == "modelscope":
        monkeypatch.setattr("modelscope_hub._download.DOWNLOAD_INTEGRITY_RETRY_BACKOFF", 0.01)
    hub.damage.add("model.safetensors")
    error = failure(a_job(where))
    assert error.key == "download_damaged" and "model.safetensors" in str(error)
    damaged = hashlib.sha256(FILES["model.safetensors"]).hexdigest()  # what is whole of the others is kept
    assert not list(tmp_path.rglob(f"{damaged}.incomplete")) and downloads.locate(TOY, a_job(where)) is None


@HUBS
def test_a_model_without_weights_to_train_says_what_it_has(hub, where):
    hub.add("owner/converted", {"config.json": b"{}", "toy.gguf": b"gguf"})
    error = failure(a_job(where, name="owner/converted"))
    assert error.key == "download_no_weights" and ".gguf" in str(error)


@pytest.mark.parametrize("name", ["just-a-name", "three/part/name", "./a/folder", "owner/"])
def test_what_is_no_id_is_not_asked_for(hub, name):
    assert failure(a_job(name=name)).key == "download_no_id"
    assert hub.requests == []


def test_without_modelscopes_client_its_installation_is_named(hub, monkeypatch):
    monkeypatch.setitem(sys.modules, "modelscope_hub", None)
    monkeypatch.setitem(sys.modules, "modelscope_hub.errors", None)
    assert "pip install modelscope-hub" in str(failure(a_job("modelscope")))
    assert downloads.locate(TOY, a_job("modelscope")) is None
