"""Export: the form starts a job and names what is missing; the plan tells sizes and what cannot be made here."""

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest
from exported import model, trained

from studio import paths
from studio.config import read_mapping
from studio.config.exporting_size import GGUF_BITS
from studio.errors import StudioError
from studio.text import catalogue
from studio.ui import starting
from studio.ui.parts import exporting_means as means
from studio.ui.parts import exporting_plan as plans
from studio.ui.parts import run_cards
from studio.ui.parts.exporting import Exporting

EN, ZH = catalogue("en"), catalogue("zh")


@pytest.fixture(scope="module")
def tab():
    """The tab inside a page."""
    with gr.Blocks():
        return Exporting(EN)


@pytest.fixture
def started(monkeypatch):
    """The jobs that were started: none is run."""
    jobs = []
    monkeypatch.setattr(starting, "start", lambda job: jobs.append(job) or "x/export/y")
    return jobs


def values(tab, **typed):
    """What a listener is given where this was typed."""
    return {control: typed.get(key, control.value) for key, control in tab.form.controls.items()}


def job(**keys):
    return read_mapping("export", {"model_name_or_path": "org/model"} | keys).job


# ---- the form --------------------------------------------------------------------------------------------------------


def test_the_form_starts_what_was_ticked_with_the_adapters_in_their_order(tab, started, tmp_path):
    base = str(model(tmp_path / "base"))
    updates = tab.begin(values(tab, model_name_or_path=base, adapter_name_or_path=["b", "a"], gguf_types=["q8_0"],
                               export_formats=["merged", "gguf"], export_dir=str(tmp_path / "out")))  # fmt: skip
    assert started[0].adapter_name_or_path == ["b", "a"] and started[0].gguf_types == ["q8_0"]
    assert started[0].export_formats == ["merged", "gguf"] and started[0].kind == "export"
    assert updates[tab.panel] == run_cards.show("x/export/y") | {"at": updates[tab.panel]["at"]}


def test_a_folder_means_the_same_to_page_and_worker(tab, started, home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tab.begin(values(tab, model_name_or_path="org/model", export_dir="saves/out"))
    tab.begin(values(tab, model_name_or_path="org/model", export_dir="here"))
    assert [one.export_dir for one in started] == [str(home / "saves" / "out"), str(tmp_path / "here")]


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ({"model_name_or_path": ""}, "model_name_or_path"),
        ({"export_formats": []}, "export_formats"),
        ({"export_formats": ["adapter"], "adapter_name_or_path": []}, "adapter_name_or_path"),
        ({"push_to_hub": True}, "export_hub_model_id"),
        ({"export_size": 0}, "export_size"),
        ({"export_dir": str(Path(__file__).parent)}, "export_dir"),
    ],
)
def test_what_is_wrong_is_marked_and_nothing_starts(tab, started, typed, key):
    updates = tab.begin(values(tab, **{"model_name_or_path": "org/model"} | typed))
    assert set(updates[tab.form.face]["value"]["marks"]) == {key} == set(updates[tab.board]["marks"])
    assert not started and tab.panel not in updates


def test_a_run_brings_its_base_its_adapters_and_how_it_is_loaded(tab, home):
    base = str(model(home / "base"))
    folder = trained(home / "saves", "base/lora/nova", base, template="qwen", trust_remote_code=True)
    shown = {key: update["value"] for key, update in named(tab, tab.choose("base/lora/nova")).items()}
    assert shown["model_name_or_path"] == base and shown["adapter_name_or_path"] == [str(folder)]
    assert shown["template"] == "qwen" and shown["trust_remote_code"] is True and "export_formats" not in shown
    shown = {key: update["value"] for key, update in named(tab, tab.choose("base/lora/nova/checkpoint-5")).items()}
    assert shown["adapter_name_or_path"] == [str(folder / "checkpoint-5")]
    shown = {key: update["value"] for key, update in named(tab, tab.choose("org/other")).items()}
    assert (shown["model_name_or_path"], shown["adapter_name_or_path"], shown["template"]) == ("org/other", [], "")


def named(tab, updates):
    """Updates by key."""
    return {key: updates[control] for key, control in tab.form.controls.items() if control in updates}


def test_a_run_in_the_address_goes_before_the_draft_once(tab, home):
    trained(home / "saves", "base/lora/nova", str(model(home / "base")))
    kept = {"source": "base/lora/old", "model_name_or_path": "typed", "export_formats": ["gguf"]}
    arrived = named(tab, tab.arrive(kept | {"@run": "base/lora/nova"}))
    assert arrived["model_name_or_path"]["value"] == str(home / "base")
    assert arrived["export_formats"]["value"] == ["gguf"]
    for passed_over in ("base/lora/old", "base/lora/gone", "../x", None):
        arrived = named(tab, tab.arrive(kept | {"@run": passed_over}))
        assert arrived["model_name_or_path"]["value"] == "typed"


# ---- the plan --------------------------------------------------------------------------------------------------------


def test_the_plan_tells_what_each_form_takes_and_what_is_free(tab, home):
    base = str(model(home / "base", num_weights=1_000_000_000))
    draft = {"model_name_or_path": base, "export_formats": ["merged", "gguf"], "gguf_types": ["q8_0"]}
    told = tab.plan(draft)
    small = plans.gigabytes(GGUF_BITS["q8_0"] / 8 * 1e9)
    assert told["sizes"] | {"quantized": ""} == {"merged": "2.0 GB", "gguf": small, "ollama": small, "quantized": ""}
    assert "3.1 GB" in told["room"] and str(home / "saves") in told["room"] and told["problems"] == {}
    told = tab.plan(draft | {"export_formats": ["gguf"]})
    assert "3.1 GB, 2.0 GB of it only while" in told["room"]
    for wrong in ({"export_formats": []}, {"export_size": "x"}):
        told = tab.plan(draft | wrong)
        assert set(told["problems"]) == set(wrong) and told["sizes"]["merged"] == "2.0 GB"


def test_an_adapter_of_another_model_is_pointed_out(tab, home):
    base, other = str(model(home / "base")), str(model(home / "other"))
    paths_of = [str(trained(home / "saves", f"x/lora/{name}", of)) for name, of in (("a", base), ("b", other))]
    told = tab.plan({"model_name_or_path": base, "adapter_name_or_path": [*paths_of, "org/unknown"]})
    assert list(told["others"]) == paths_of[1:] and "other" in told["others"][paths_of[1]]
    assert {one["path"] for one in told["adapters"]} >= set(paths_of)


def test_where_the_disk_has_no_room_nothing_starts(tab, home, started, monkeypatch):
    base = str(model(home / "base"))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10**9))
    assert tab.plan({"model_name_or_path": base})["fits"] is False
    with pytest.raises(StudioError) as found:
        tab.begin(values(tab, model_name_or_path=base))
    assert found.value.key == "export_no_room" and "1.2 GB" in found.value.text(ZH) and not started


def test_what_cannot_be_made_here_says_why(tab, home, started, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(means, "found_devices", lambda: (SimpleNamespace(kind="cpu"),))
    base = str(model(home / "base", "gpt2"))
    why = means.refusals(EN, job(model_name_or_path=base))
    assert "gpt2" in why["gguf"] and why["ollama"] == why["gguf"] and why["adapter"]
    assert "q4_k_m" in why and "q4_0" not in why and "graphics card" in why["awq"] and "merged" not in why
    with pytest.raises(StudioError) as found:
        tab.begin(values(tab, model_name_or_path=base, export_formats=["gguf"]))
    assert found.value.key == "export_not_here" and "gpt2" in found.value.text(ZH) and not started
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    assert not {"gguf", "q4_k_m"} & set(means.refusals(EN, job(model_name_or_path=base)))


def test_what_the_page_says_can_be_written_is_what_the_worker_writes():
    """Read, not imported: that would load torch."""
    written = (paths.PACKAGE / "worker" / "export" / "gguf_weights.py").read_text("utf-8")
    names = re.findall(r'"(\w+)ForCausalLM"', written)
    assert set(names) == {name.capitalize() for name in means.GGUF_MODELS}


def test_what_is_chosen_on_a_card_has_to_be_possible_too(tab, started, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(means, "found_devices", lambda: (SimpleNamespace(kind="cpu"),))
    few = {"export_formats": ["quantized"]}
    for typed in ({"export_formats": ["gguf"], "gguf_types": ["q4_k_m"]}, few | {"export_quantization_method": "awq"},
                  few | {"export_quantization_bit": 3},
                  few | {"export_quantization_method": "torchao", "export_quantization_bit": 4}):  # fmt: skip
        with pytest.raises(StudioError) as found:
            tab.begin(values(tab, model_name_or_path="org/model", **typed))
        assert found.value.key == "export_not_here" and "{" not in found.value.text(ZH) and not started
    monkeypatch.setattr(means, "found_devices", lambda: (SimpleNamespace(kind="cuda"),))
    monkeypatch.delenv(means.PYTHON, raising=False)
    assert means.PYTHON in means.method_refusal(EN, job(), "nvfp4")
    monkeypatch.setenv(means.PYTHON, "/opt/env/bin/python")
    assert means.method_refusal(EN, job(), "nvfp4") == ""


def test_nothing_is_pushed_without_a_token(tab, home, started, monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    asked = {"model_name_or_path": "org/m", "push_to_hub": True, "export_hub_model_id": "me/m"}
    with pytest.raises(StudioError) as found:
        tab.begin(values(tab, **asked))
    assert found.value.key == "export_push_no_token" and "HF_TOKEN" in found.value.text(ZH) and not started
    tab.begin(values(tab, **asked, hf_hub_token="sekrit"))
    assert started[0].secrets() == {"HF_TOKEN": "sekrit"} and "sekrit" not in started[0].to_yaml()


def test_tokens_are_told_by_their_variables_alone(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "sekrit")
    monkeypatch.delenv("MODELSCOPE_API_TOKEN", raising=False)
    told = plans.tokens(EN)
    assert "is used" in told[0] and "no token" in told[1] and "sekrit" not in "".join(told)


@pytest.mark.parametrize(("size", "shown"), [(0, "0 B"), (999, "1.0 kB"), (56_000_000, "56 MB"), (3.1e9, "3.1 GB")])
def test_sizes_are_short(size, shown):
    assert plans.gigabytes(size) == shown
