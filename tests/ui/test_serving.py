"""What can be talked to and which server takes it: runs, checkpoints, models; there, hot, started, or refused."""

import json

import pytest
from acting import TOY, key_of
from answering import Serving, trained

from studio import paths, runs
from studio.config import starter
from studio.errors import StudioError
from studio.runs import folder as files
from studio.runs import ids
from studio.ui.parts import serving


@pytest.fixture
def server(behave, request):
    """A server of the starter model that answers at once."""
    made = Serving(paths.saves(), "starter/serve/one")
    yield made
    made.close()


def test_the_picker_offers_runs_their_checkpoints_and_models(home):
    trained(paths.saves(), "starter/lora/nova", steps=(5, 10))
    (paths.saves() / "starter/lora/empty").mkdir()
    keys = [key for _, key in serving.sources()]
    assert keys[:3] == ["starter/lora/nova", "starter/lora/nova/checkpoint-10", "starter/lora/nova/checkpoint-5"]
    assert "builtin/starter" in keys and not any("empty" in key for key in keys)


def test_a_run_elsewhere_is_told_by_the_folder_around_it(home, tmp_path):
    ids.point(trained(tmp_path / "mine", "nova"))
    label, key = serving.sources()[0]
    assert label.startswith("nova  (mine") and ids.is_elsewhere(key)


def test_a_key_is_a_run_a_checkpoint_or_a_model(home):
    folder = trained(paths.saves(), "starter/lora/nova", steps=(5,))
    run = serving.source_of("starter/lora/nova")
    assert (run.name, run.model, run.adapters) == ("nova", "builtin/starter", (str(folder),))
    assert serving.source_of("starter/lora/nova/checkpoint-5").name == "nova-checkpoint-5"
    assert serving.source_of(str(folder)).adapters == (str(folder),)
    assert serving.source_of("Qwen/Qwen3-0.6B") == serving.Source("Qwen/Qwen3-0.6B", "Qwen3-0.6B", "Qwen/Qwen3-0.6B")
    assert key_of(serving.source_of, "  ") == "chat_nothing_chosen"
    (folder / serving.ADAPTER).unlink()
    assert key_of(serving.source_of, "starter/lora/nova") == "chat_nothing_to_load"


def test_adapters_merged_before_come_first(home):
    folder = trained(paths.saves(), "starter/lora/second")
    job = (folder / files.JOB).read_text()
    (folder / files.JOB).write_text(job + "adapter_name_or_path: [/a]\ncreate_new_adapter: true\n")
    assert serving.source_of("starter/lora/second").adapters == ("/a", str(folder))


def test_an_adapter_of_another_build_of_the_starter_is_refused(home):
    build = paths.cache() / "starter" / "0123456789ab"
    folder = trained(paths.saves(), "starter/lora/old", base=str(build))
    job = {"kind": "train", "schema_version": 1, "model_name_or_path": "builtin/starter", "dataset": ["d"]}
    (folder / files.JOB).write_text(json.dumps(job))
    assert key_of(serving.source_of, "starter/lora/old") == "adapter_of_another_build"
    told = json.dumps({"base_model_name_or_path": str(starter.location())})
    (folder / serving.ADAPTER).write_text(told)
    assert serving.source_of("starter/lora/old").model == "builtin/starter"


def test_an_adapter_goes_onto_the_server_of_its_base(server):
    trained(paths.saves(), "starter/lora/nova")
    source = serving.source_of("starter/lora/nova")
    assert serving.load(source, {}) == ({"server": server.id, "model": "nova"}, "hot")
    assert serving.load(source, {}) == ({"server": server.id, "model": "nova"}, "there")
    base = serving.load(serving.source_of("builtin/starter"), {})
    assert base == ({"server": server.id, "model": "starter"}, "there")
    endpoint, model, one = serving.asked({"server": server.id, "model": "nova"})
    assert (endpoint.key, model, one.default) == ("k", "nova", "nova")
    assert key_of(serving.asked, {"server": server.id, "model": "luna"}) == "chat_model_gone"


def test_what_the_server_refuses_is_said_and_starts_no_other(server):
    trained(paths.saves(), "starter/lora/nova")
    server.refused = "nova"
    with pytest.raises(StudioError, match="of another base"):
        serving.load(serving.source_of("starter/lora/nova"), {})
    assert len(runs.listing()) == 2, "the run and the server that was there"


@pytest.mark.parametrize(("source", "settings", "told"), [
    (str(TOY), {}, {}), ("builtin/starter", {"infer_dtype": "float16"}, {}),
    ("builtin/starter", {}, {"path": "/x/cache/starter/0123456789ab"}),
])  # fmt: skip
def test_another_base_other_settings_or_another_build_get_a_server_of_their_own(server, source, settings, told):
    files.write_json_atomic(server.folder / files.ACTIVITY, told)
    target, how = serving.load(serving.source_of(source), {"device": "cpu", **settings})
    assert how == "started" and target["server"] != server.id and target["model"] == ""
    runs.stop(runs.find(target["server"]), now=True)


def test_a_server_that_is_gone_is_told_from_one_that_loads(server):
    target = {"server": server.id, "model": ""}
    (server.folder / files.ENDPOINT).rename(server.folder / "kept")
    assert key_of(serving.asked, target) == "chat_server_loading"
    (server.folder / "kept").rename(server.folder / files.ENDPOINT)
    server.close()
    assert key_of(serving.asked, target) == "chat_server_gone"
    assert key_of(serving.asked, {"server": "none/such"}) == key_of(serving.asked, None) == "chat_no_server"
