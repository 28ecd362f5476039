"""All settings: what applies is shown, what is wrong is marked, the YAML is the job."""

import pytest
import yaml

pytestmark = pytest.mark.browser


@pytest.fixture
def page(studio, visit):
    page = visit().open(studio.url)
    page.click("#settings > button")
    page.wait_for_selector("#knob-stage")
    return page


def test_folds_appear_when_they_matter(page):
    page.wait_for_selector("#fold-lora")
    assert not page.is_visible("#fold-freeze")
    page.click("#knob-finetuning_type input")
    page.get_by_role("option", name="full").click()
    page.wait_for_selector("#fold-lora", state="hidden")
    assert not page.is_visible("#fold-freeze")


def test_the_browser_hides_what_the_schema_says(page):
    """`assets/form.js` and `studio.config.applies` read the same words."""
    from studio.config import TrainJob, applies, fields

    values = {key: knob.default for key, knob in fields(TrainJob).items()}
    expected = {f"#knob-{key}" for key, knob in fields(TrainJob).items() if not applies(knob.ui.when, values)}
    page.wait_for_selector("#studio-when", state="attached")
    rule = page.evaluate("document.getElementById('studio-when').textContent")
    assert {name for name in rule.partition("{")[0].split(",") if name.startswith("#knob")} == expected


def test_a_wrong_value_marks_its_control_and_opens_its_fold(page, studio):
    before = studio.runs()
    page.click("#fold-training > button")
    page.fill("#knob-learning_rate input", "-1")
    page.click("#fold-training > button")
    page.wait_for_selector("#knob-learning_rate", state="hidden")
    page.click("#start")
    page.wait_for_selector("#knob-learning_rate.problem")
    assert "-1" in page.inner_text("#knob-learning_rate .info-text")
    assert "learning_rate" in page.inner_text("#problems")
    assert studio.runs() == before


def test_a_preset_fills_the_form_and_the_yaml_is_the_job(page):
    page.click("#preset input")
    page.get_by_role("option", name="Train the last layers").click()
    page.click("#fill")
    page.wait_for_function("document.querySelector('#knob-finetuning_type input').value === 'freeze'")
    page.click("#knob-model_name_or_path input")
    page.fill("#knob-model_name_or_path input", "org/model")
    page.keyboard.press("Enter")
    page.click("#knob-dataset input")
    page.fill("#knob-dataset input", "mine")
    page.keyboard.press("Enter")
    page.click("#fold-training > button")
    page.fill("#knob-num_train_epochs input", "7")
    page.keyboard.press("Tab")
    page.click("#fold-yaml > button")
    page.click("#yaml-show")
    page.wait_for_function("document.querySelector('#yaml textarea').value.includes('num_train_epochs')")
    job = yaml.safe_load(page.input_value("#yaml textarea"))
    assert job["model_name_or_path"] == "org/model" and job["dataset"] == ["mine"]
    assert job["finetuning_type"] == "freeze" and job["num_train_epochs"] == 7 and job["kind"] == "train"
