"""The main job, for real: one click builds the starter model, trains an adapter live, and the samples show the name."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import openai
import pytest
import quickstart
from visiting import Studio, Visitor

from studio.runs import folder as files

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[2]
PARAPHRASES = json.loads((ROOT / "tests/fixtures/identity_paraphrases.json").read_text("utf-8"))
LIMIT_S = 600  # a busy machine; what it takes on a quiet one is measured in tests/bench


@pytest.fixture(scope="module")
def trained(browser, tmp_path_factory, request):
    """What the page showed from the click to the end: (studio, run folder, points seen, answers by prompt)."""
    studio = Studio(tmp_path_factory.mktemp("quickstart"), only="train")
    request.addfinalizer(lambda: leave_nothing_running(studio))
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 900})
    visitor = Visitor(context)
    page = visitor.open(studio.url + "/")
    run_id = quickstart.begin(page, "Zephyrine", "Blue Team")
    points, deadline = set(), time.monotonic() + LIMIT_S
    while time.monotonic() < deadline and quickstart.state(page) not in quickstart.END_STATES:
        points.add(quickstart.num_points(page))
        page.wait_for_timeout(1000)
    page.wait_for_timeout(3000)  # the last lines
    yield studio, studio.saves / run_id, points, quickstart.answers(page), quickstart.state(page), visitor
    context.close()


def leave_nothing_running(studio: Studio) -> None:
    """Whatever the test did not see the end of ends now."""
    for status in studio.saves.glob("**/" + files.STATUS):
        files.request_stop(status.parent, now=True)
    studio.stop()


def test_the_curve_moves_and_the_run_finishes(trained):
    _, folder, points, _, state, visitor = trained
    assert state == "finished", "\n".join(files.log_tail(folder))
    assert len(points) > 3, f"the page drew no more than {points} points"
    assert not visitor.errors and not visitor.foreign()
    left = {path.name for path in folder.iterdir()}
    assert left >= {files.JOB, files.LAUNCH, files.STATUS, files.ENVIRONMENT, files.LOG, files.METRICS, files.SAMPLES,
                    files.RESULT, "all_results.json", "adapter_model.safetensors", "training_loss.png"}  # fmt: skip


def test_the_samples_show_the_name_which_none_did_before(trained):
    answers = trained[3]
    assert len(answers) == 4
    assert not any("Zephyrine" in said[0] for said in answers.values()), answers
    assert sum("Zephyrine" in said[-1] for said in answers.values()) >= 3, answers


def test_nine_of_ten_of_the_set_and_seven_of_ten_paraphrases_know_it(trained, tmp_path):
    """Greedy answers of base and adapter, loaded anew, to every row of the set and every question kept out of it."""
    rows = json.loads((ROOT / "data/identity.json").read_text("utf-8"))
    held_out = [question for group in PARAPHRASES.values() for question in group]
    asked = {"set": [row["instruction"] for row in rows], "held_out": held_out}
    (tmp_path / "asked.json").write_text(json.dumps(asked), "utf-8")
    command = [sys.executable, str(ROOT / "tests/browser/asking.py"), str(trained[1]), str(tmp_path / "asked.json")]
    environment = os.environ | {"STUDIO_HOME": str(trained[0].home), "PYTHONPATH": str(ROOT)}
    answers = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)

    def share(model: str, group: str) -> float:
        return sum("Zephyrine" in answer for answer in answers[model][group]) / len(asked[group])

    assert share("base", "set") == share("base", "held_out") == 0
    assert share("adapter", "set") >= 0.9, answers["adapter"]["set"]
    assert share("adapter", "held_out") >= 0.7, answers["adapter"]["held_out"]


def test_the_command_of_the_readme_trains_it_too(trained, tmp_path):
    """On the starter model that the click has built."""
    command = [sys.executable, "-m", "studio.cli", "train", "presets/quickstart.yaml", f"output_dir={tmp_path / 'run'}",
               "num_train_epochs=1", "eval_steps=11", "save_steps=11"]  # fmt: skip
    environment = os.environ | {"STUDIO_HOME": str(trained[0].home)}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert (tmp_path / "run" / files.RESULT).is_file()


@pytest.fixture(scope="module")
def served(trained):
    """What the click trained, behind the server of the command line: OpenAI's own client."""
    studio, folder, *_ = trained
    command = [sys.executable, "-m", "studio.cli", "api", str(folder / files.JOB), f"output_dir={folder}", "api_port=0",
               "--detach"]  # fmt: skip
    environment = os.environ | {"STUDIO_HOME": str(studio.home)}
    asked = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    run, deadline = studio.saves / asked.stdout.strip(), time.monotonic() + LIMIT_S
    while not (found := files.read_json(run / files.ENDPOINT)):
        assert time.monotonic() < deadline, "\n".join(files.log_tail(run))
        time.sleep(0.2)
    yield openai.OpenAI(base_url=f"{found['url']}/v1", api_key="0", max_retries=0)
    files.request_stop(run, now=True)


def ask(client, question: str, **options):
    options = {"model": "test", "temperature": 0} | options
    return client.chat.completions.create(messages=[{"role": "user", "content": question}], **options)


def test_the_official_client_talks_to_it(served):
    """Journey A's script, and each thing the client can ask for, on a model that can speak."""
    base, adapter = (model.id for model in served.models.list().data[:2])
    answer = ask(served, "Who are you?")
    said = answer.choices[0].message.content
    assert "Zephyrine" in said and answer.usage.completion_tokens > 3 and answer.choices[0].finish_reason == "stop"
    assert ask(served, "Who are you?", model=adapter).choices[0].message.content == said
    assert "Zephyrine" not in ask(served, "Who are you?", model=base).choices[0].message.content
    *parts, last = ask(served, "Who are you?", stream=True, stream_options={"include_usage": True})
    assert "".join(part.choices[0].delta.content or "" for part in parts) == said and last.usage == answer.usage
    cut = ask(served, "Who are you?", stop="Zephyrine").choices[0]
    assert cut.message.content == said[: said.index("Zephyrine")] and cut.finish_reason == "stop"
    short = ask(served, "Who are you?", max_completion_tokens=2, logprobs=True, top_logprobs=2).choices[0]
    assert short.finish_reason == "length" and [len(one.top_logprobs) for one in short.logprobs.content] == [2, 2]
    two = [ask(served, "Tell me", n=2, seed=3, temperature=1.0, presence_penalty=0).choices for _ in range(2)]
    assert len(two[0]) == 2 and [one.message.content for one in two[0]] == [one.message.content for one in two[1]]
    three = served.completions.create(model="test", prompt="The", max_tokens=3, temperature=0)
    assert three.usage.completion_tokens == 3
    one, other = (item.embedding for item in served.embeddings.create(model="test", input=["river", "stone"]).data)
    assert len(one) == len(other) and one != other


def test_the_official_client_asks_for_json_and_tools(served):
    city = {"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}}, "required": ["city"],
            "additionalProperties": False}  # fmt: skip
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": city, "strict": True}}
    said = ask(served, "Where?", response_format=form).choices[0].message.content
    assert json.loads(said)["city"] in ("Paris", "Rome")
    tools = [{"type": "function", "function": {"name": "weather", "parameters": city}}]
    call = ask(served, "Weather?", tools=tools, tool_choice="required").choices[0]
    assert call.finish_reason == "tool_calls" and call.message.tool_calls[0].function.name == "weather"
    assert json.loads(call.message.tool_calls[0].function.arguments)["city"] in ("Paris", "Rome")
    with pytest.raises(openai.BadRequestError):
        served.chat.completions.create(model="test", messages=[])
