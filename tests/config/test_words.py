"""Every key has its words in every language."""

import pytest

from studio.config import JOBS, fields
from studio.text import catalogue, languages

KNOBS = {key: knob for job in JOBS.values() for key, knob in fields(job).items()}


@pytest.mark.parametrize("language", languages())
def test_every_field_has_a_label_and_help(language):
    words = catalogue(language).words
    for key, knob in KNOBS.items():
        assert words.get(f"knobs.{key}.label"), key
        assert f"sections.{knob.section}" in words
        if language == "en":
            assert f"knobs.{key}.help" not in words, "English help is the field's own"
        else:
            assert len(words.get(f"knobs.{key}.help", "")) > 5, key


@pytest.mark.parametrize("language", languages())
def test_there_are_no_words_for_keys_there_are_not(language):
    named = {key.split(".")[1] for key in catalogue(language).words if key.startswith("knobs.")}
    assert named == set(KNOBS)


@pytest.mark.parametrize("language", languages())
def test_no_two_labels_of_a_job_are_the_same(language):
    t = catalogue(language)
    for job in JOBS.values():
        labels = [t(f"knobs.{key}.label") for key in fields(job)]
        assert len(set(labels)) == len(labels)
