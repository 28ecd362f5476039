"""An export is sent to a hub by the hub's own client; here it is a server on this machine that takes files."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from huggingface_hub import constants

from studio.config import read_mapping
from studio.errors import StudioError
from studio.runs import folder as files
from studio.worker.export import drafts, merge, push

TOKEN = "hf_of_this_test"


class Taker(BaseHTTPRequestHandler):
    """Takes what Hugging Face's client sends: a repository, then a commit of small files."""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        private = self.server.taken.get("private", True)
        self._answer({"sha": "0" * 40, "id": "me/mine", "siblings": [], "private": private})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        taken = self.server.taken
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            return self._answer({"error": "Invalid credentials"}, 401)
        if self.path.endswith("/repos/create"):
            taken["repo"] = json.loads(body)
            return self._answer({"url": f"http://{self.headers['Host']}/me/mine"})
        if "/preupload/" in self.path:
            named = [file["path"] for file in json.loads(body)["files"]]
            files = [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in named]
            return self._answer({"files": files})
        if "/commit/" in self.path:
            lines = [json.loads(line) for line in body.splitlines() if line]
            files = [line["value"] for line in lines if line["key"] == "file"]
            taken["files"] = {file["path"]: base64.b64decode(file["content"]) for file in files}
            url = f"http://{self.headers['Host']}/me/mine/commit/{'0' * 40}"
            return self._answer({"success": True, "commitOid": "0" * 40, "commitUrl": url, "hookOutput": ""})
        return self._answer({})

    def _answer(self, value: dict, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def hub(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    server.taken = {}
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def job(**keys):
    pushed = {"model_name_or_path": "m/base", "push_to_hub": True, "export_hub_model_id": "me/mine"}
    return read_mapping("export", pushed | keys).job


def test_an_export_arrives_whole_and_private(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    (tmp_path / "adapter").mkdir()
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "adapter" / "adapter.zip").write_bytes(b"zip")
    address = push.send(tmp_path, job(), lambda *_: None)
    assert address.endswith("/me/mine") and hub.taken["repo"]["name"] == "mine"
    assert hub.taken["repo"].get("private") or hub.taken["repo"].get("visibility") == "private"
    assert hub.taken["files"] == {"config.json": b"{}", "adapter/adapter.zip": b"zip"}


def test_what_is_to_be_private_is_not_sent_where_others_see_it(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / drafts.DONE).touch()  # of no use to others
    hub.taken["private"] = False
    with pytest.raises(StudioError) as error:
        push.send(tmp_path, job(), lambda *_: None)
    assert error.value.key == "export_push_public" and "files" not in hub.taken
    push.send(tmp_path, job(push_private=False), lambda *_: None)
    assert set(hub.taken["files"]) == {"config.json"}


def test_a_hub_that_refuses_is_told_and_the_token_is_not(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong_one")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(StudioError) as error:
        push.send(tmp_path, job(), lambda *_: None)
    assert error.value.key == "export_push_failed" and "me/mine" in str(error.value)
    assert "hf_wrong_one" not in str(error.value)


def test_a_push_is_only_what_was_ticked(monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    push.check(job(push_to_hub=False))
    with pytest.raises(StudioError):
        push.check(job())
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", "ms")
    push.check(job(push_hub="modelscope"))


def test_what_the_hub_refused_is_told_and_sent_later_without_being_written_again(hub, export, tmp_path, monkeypatch):
    asked = {"verify_export": False, "push_to_hub": True, "export_hub_model_id": "me/mine"}
    monkeypatch.setenv("HF_TOKEN", "hf_wrong_one")
    with pytest.raises(StudioError) as error:
        export(**asked)
    told = json.loads((tmp_path / "run" / files.RESULT).read_text("utf-8"))
    assert error.value.key == "export_push_failed" and told["pushed"] is None and told["files"]
    unsent = (tmp_path / "run" / files.UNSENT).read_text("utf-8")
    (tmp_path / "run" / files.RESULT).unlink()  # as every new start of a run does
    monkeypatch.setattr(merge, "write", None)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(StudioError) as error:
        export(**asked)
    assert error.value.key == "export_push_no_token"
    assert json.loads((tmp_path / "run" / files.RESULT).read_text("utf-8")) == told, "it is written all the same"
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    code, out, result = export(**asked | {"push_private": False, "export_size": 5.0})
    assert code == 0 and result["pushed"].endswith("/me/mine") and result | {"pushed": None} == told
    assert hub.taken["files"]["README.md"] == (out / "README.md").read_bytes()
    # Another request, or files that are no longer as they were written, are no matter of sending.
    for change, config in (({"infer_dtype": "float16"}, (out / "config.json").read_text()), ({}, "{}")):
        (out / "config.json").write_text(config)
        (tmp_path / "run" / files.UNSENT).write_text(unsent, "utf-8")
        with pytest.raises(StudioError) as error:
            export(**asked | change)
        assert error.value.key == "export_dir_used"
