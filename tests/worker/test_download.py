"""Downloads, from a stand-in of both hubs over real HTTP: what is fetched, resumed and verified, and each error."""

import hashlib
import json
import os
import random
import socket
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import constants
from pydantic import SecretStr

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fixtures"))
from hub_server import HubServer, commit_of

from studio.errors import StudioError
from studio.text import catalogue
from studio.worker.build import download as downloads
from studio.worker.build import huggingface
from studio.worker.build.order import HubFile, pick

ROOT = Path(__file__).resolve().parents[2]
TOY = "owner/toy"
WEIGHTS = random.Random(1).randbytes(300_000)
FILES = {
    "config.json": b'{"model_type": "llama"}',
    "generation_config.json": b"{}",
    "tokenizer.json": b'{"version": "1.0"}' + b" " * 2000,
    "tokenizer_config.json": b"{}",
    "chat_template.jinja": b"{{ messages }}",
    "model.safetensors": WEIGHTS,
    "LICENSE": b"free",
    "README.md": b"# Toy",
    "modeling_toy.py": b"import os",
    "pytorch_model.bin": b"old weights",
    "toy.gguf": b"gguf",
    "original/consolidated.00.pth": b"pth",
    "figures/plot.png": b"png",
}
NEEDED = {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}
NEEDED |= {"model.safetensors", "LICENSE"}
CLIENT = pytest.mark.skipif(find_spec("modelscope_hub") is None, reason="modelscope-hub is not installed")
MODELSCOPE = pytest.param("modelscope", marks=CLIENT)
HUBS = pytest.mark.parametrize("where", ["huggingface", MODELSCOPE])


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """The stand-in for both hubs, with a toy model; caches and home are empty."""
    with HubServer() as server:
        server.add(TOY, FILES)
        for variable in ("HF_ENDPOINT", "MODELSCOPE_ENDPOINT"):
            monkeypatch.setenv(variable, server.url)
        for variable in ("HF_TOKEN", "MODELSCOPE_API_TOKEN", "USE_MODELSCOPE_HUB", "MODELSCOPE_DOMAIN"):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("HOME", str(tmp_path / "user"))
        monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "ms"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        yield server


def a_job(where="huggingface", name=TOY, **keys):
    secrets = {"hf_hub_token": None, "ms_hub_token": None}
    base = {"model_name_or_path": name, "hub": where, "model_revision": None, "cache_dir": None, "local_dir": None}
    return SimpleNamespace(**(base | secrets | keys))


def bring(job):
    """Download; returns the folder and the calls of progress."""
    calls = []
    return downloads.download(job, lambda *call: calls.append(call)), calls


def failure(job):
    """The error of a download, whose words must exist, be filled and name the model in both languages."""
    with pytest.raises(StudioError) as caught:
        bring(job)
    for language in ("en", "zh"):
        words = caught.value.text(catalogue(language))
        assert "{" not in words and "\n" not in words
    return caught.value


def contents(folder: Path) -> set[str]:
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in files if not str(path).startswith(".cache")}


@HUBS
def test_it_brings_what_training_needs_and_reports_bytes(hub, where):
    folder, calls = bring(a_job(where))
    assert contents(folder) == NEEDED
    assert all((folder / name).read_bytes() == FILES[name] for name in NEEDED)
    total = sum(len(FILES[name]) for name in NEEDED)
    assert calls[-1] == ("download", total, total, "bytes")
    done = [call[1] for call in calls]
    assert done == sorted(done) and {call[0] for call in calls} == {"download"}


@HUBS
def test_a_second_download_transfers_no_weights_again(hub, where):
    folder, _ = bring(a_job(where))
    hub.requests.clear()
    again, calls = bring(a_job(where))
    assert again == folder
    assert hub.asked("storage") == [] and hub.asked("FilePath=model.safetensors") == []
    assert calls[1][1] >= len(WEIGHTS)  # counted as here from the start


@HUBS
def test_local_dir_takes_the_files_themselves(hub, where, tmp_path):
    folder, _ = bring(a_job(where, local_dir=str(tmp_path / "mine")))
    assert folder == tmp_path / "mine" and contents(folder) == NEEDED
    assert not any(path.is_symlink() for path in folder.rglob("*"))
    assert downloads.locate(TOY, a_job(where, local_dir=str(folder))) == folder


@HUBS
def test_cache_dir_and_code_on_request(hub, where, tmp_path):
    folder, _ = bring(a_job(where, cache_dir=str(tmp_path / "cache"), trust_remote_code=True))
    assert (tmp_path / "cache") in folder.parents
    assert contents(folder) == NEEDED | {"modeling_toy.py"}


@HUBS
def test_a_revision_is_asked_for_everywhere(hub, where):
    hub.repos[TOY].revisions["v2"] = FILES | {"model.safetensors": b"second"}
    folder, _ = bring(a_job(where, model_revision="v2"))
    assert (folder / "model.safetensors").read_bytes() == b"second"
    assert downloads.locate(TOY, a_job(where, model_revision="v2")) == folder
    assert downloads.locate(TOY, a_job(where, model_revision="v1")) is None


@CLIENT
def test_the_default_branch_is_each_hubs_own(hub):
    del hub.repos[TOY].revisions["main"]
    folder, _ = bring(a_job("modelscope", model_revision="main"))  # as LLaMA-Factory's files say it
    assert folder.name == "master"
    del hub.repos[TOY].revisions["master"]
    hub.repos[TOY].revisions["main"] = FILES
    assert bring(a_job())[0].name == commit_of(FILES)


@CLIENT
def test_the_hub_is_chosen_by_the_job_or_by_the_environment(hub, monkeypatch):
    bring(a_job("auto"))
    assert hub.asked("/api/models/") and not hub.asked("/api/v1/")
    hub.requests.clear()
    monkeypatch.setenv("USE_MODELSCOPE_HUB", "1")
    bring(a_job("auto"))
    assert hub.asked("/api/v1/") and not hub.asked("/api/models/")


@CLIENT
def test_the_catalogue_knows_the_id_at_the_other_hub(hub, capsys):
    hub.add("LLM-Research/Llama-3.2-1B", FILES)
    folder, _ = bring(a_job("modelscope", name="meta-llama/Llama-3.2-1B"))
    assert "LLM-Research--Llama-3.2-1B" in str(folder)
    assert "meta-llama/Llama-3.2-1B is LLM-Research/Llama-3.2-1B on ModelScope" in capsys.readouterr().out
    assert downloads.locate("meta-llama/Llama-3.2-1B", a_job("modelscope")) == folder


@HUBS
def test_a_connection_that_breaks_is_taken_up_where_it_broke(hub, where):
    hub.cut["model.safetensors"] = 100_000
    folder, _ = bring(a_job(where))
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert "bytes=100000-" in {request.range for request in hub.requests}


def test_a_server_without_ranges_starts_anew_and_counts_right(hub):
    hub.cut["model.safetensors"] = 100_000
    hub.ranges = False
    folder, calls = bring(a_job())
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert max(call[1] for call in calls) == calls[-1][2]


RUN = """
import json, sys
from studio.config import read_mapping
from studio.errors import StudioError
from studio.worker.build.download import download
def progress(phase, done, total, unit): print(json.dumps(["progress", done, total]), flush=True)
try:
    path = download(read_mapping("build", {"what": "download", **json.loads(sys.argv[1])}).job, progress)
    print(json.dumps(["path", str(path)]))
except StudioError as error:
    print(json.dumps(["error", error.key, str(error)]))
"""


def start(server, tmp_path, limit_bytes=None, **keys):
    """A download in a process of its own, with the real job and the variables users set."""
    set_ = {"HF_ENDPOINT": server.url, "MODELSCOPE_ENDPOINT": server.url, "HF_HUB_OFFLINE": "0", "HOME": str(tmp_path)}
    set_["MODELSCOPE_DOWNLOAD_MAX_RETRIES"] = "1"
    set_ |= {"HF_HOME": str(tmp_path / "hf"), "MODELSCOPE_CACHE": str(tmp_path / "ms"), "PYTHONPATH": str(ROOT)}
    code = (
        RUN if limit_bytes is None else f"import resource as r; r.setrlimit(r.RLIMIT_FSIZE, ({limit_bytes},) * 2)" + RUN
    )
    arguments = [sys.executable, "-c", code, json.dumps({"model_name_or_path": TOY} | keys)]
    return subprocess.Popen(arguments, env=os.environ | set_, stdout=subprocess.PIPE, text=True)


def lines(process):
    out, _ = process.communicate(timeout=60)
    return [json.loads(line) for line in out.splitlines() if line.startswith("[")]


@HUBS
def test_a_killed_download_goes_on_where_it_was(hub, where, tmp_path):
    hub.stall["model.safetensors"] = 150_000
    process = start(hub, tmp_path, hub=where)
    assert hub.stalled.wait(30)
    partial = wait_for_partial(tmp_path)
    process.kill()
    process.communicate()
    begun = partial.stat().st_size
    assert 0 < begun < len(WEIGHTS)
    assert not list(tmp_path.rglob("config.json"))  # what makes it a model comes last

    del hub.stall["model.safetensors"]
    hub.requests.clear()
    found = lines(start(hub, tmp_path, hub=where))
    assert (Path(found[-1][1]) / "model.safetensors").read_bytes() == WEIGHTS
    ranges = {request.range for request in hub.requests if "model.safetensors" in request.path and request.range}
    assert ranges == {f"bytes={begun}-"}
    assert not list(tmp_path.rglob("*.incomplete"))


def wait_for_partial(folder: Path) -> Path:
    """The growing file, once bytes are in it (they are flushed when the reader sees them, not when they are sent)."""
    for _ in range(300):
        for path in folder.rglob("*.incomplete"):
            if path.stat().st_size:
                return path
        threading.Event().wait(0.05)
    raise AssertionError("no partial file")


@HUBS
def test_what_progress_raises_ends_the_download_and_keeps_the_bytes(hub, where, tmp_path):
    hub.stall["model.safetensors"] = 150_000

    class Stop(Exception):
        pass

    def progress(phase, done, total, unit):
        if done >= 100_000:
            threading.Timer(0.1, hub.ending.set).start()  # the stalled answer ends, so that its reader notices
            raise Stop

    with pytest.raises(Stop):
        downloads.download(a_job(where), progress)
    assert downloads.locate(TOY, a_job(where)) is None
    partials = list(tmp_path.rglob("*.incomplete"))
    assert [path.read_bytes() for path in partials] == [WEIGHTS[: partials[0].stat().st_size]]


@HUBS
def test_the_token_is_sent_to_the_hub_alone_and_never_written(hub, where, tmp_path, monkeypatch):
    hub.repos[TOY].gated = hub.repos[TOY].private = True
    hub.readers.add("hf_secretsecret")
    monkeypatch.setenv("HF_TOKEN" if where == "huggingface" else "MODELSCOPE_API_TOKEN", "hf_secretsecret")
    found = lines(start(hub, tmp_path, hub=where))
    assert found[-1][0] == "path"
    own = [request for request in hub.requests if request.host == "127.0.0.1" and TOY in request.path]
    assert {request.authorization for request in own} == {"Bearer hf_secretsecret"}
    assert {request.authorization for request in hub.requests if request.host != "127.0.0.1"} <= {None}
    written = [path for path in tmp_path.rglob("*") if path.is_file() and b"secretsecret" in path.read_bytes()]
    assert written == []


@HUBS
def test_a_token_of_the_job_goes_before_the_environments(hub, where, monkeypatch):
    hub.repos[TOY].private = True
    hub.readers.add("right")
    monkeypatch.setenv("HF_TOKEN", "wrong")
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", "wrong")
    assert contents(bring(a_job(where, hf_hub_token=SecretStr("right"), ms_hub_token=SecretStr("right")))[0]) == NEEDED


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
    assert not hub.asked("storage") and not hub.asked("FilePath")


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
            for variable in ("HF_ENDPOINT", "MODELSCOPE_ENDPOINT"):
                monkeypatch.setenv(variable, f"http://127.0.0.1:{deaf.getsockname()[1]}")
        error = failure(a_job(where))
    assert error.key == "download_unreachable"
    hints = ("HF_ENDPOINT", "USE_MODELSCOPE_HUB=1") if where == "huggingface" else ("MODELSCOPE_ENDPOINT", "hub: hugg")
    assert all(hint in str(error) for hint in hints)


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
    assert not list(tmp_path.rglob("*.incomplete")) and downloads.locate(TOY, a_job(where)) is None


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


@HUBS
def test_locate_finds_offline_what_is_whole_and_nothing_else(hub, where, monkeypatch, tmp_path):
    assert downloads.locate(TOY, a_job()) is None and downloads.locate("no name", a_job()) is None
    assert not (tmp_path / "user" / ".modelscope").exists()
    folder, _ = bring(a_job(where))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.requests.clear()
    assert downloads.locate(TOY, a_job("auto")) == folder  # in whichever cache it is
    assert downloads.locate(str(folder), a_job()) == folder
    assert downloads.locate(TOY, a_job(where, trust_remote_code=True)) == folder  # its config asks for no code
    (folder / "config.json").unlink()
    (folder / "config.json").write_text('{"auto_map": {"AutoModel": "modeling_toy.Toy"}}')
    assert downloads.locate(TOY, a_job(where, trust_remote_code=True)) is None
    index = folder / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"a": "model.safetensors"}}')
    assert downloads.locate(TOY, a_job(where, trust_remote_code=True)) is None
    assert downloads.locate(TOY, a_job(where)) == folder
    index.write_text('{"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}')
    assert downloads.locate(TOY, a_job(where)) is None
    assert hub.requests == []


def test_two_downloads_of_one_file_do_not_mix(hub):
    hub.cut["model.safetensors"] = 50_000
    found = []
    threads = [threading.Thread(target=lambda: found.append(bring(a_job())[0])) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2 and (found[0] / "model.safetensors").read_bytes() == WEIGHTS
    asked = [request.range for request in hub.asked("storage") if "safetensors" in request.path]
    assert asked == ["bytes=0-", "bytes=50000-"]


def picked(names, code=False):
    return {file.path for file in pick([HubFile(name, 1, None) for name in names], code)}


def test_one_set_of_weights_is_picked():
    mistral = ["consolidated.safetensors", "consolidated.safetensors.index.json", "params.json", "tekken.json"]
    split = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"]
    old = ["pytorch_model-00001-of-00001.bin", "pytorch_model.bin.index.json", "training_args.bin", "optimizer.bin"]
    assert picked([*mistral, *split, *old]) == {*split, "params.json", "tekken.json"}
    assert picked([*old, "tf_model.h5", "flax_model.msgpack"]) == set(old[:2])
    assert picked(["model.safetensors", "model.fp16.safetensors"]) == {"model.safetensors"}
    assert picked(["consolidated.safetensors", "config.json"]) == {"consolidated.safetensors", "config.json"}
    assert picked(["adapter_model.safetensors", "adapter_config.json"]) == {
        "adapter_model.safetensors",
        "adapter_config.json",
    }
    # Qwen3.5 numbers its shards after the suffix-like part of the name.
    odd = ["model.safetensors-00001-of-00002.safetensors", "model.safetensors-00002-of-00002.safetensors"]
    assert picked(odd) == set(odd)
    assert picked(["a.gguf", "config.json", "onnx/model.onnx", "sub/model.safetensors"]) == set()


def test_the_library_still_looks_for_a_blob_by_its_checksum(hub):
    """What the place of a partial file stands on: a blob's name is its SHA-256."""
    folder, _ = bring(a_job())
    blob = (folder / "model.safetensors").resolve()
    assert blob.name == hashlib.sha256(WEIGHTS).hexdigest()
    assert blob.parent == huggingface.folder(downloads._order(a_job(), TOY, downloads.HUGGINGFACE)) / "blobs"
