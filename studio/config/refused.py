"""Keys of LLaMA-Factory and Transformers whose feature is not built, or that something else stands for.

Users' files are full of switches in their off position, and of settings for features that are off: such a key is passed
over with a notice. Only a key that asks for something that would not happen is an error.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from studio.config import files
from studio.config.values import parse_scalar
from studio.errors import StudioError


@dataclass(frozen=True)
class Refused:
    """A key without effect. `reason`: `not_available_yet`, `superseded` (by `instead`) or `derived`.

    `off` is the value that asks for nothing; `tolerated` names the notice with which any other value is passed over
    too (`text_only`, `other_command`, or `part_of_off` with the switch in `part_of`). Otherwise it is an error, but for
    a value of which `idle` says that it changes nothing on one device.
    """

    reason: str
    off: object = None
    instead: str = ""
    tolerated: str = ""
    part_of: str = ""
    idle: Callable[[object], bool] | None = None

    def asks_nothing(self, value: object) -> bool:
        """Whether the value is the off one, however it is written."""
        value = parse_scalar(value) if isinstance(value, str) else value
        if self.off is None or self.off is False:
            return value in (None, False, "", [], {}) or str(value).lower() in ("none", "no")
        return value == self.off or str(value) == str(self.off)


# Of a DeepSpeed file, what says nothing of its own where no other device shares in the work. Numbers and precisions are
# the job's: DeepSpeed itself refuses a file that says otherwise.
_SHARING = frozenset((
    "train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps", "gradient_clipping",
    "zero_allow_untested_optimizer", "fp16", "bf16", "zero_optimization", "steps_per_print", "wall_clock_breakdown",
))  # fmt: skip


def _only_shares(value: object) -> bool:
    """Whether a DeepSpeed file (its path, or what stands in it) only shares a model's parts among several devices."""
    try:
        found = value if isinstance(value, Mapping) else files.load(Path(str(value)).expanduser())
    except (StudioError, RuntimeError, ValueError):
        return False
    zero = found.get("zero_optimization", {})
    if not isinstance(zero, Mapping) or set(found) - _SHARING:
        return False
    parts = (zero.get("offload_optimizer"), zero.get("offload_param"), zero.get("cpu_offload"))
    places = [part.get("device") if isinstance(part, Mapping) else part for part in parts]
    return all(place in (None, False, "none") for place in places)


# A switch: only its off position is accepted.
_SWITCHES: dict[str, object] = {
    # model
    "adapter_folder": None, "new_special_tokens_config": None,
    "init_special_tokens": "noise_init",
    "shift_attn": False, "mixture_of_depths": None, "moe_aux_loss_coef": None, "upcast_lmhead_output": False,
    "use_unsloth": False, "use_unsloth_gc": False, "enable_liger_kernel": False, "use_liger_kernel": False,
    "use_v1_kernels": False, "quantization_device_map": None, "use_kt": False,
    # data
    "ignore_pad_token_for_loss": True,
    # method
    "use_llama_pro": False, "use_adam_mini": False, "use_mca": False, "use_megatron_bridge": False,
    "use_hyper_parallel": False, "use_muon": False, "use_dft_loss": False, "use_asft_loss": False,
    "use_eaft_loss": False, "freeze_language_model": False, "use_galore": False, "use_apollo": False,
    "use_badam": False, "use_swanlab": False, "fp8": False, "enable_torch_profiler": False, "pref_bco_weight": 0.0,
    # training and launching
    "fsdp": None, "parallelism_config": None,
    "ray_num_workers": 1, "master_addr": None, "master_port": None, "task": None,
}  # fmt: skip

# What belongs to a switch: while the switch is off, any value is passed over.
_PARTS = {
    "use_kt": "kt_cpu_activation kt_weight_path kt_non_expert_weight_path kt_expert_checkpoint_path "
    "kt_use_lora_experts kt_lora_expert_num kt_lora_expert_intermediate_size kt_config",
    "use_hyper_parallel": "hyper_parallel_args hyper_parallel_cp_size",
    "use_asft_loss": "asft_alpha",
    "use_eaft_loss": "eaft_alpha",
    "use_galore": "galore_target galore_rank galore_update_interval galore_scale galore_proj_type galore_layerwise",
    "use_apollo": "apollo_target apollo_rank apollo_update_interval apollo_scale apollo_proj apollo_proj_type "
    "apollo_scale_type apollo_layerwise apollo_scale_front",
    "use_badam": "badam_mode badam_start_block badam_switch_mode badam_switch_interval badam_update_ratio "
    "badam_mask_mode badam_verbose",
    "use_swanlab": "swanlab_project swanlab_workspace swanlab_run_name swanlab_mode swanlab_api_key swanlab_logdir "
    "swanlab_lark_webhook_url swanlab_lark_secret",
    "fp8": "fp8_backend fp8_enable_fsdp_float8_all_gather",
    "enable_torch_profiler": "profiler_output_dir profiler_wait_steps profiler_warmup_steps profiler_active_steps "
    "profiler_repeat profiler_record_shapes profiler_profile_memory profiler_with_stack profile_modules",
    "predict_with_generate": "eval_num_beams sortish_sampler generation_max_length generation_num_beams "
    "generation_config",
    "use_liger_kernel": "liger_kernel_config",
    "fsdp": "fsdp_config",
    "ray_num_workers": "ray_init_kwargs",
    "task": "task_dir lang n_shot save_dir download_mode",
    "finetuning_type: oft": "module_dropout oft_rank oft_block_size oft_target",
    "stage: rm / ppo": "ppo_buffer_size ppo_epochs ppo_score_norm ppo_target ppo_whiten_rewards reward_model "
    "reward_model_adapters reward_model_quantization_bit reward_model_type",
    "use_megatron_bridge": "tensor_model_parallel_size pipeline_model_parallel_size expert_model_parallel_size "
    "context_parallel_size virtual_pipeline_model_parallel_size sequence_parallel recompute_granularity "
    "recompute_method recompute_num_layers account_for_embedding_in_pipeline_split account_for_loss_in_pipeline_split "
    "bias_activation_fusion apply_rope_fusion masked_softmax_fusion cross_entropy_loss_fusion moe_grouped_gemm "
    "moe_token_dispatcher_type calculate_per_token_loss use_distributed_optimizer overlap_param_gather "
    "overlap_grad_reduce use_packed_sequences mixed_precision megatron_pretrained_checkpoint export_hf_on_finish "
    "extra_config",
}

# Pictures, sound and film: the data is text.
_TEXT_ONLY = (
    "image_max_pixels image_min_pixels image_do_pan_and_scan crop_to_patches video_max_pixels video_min_pixels "
    "video_fps video_maxlen use_audio_in_video audio_sampling_rate freeze_vision_tower "
    "freeze_multi_modal_projector"
)

# What chat, the server and export read; a training job has no use for it.
_OTHER_COMMANDS = (
    "infer_backend infer_dtype offload_folder use_kv_cache export_dir export_size export_device "
    "export_quantization_bit export_quantization_dataset export_quantization_nsamples export_quantization_maxlen "
    "export_legacy_format export_hub_model_id vllm_maxlen vllm_gpu_util vllm_enforce_eager vllm_max_lora_rank "
    "vllm_config sglang_maxlen sglang_mem_fraction sglang_tp_size sglang_config sglang_lora_backend num_beams "
    "max_length length_penalty skip_special_tokens"
)

# Worked out by the program; never set by hand.
_DERIVED = "compute_dtype device_map model_max_length block_diag_attn megatron_bridge_args"

_SUPERSEDED = {
    "assistant_only_loss": "train_on_prompt", "completion_only_loss": "train_on_prompt",
    "chat_template_path": "template", "dataset_text_field": "dataset", "dataset_config_name": "dataset",
    "batch_size": "per_device_train_batch_size",
}  # fmt: skip


def _build() -> Mapping[str, Refused]:
    later = "not_available_yet"
    table = {key: Refused(later, off) for key, off in _SWITCHES.items()}
    table["deepspeed"] = Refused(later, idle=_only_shares)
    for switch, parts in _PARTS.items():
        table |= {key: Refused(later, tolerated="part_of_off", part_of=switch) for key in parts.split()}
    table |= {key: Refused(later, tolerated="text_only") for key in _TEXT_ONLY.split()}
    table |= {key: Refused(later, tolerated="other_command") for key in _OTHER_COMMANDS.split()}
    table |= {key: Refused("derived") for key in _DERIVED.split()}
    return table | {key: Refused("superseded", instead=instead) for key, instead in _SUPERSEDED.items()}


REFUSED: Mapping[str, Refused] = _build()

# A server passes over what belongs to training, but not what would change the answers.
OF_ANOTHER_VERB = Refused("not_available_yet", tolerated="other_verb")
REFUSED_EVERYWHERE = ("adapter_folder", "mixture_of_depths", "use_kt")
REFUSED_BY_ANSWERERS: Mapping[str, Refused] = {  # by a server and an evaluation
    "num_beams": Refused("not_available_yet", 1),
    "eval_num_beams": Refused("not_available_yet", 1),
    "length_penalty": Refused("not_available_yet", 1.0),
    "max_length": Refused("superseded", instead="max_new_tokens", tolerated="other_verb"),
}

# Values of keys that do exist: known to LLaMA-Factory or Transformers, and not built yet.
LATER_CHOICES: Mapping[str, frozenset[str]] = {
    "tool_format": frozenset(("gemma4",)),
    "stage": frozenset(("rm", "ppo")),
    "pref_loss": frozenset(("kto_pair",)),
    "finetuning_type": frozenset(("oft",)),
    "quantization_method": frozenset(("gptq", "awq", "aqlm", "quanto", "eetq", "hqq", "mxfp4", "fp8")),
    "lr_scheduler_type": frozenset(("greedy",)),
    "train_sampling_strategy": frozenset(("batch_rebalance",)),
    "optim": frozenset((
        "adamw_torch_xla", "adamw_anyprecision", "adamw_torch_4bit", "adamw_torch_8bit", "ademamix",
        "adamw_bnb_8bit", "adamw_8bit", "ademamix_8bit", "lion_8bit", "lion_32bit", "paged_adamw_32bit",
        "paged_adamw_8bit", "paged_ademamix_32bit", "paged_ademamix_8bit", "paged_lion_32bit", "paged_lion_8bit",
        "rmsprop_bnb", "rmsprop_bnb_8bit", "rmsprop_bnb_32bit", "galore_adamw", "galore_adamw_8bit",
        "galore_adafactor", "galore_adamw_layerwise", "galore_adamw_8bit_layerwise", "galore_adafactor_layerwise",
        "lomo", "adalomo", "grokadamw", "schedule_free_radam", "schedule_free_adamw", "schedule_free_sgd",
        "apollo_adamw", "apollo_adamw_layerwise", "stable_adamw",
    )),
}  # fmt: skip
