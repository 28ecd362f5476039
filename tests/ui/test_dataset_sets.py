"""The list of data sets, the chosen one, and adding: what the browser is told, and what it may not do."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from acting import key_of
from answering import Serving
from wordsmith import Wordsmith

from studio import paths
from studio.config import STARTER
from studio.data import formats, registry
from studio.errors import StudioError
from studio.text import catalogue
from studio.ui import choices, uploads
from studio.ui.parts import adding, chosen, shelf

T = catalogue("en")
ROWS = [{"instruction": f"q{n}", "output": f"a{n}"} for n in range(3)]


@pytest.fixture
def own(home):
    """Enters sets in the user's own registry: `own(mine={"file_name": …}, …)`; rows.json is there."""
    folder = home / "data"
    folder.mkdir()
    (folder / "rows.json").write_text(json.dumps(ROWS))

    def enter(**entries):
        (folder / registry.INFO).write_text(json.dumps(entries))
        return folder

    return enter


@pytest.fixture
def upload(home):
    """A file as if a browser had brought it; gives its key."""

    def bring(name, content):
        folder = home / "cache" / "uploads" / f"{len(name):032x}"
        folder.mkdir(parents=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return folder.name

    return bring


def listed(dataset_dir="data"):
    return {row["name"]: row for row in shelf.news(T, {"dataset_dir": dataset_dir})["sets"]}


def test_own_and_shipped_sets_are_listed_with_what_is_wrong(own):
    own(mine={"file_name": "rows.json"}, lost={"file_name": "row.json"}, far={"hf_hub_url": "owner/name"},
        odd={"file_name": "rows.json", "formatting": "nonsense"}, identity={"file_name": "rows.json"})  # fmt: skip
    found = listed()
    kinds = {name: found[name]["kind"] for name in ("mine", "lost", "far", "odd", "chat_demo", "identity")}
    assert kinds == {"mine": "own", "lost": "faulty", "far": "hub", "odd": "faulty", "chat_demo": "shipped",
                     "identity": "own"}  # fmt: skip
    assert "3 rows" in found["mine"]["about"] and "rows.json" in found["lost"]["fault"]
    assert "owner/name" in found["far"]["where"] and "nonsense" in found["odd"]["fault"]
    assert [row["own"] for row in found.values()] == sorted((row["own"] for row in found.values()), reverse=True)


def test_the_registry_that_wins_is_the_one_a_training_takes(own, tmp_path, monkeypatch):
    folder = own(mine={"file_name": "rows.json"}, both={"file_name": "rows.json"})
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / registry.INFO).write_text(json.dumps({"both": {"file_name": str(folder / "rows.json")}}))
    monkeypatch.chdir(tmp_path)
    found = listed()
    assert {"mine", "both", "chat_demo"} <= set(found) and not found["both"]["own"]
    for name in ("mine", "both", "chat_demo"):
        assert chosen.source_of({"name": name}) == registry.find(name, "data")


def test_the_list_comes_once(own):
    own(mine={"file_name": "rows.json"})
    first = shelf.news(T, {})
    assert shelf.news(T, {"token": first["token"]}) is None
    own(other={"file_name": "rows.json"})
    assert shelf.news(T, {"token": first["token"]})["token"] != first["token"]


def test_another_folder_and_a_broken_registry(own, tmp_path):
    folder = own(mine={"file_name": "rows.json"})
    assert list(listed(str(folder))) == ["mine"]
    (folder / registry.INFO).write_text('{"mine": }')
    assert "line 1" in shelf.news(T, {"dataset_dir": str(folder)})["error"]
    assert str(tmp_path / "no") in shelf.news(T, {"dataset_dir": str(tmp_path / "no")})["error"]


def test_a_set_is_found_beside_one_at_fault_and_a_path_is_no_name(own):
    folder = own(mine={"file_name": "rows.json"}, odd={"formatting": "nonsense"})
    assert chosen.source_of({"name": "mine"}).path == folder.resolve() / "rows.json"
    for name in (str(folder / "rows.json"), "../data/rows.json", "", "nine"):
        assert key_of(lambda name=name: chosen.source_of({"name": name})) == "data_unknown"


def test_the_head_says_what_a_set_is_and_leads_to_training(own, tmp_path):
    folder = own(pairs={"file_name": "rows.json", "ranking": True}, mine={"file_name": "rows.json"})
    assert "%22stage%22%3A%20%22dpo%22" in chosen.about(T, {"name": "pairs"})["train"]
    assert "dataset_dir" not in chosen.about(T, {"name": "mine"})["train"]
    elsewhere = chosen.about(T, {"name": "mine", "dataset_dir": str(folder)})
    assert "dataset_dir" in elsewhere["train"]
    chosen.remove(T, {"name": "mine"})
    assert "mine" not in listed() and (folder / "rows.json").is_file() and (folder / "dataset_info.json.bak").is_file()


def test_a_lens_takes_what_makes_sense_and_else_the_default(own):
    own(mine={"file_name": "rows.json"})
    source = chosen.source_of({"name": "mine"})
    plain = chosen.lens_of(source, {"cutoff_len": -3, "stage": "x", "mask_history": "yes", "template": ""})
    assert plain == chosen.lens_of(source, None)
    assert (plain.model_name_or_path, plain.stage, plain.cutoff_len, plain.template) == (STARTER, "sft", 2048, None)
    asked = {"model_name_or_path": "m", "stage": "kto", "cutoff_len": 9, "mask_history": True, "template": "chatml"}
    lens = chosen.lens_of(source, asked)
    assert (lens.model_name_or_path, lens.stage, lens.cutoff_len, lens.mask_history) == ("m", "kto", 9, True)


def test_the_starter_is_built_for_a_look_through_it(own, monkeypatch):
    own(mine={"file_name": "rows.json"}, far={"hf_hub_url": "owner/name"})
    begun = []
    monkeypatch.setattr(chosen.starting, "start", lambda job: begun.append(job) or "some/run")
    assert chosen.bring(T, {"name": "mine", "lens": {}}) == {"run": "some/run"}
    assert chosen.bring(T, {"name": "far"}) == {"run": "some/run"}
    assert [(job.what, job.dataset) for job in begun] == [("starter", []), ("dataset", ["far"])]


def test_columns_kept_as_they_are_read_the_same(own):
    late = {"instruction": "i", "input": "n", "output": "o"}
    folder = own(late={"file_name": "late.jsonl"}, pairs={"file_name": "pairs.jsonl", "ranking": True},
                 talks={"file_name": "talks.jsonl", "formatting": "sharegpt"})  # fmt: skip
    (folder / "late.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS * 400 + [late]))
    (folder / "pairs.jsonl").write_text(json.dumps({"instruction": "q", "chosen": "a", "rejected": "b"}) + "\n")
    (folder / "talks.jsonl").write_text('{"conversations": [{"from": "human", "value": "q"}]}\n')
    for name, raw in (("late", late), ("pairs", {"instruction": "q", "chosen": "a", "rejected": "b"})):
        before = formats.to_row(registry.find(name, "data"), raw)
        proposed = adding.propose(T, {"known": name})
        assert set(proposed["columns"].values()) <= set(proposed["found"])
        adding.add(T, {"known": name, **{key: proposed[key] for key in ("formatting", "columns", "tags")}})
        entry = json.loads((folder / registry.INFO).read_text())[name]
        assert "columns" in entry and formats.to_row(registry.find(name, "data"), raw) == before
    assert adding.propose(T, {"known": "talks"})["columns"] == {"messages": "conversations"}


def test_a_path_that_is_too_long_is_no_path():
    assert key_of(lambda: adding.propose(T, {"where": "a" * 3000})) == "adding_no_path"


def test_columns_can_be_changed_and_show_their_effect_at_once(tmp_path):
    file = tmp_path / "odd.jsonl"
    file.write_text("".join(json.dumps({"frage": f"<b>q{n}</b>", "antwort": "a" * n}) + "\n" for n in range(5)))
    asked = {"where": str(file)}
    proposed = adding.propose(T, asked)
    assert proposed["problem"] and proposed["found"] == ["frage", "antwort"] and proposed["name"] == "odd"
    mapped = asked | {"formatting": "alpaca", "columns": {"prompt": "frage", "response": "antwort", "evil": "frage"}}
    rows = adding.preview(T, mapped)["rows"]
    assert rows[0]["problem"] and '"antwort": ""' in rows[0]["raw"]
    assert [turn["text"] for turn in rows[1]["turns"]] == ["<b>q1</b>", "a"]
    assert adding.add(T, mapped | {"as": "mine"}) == {"name": "mine"}
    entry = registry.entries(paths.data())["mine"]
    assert entry == {"file_name": str(file), "columns": {"prompt": "frage", "response": "antwort"}}


def test_the_columns_of_a_set_that_is_there_can_be_changed(own):
    folder = own(mine={"file_name": "odd.json", "num_samples": 2}, other={"file_name": "rows.json"})
    (folder / "odd.json").write_text(json.dumps([{"frage": f"q{n}", "antwort": f"a{n}"} for n in range(3)]))
    proposed = adding.propose(T, {"known": "mine"})
    assert (proposed["name"], proposed["found"]) == ("mine", ["frage", "antwort"]) and "frage" in proposed["problem"]
    asked = {"known": "mine", "formatting": "alpaca", "columns": {"prompt": "frage", "response": "antwort"}}
    assert [turn["text"] for turn in adding.preview(T, asked)["rows"][1]["turns"]] == ["q1", "a1"]
    assert adding.add(T, asked | {"as": "other"}) == {"name": "mine"}
    entry = {"file_name": "odd.json", "num_samples": 2, "columns": {"prompt": "frage", "response": "antwort"}}
    assert registry.entries(folder) == {"mine": entry, "other": {"file_name": "rows.json"}}
    assert adding.propose(T, {"known": "mine"})["columns"] == entry["columns"]
    assert adding.propose(T, {"known": "other"})["columns"] == {"prompt": "instruction", "response": "output"}
    own(far={"hf_hub_url": "owner/name"})
    assert key_of(lambda: adding.propose(T, {"known": "far"})) == "data_not_downloaded"
    with pytest.raises(StudioError):
        adding.add(T, {"known": "chat_demo", "formatting": "alpaca"})


def test_roles_of_a_chat_can_be_named(tmp_path):
    file = tmp_path / "chat.json"
    turns = [{"who": "me", "says": "hi"}, {"who": "it", "says": "hello"}]
    file.write_text(json.dumps([{"talk": turns}]))
    asked = {"where": str(file), "formatting": "sharegpt", "columns": {"messages": "talk"}}
    assert adding.preview(T, asked)["rows"][0]["problem"]
    tags = {"role_tag": "who", "content_tag": "says", "user_tag": "me", "assistant_tag": "it"}
    row = adding.preview(T, asked | {"tags": tags})["rows"][0]
    assert [turn["role"] for turn in row["turns"]] == ["user", "assistant"]


def test_an_upload_moves_in_when_it_is_added(home, upload):
    asked = {"upload": upload("my rows.json", ROWS), "as": "mine"}
    assert adding.propose(T, asked)["name"] == "my rows"
    assert not (home / "data").exists()
    adding.add(T, asked)
    assert chosen.source_of({"name": "mine"}).path.is_relative_to(home / "data")
    assert key_of(lambda: uploads.path_of(asked["upload"])) == "upload_gone"


@pytest.mark.parametrize("name, content, key", [
    ("rows.json", b'[{"instruction": "a", "output": "b"},\n {"instruction"', "data_json_cut"),
    ("rows.jsonl", b"", "data_empty"), ("rows.exe", b"MZ", "data_file_kind"),
])  # fmt: skip
def test_what_cannot_be_read_is_said_and_nothing_is_kept(home, upload, name, content, key):
    asked = {"upload": upload(name, content)}
    assert key_of(lambda: adding.propose(T, asked)) == key
    with pytest.raises(StudioError):
        adding.add(T, asked | {"as": "mine"})
    assert not list((home / "data").rglob("*.*")) and not registry.entries(paths.data())


def test_a_name_that_is_taken_leaves_the_upload_where_it_is(home, upload, own):
    own(mine={"file_name": "rows.json"})
    asked = {"upload": upload("more.json", ROWS), "as": "mine"}
    assert key_of(lambda: adding.add(T, asked)) == "data_name_taken"
    assert key_of(lambda: adding.add(T, asked | {"as": "../mine"})) == "data_name_refused"
    assert not (home / "data" / "uploads").exists() and adding.propose(T, asked)["name"] == "more"
    adding.discard(T, asked)
    assert key_of(lambda: adding.propose(T, asked)) == "upload_gone"


def test_words_that_are_no_path_and_no_id():
    assert key_of(lambda: adding.propose(T, {"where": "owner/name"})) == "adding_no_path"
    assert key_of(lambda: adding.propose(T, {"where": "no id at all", "hub": "hf"})) == "making_nothing_there"
    found = adding.propose(T, {"where": "owner/name", "hub": "ms"})
    assert (found["name"], found["hub"], found["found"]) == ("name", "ms", [])


def test_a_model_suggests_the_columns(home, upload):
    asked = {"upload": upload("odd.json", [{"frage": "q", "antwort": "a"}]), "model": "toy", "key": "sekrit"}
    replies = [json.dumps({"prompt": "frage", "response": "antwort", "system": "nowhere"}), "No idea."]
    with Wordsmith(lambda body: replies.pop(0)) as there, ThreadPoolExecutor(1) as page:
        found = page.submit(adding.suggest, T, asked | {"base": there.url}).result()
        assert page.submit(key_of, adding.suggest, T, asked | {"base": there.url}).result() == "asking_no_mapping"
        assert there.keys[0] == "Bearer sekrit" and there.asked[0]["model"] == "toy"
    assert found == {"formatting": "alpaca", "columns": {"prompt": "frage", "response": "antwort"}, "tags": {}}
    assert key_of(lambda: adding.suggest(T, asked | {"base": "ftp://x"})) == "asking_address"


def test_a_hub_that_cannot_be_asked_is_said():
    assert key_of(adding.find, T, {"where": "poems", "hub": "hf"}) == "hub_search_unreachable"  # tests are offline


def test_servers_of_our_own_are_offered(home):
    server = Serving(home / "saves")
    try:
        assert adding.askable(T, {})["servers"] == [{"id": server.id, "title": "starter model"}]
    finally:
        server.close()
    assert key_of(lambda: adding.suggest(T, {"server": server.id})) == "compare_no_server"


def test_an_odd_entry_or_file_leaves_the_others_in_the_list(own):
    half = json.loads('"\\ud83d"')
    own(**{"mine": {"file_name": "rows.json"}, "long": {"file_name": "a" * 300 + ".json"}, half: {"file_name": half},
           "odd": {"hf_hub_url": "owner/name", "subset": ["a"]}})  # fmt: skip
    news = shelf.news(T, {})
    json.dumps(news, ensure_ascii=False).encode()  # as an answer is written
    found = {row["name"]: row for row in news["sets"]}
    assert found["mine"]["kind"] == "own" and {found[name]["kind"] for name in ("long", "odd", "\\ud83d")} == {"faulty"}
    assert "long" in found["long"]["fault"] or "too long" in found["long"]["fault"]
    json.dumps(chosen.told(T, chosen.about)({"name": half}), ensure_ascii=False).encode()
    assert "mine" in choices.datasets() and "odd" not in choices.datasets()


def test_one_broken_line_leaves_the_facts(own):
    (own(mine={"file_name": "rows.jsonl"}) / "rows.jsonl").write_text('{"instruction": "a", "output": "b"}\n{broken\n')
    found = listed()["mine"]
    assert found["kind"] == "faulty" and "line 2" in found["fault"]
    assert "B · " in found["about"] and "rows.jsonl" in found["where"] and found["train"] and found["own"]


def test_the_run_that_brings_a_set_is_told_while_it_lives(own, monkeypatch):
    own(far={"hf_hub_url": "owner/name"}, mine={"file_name": "rows.json"})
    assert chosen.about(T, {"name": "far"})["run"] is None and "run" not in chosen.about(T, {"name": "mine"})
    monkeypatch.setattr(chosen, "live_build", lambda job: f"builds/{job.dataset[0]}")
    assert chosen.about(T, {"name": "far"})["run"] == "builds/far"
