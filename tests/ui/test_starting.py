"""Starting from the page: once for a double click, and under a name of its own for each who asks."""

import json

import pytest

from studio import paths, runs
from studio.config import read_run
from studio.errors import StudioError
from studio.ui import starting


def test_a_second_click_gives_the_same_run_and_another_person_another_name(behave, busy, job):
    asked = job()
    first = starting.begin(asked, "mine")
    assert first == starting.begin(asked, " mine ") and not first.renamed
    other = starting.begin(job(lora_rank=4), "mine")
    assert other.renamed and other.run_id == f"{first.run_id}-2"
    assert first.run_id.endswith("/lora/mine") and len(runs.listing()) == 2


def test_a_folder_of_ones_own_goes_before_the_name(behave, busy, job):
    assert starting.begin(job(output_dir="saves/a/b")) == starting.Begun("a/b")
    assert starting.begin(job(output_dir="saves/a/b"), "mine") == starting.Begun("a/mine"), "the name is its last part"


@pytest.mark.parametrize("name", ["../x", ".hidden", "a/b"])
def test_a_name_that_leads_elsewhere_is_refused(behave, busy, job, name):
    with pytest.raises(StudioError):
        starting.begin(job(), name)
    assert runs.listing() == []


def test_the_quickstart_takes_the_rows_that_ship_whatever_the_user_calls_identity(behave, busy, home):
    ours = paths.resource("data") / "identity.json"
    asked = [starting.quickstart({"name": "Nova", "author": "N"})]
    (home / "data").mkdir(exist_ok=True)
    (home / "data/identity.json").write_text(json.dumps([{"instruction": "Who are you?", "output": "I am Ada."}]))
    (home / "data/dataset_info.json").write_text(json.dumps({"identity": {"file_name": "identity.json"}}))
    asked.append(starting.quickstart({"name": "Vega", "author": "N"}))
    assert [read_run(runs.find(run).folder).dataset for run in asked] == [["identity"], [str(ours)]]
