"""What is learned from: data sets, template, length, and what is held back for evaluation."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from studio.config.knobs import Ui
from studio.config.section import Section

SFT = "stage=sft"
CHAT = "stage!=pt"

ToolFormat = Literal[
    "default", "glm4", "glm4_moe", "lfm2", "ling", "llama3", "minimax1", "minimax2", "mistral", "qwen", "qwen3_5",
    "seed_oss",
]  # fmt: skip


class TemplateSection(Section):
    section: ClassVar[str] = "data"

    template: Annotated[str | None, Ui(tier="basic")] = None
    """How a conversation is written for this model. Empty takes the model's own chat template, which is nearly always
    right for a model that already chats."""

    tool_format: ToolFormat | None = None
    """How tools and calls are written, for a template named above. Empty takes the way of its family, which is nearly
    always right."""


class SetsSection(Section):
    section: ClassVar[str] = "data"

    dataset: Annotated[list[str], Ui(tier="basic")] = []
    """Data sets to learn from: names in the data folder's dataset_info.json, files and folders, or ids of a hub such as
    owner/name."""

    dataset_dir: Annotated[str, Ui(tier="basic")] = "data"
    """The folder that holds dataset_info.json and the files it names. `ONLINE` takes every name for a hub's id,
    `REMOTE:owner/name` the registry of that data set."""


class RowsSection(Section):
    """What is taken of the sets, and how a conversation is put together, wherever rows are read."""

    section: ClassVar[str] = "data"

    media_dir: str | None = None
    """The folder of the pictures, films and sounds that rows name. Empty is the folder of dataset_info.json."""

    cutoff_len: Annotated[int, Field(ge=1), Ui(step=256, tier="basic")] = 2048
    """The longest row in tokens; what is longer is cut and counted. Raising it keeps more of long rows and costs
    memory."""

    max_samples: Annotated[int | None, Field(ge=1), Ui(step=100, tier="basic")] = None
    """Take at most this many rows of each data set. Empty takes all; a small number makes a quick trial."""

    val_size: Annotated[int | float, Field(ge=0), Ui(step=0.01, tier="basic")] = 0
    """Rows held back for evaluation: below 1 a share (0.1 is a tenth), from 1 on a count. Raising it measures more
    surely and leaves less to learn from."""

    eval_dataset: Annotated[list[str], Ui(tier="basic")] = []
    """Data sets to evaluate on, instead of holding rows back."""

    default_system: Annotated[str | None, Ui(when=CHAT, lines=3)] = None
    """The system message for rows that have none. Empty takes the template's own."""

    enable_thinking: Annotated[bool | None, Ui(when=CHAT)] = True
    """For models that think first: answers without a thought get an empty one, which is learned (on) or given as part
    of the question (off). Empty leaves the rows as they are."""

    preserve_thinking: Annotated[bool, Ui(when=CHAT)] = False
    """Keep the thoughts of earlier answers in a conversation instead of dropping them."""

    placeholders: dict[str, str] = {}
    """Words to put for {{marks}} in the data: `name: Ada` writes Ada wherever a row says {{name}}."""


class DataSection(Section):
    section: ClassVar[str] = "data"

    eval_on_each_dataset: bool = False
    """Evaluate on each evaluation set separately, with a loss for each."""

    train_on_prompt: Annotated[bool, Ui(when=SFT)] = False
    """Learn the questions too, not only the answers."""

    mask_history: Annotated[bool, Ui(when=SFT)] = False
    """Learn only the last answer of a conversation; the earlier ones are merely read."""

    mix_strategy: Literal["concat", "interleave_under", "interleave_over", "interleave_once"] = "concat"
    """How several data sets are joined: one after the other, or interleaved until the first is used up (`under`), until
    every row was seen (`over`, smaller sets repeat), or without repeating (`once`)."""

    interleave_probs: Annotated[list[float], Ui(when="mix_strategy!=concat")] = []
    """How often each data set is drawn from when interleaving: one share for each set, together 1."""

    packing: Annotated[bool | None, Ui(when="stage=pt|sft")] = None
    """Fill blocks of the maximum length: with plain texts, joined and cut, or with whole conversations that do not see
    each other. Empty does so for `pt` alone. For conversations it pays on graphics cards, not on a CPU."""

    neat_packing: Annotated[bool, Ui(when=SFT)] = False
    """The same as `packing` for conversations, which never see each other here."""

    streaming: bool = False
    """For sets too large to be read to their end: only the rows that `max_steps` can use are read, from the front, and
    `buffer_size` more to choose from."""

    buffer_size: Annotated[int, Field(ge=1), Ui(step=1024, when="streaming")] = 16384
    """Rows read beyond those that are needed, so that the order can be mixed."""

    tokenized_path: str | None = None
    """A folder for rows that are already encoded: used as it is if it holds some, else filled for the next run."""
