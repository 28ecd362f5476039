"""Where a run lives and what it runs on."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from studio.config.knobs import Ui
from studio.config.section import Section


class RunSection(Section):
    section: ClassVar[str] = "run"

    output_dir: Annotated[str | None, Ui(tier="basic")] = None
    """The run's folder. Empty makes one below `saves/`, named after the model, the method and the time."""

    device: Annotated[Literal["auto", "cpu", "cuda", "npu", "mps"], Ui(tier="basic")] = "auto"
    """What it runs on: a graphics card (`cuda`), an Ascend NPU (`npu`), Apple's (`mps`) or the processor (`cpu`).
    `auto` takes the best there is."""

    devices: Annotated[list[int], Ui(when="device!=cpu|mps")] = []
    """Which of the cards, by number. Empty takes the first free one."""

    seed: Annotated[int, Field(ge=0), Ui(step=1)] = 42
    """Starting point of everything random: the same number repeats a run, another varies it."""

    stop_grace_s: Annotated[float, Field(ge=0), Ui(step=10)] = 120.0
    """Seconds a run may take to write a checkpoint when it is asked to stop; then it is ended. Raise it for very large
    models or slow disks."""

    auto_resume: bool = False
    """Go on by itself from the last checkpoint when a run was cut off, by a power cut say."""
