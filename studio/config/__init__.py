"""The schema of a job and everything that reads one: YAML, form and command line are three views of it.

    reading = read_arguments("train", ["my.yaml", "lora_rank=16"])
    reading.job.lora_rank; reading.notices; reading.sources

Needs pydantic and PyYAML only, and no model library.
"""

from studio.config.aliases import Alias
from studio.config.hub import SECRET_VARIABLES, STARTER
from studio.config.job import JOBS, SCHEMA_VERSION, BuildJob, Job, TrainJob
from studio.config.knobs import Knob, Ui, applies, fields
from studio.config.lookup import Field, resolve
from studio.config.passthrough import PassThrough
from studio.config.presets import Preset, list_presets, load_preset
from studio.config.problems import ConfigError, Notice, Problem
from studio.config.reading import Reading, read_arguments, read_mapping, read_run
from studio.config.refused import Refused

__all__ = [
    "JOBS",
    "SCHEMA_VERSION",
    "SECRET_VARIABLES",
    "STARTER",
    "Alias",
    "BuildJob",
    "ConfigError",
    "Field",
    "Job",
    "Knob",
    "Notice",
    "PassThrough",
    "Preset",
    "Problem",
    "Reading",
    "Refused",
    "TrainJob",
    "Ui",
    "applies",
    "fields",
    "list_presets",
    "load_preset",
    "read_arguments",
    "read_mapping",
    "read_run",
    "resolve",
]
