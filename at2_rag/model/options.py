"""What a reader's methods take by keyword beside settings, with types, for editors and checkers.

``model.generate`` and ``from_pretrained`` take more than is named here, and differ from version to
version. What is not named reaches them all the same; a type checker lets it pass in a mapping:
``reader.answer(question, passages, **{"name": value})``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessor, PreTrainedModel, StoppingCriteria

from at2_rag.prompt.settings import SettingsOptions


class DraftOptions(SettingsOptions, total=False):
    """:class:`AnswerOptions` but for ``top_k``, which says how much is kept where drafts prune."""

    generation_config: GenerationConfig | None
    # Which token comes next.
    do_sample: bool
    temperature: float | None
    top_p: float | None
    min_p: float | None
    typical_p: float | None
    epsilon_cutoff: float | None
    eta_cutoff: float | None
    repetition_penalty: float | None
    no_repeat_ngram_size: int | None
    bad_words_ids: list[list[int]] | None
    suppress_tokens: list[int] | None
    guidance_scale: float | None
    logits_processor: list[LogitsProcessor] | None
    # Where the answer ends.
    min_new_tokens: int | None
    max_time: float | None
    stop_strings: str | list[str] | None
    eos_token_id: int | list[int] | None
    pad_token_id: int | None
    stopping_criteria: list[StoppingCriteria] | None
    # How the answer is looked for.
    num_beams: int | None
    length_penalty: float | None
    early_stopping: bool | str | None
    use_cache: bool | None
    cache_implementation: str | None
    prompt_lookup_num_tokens: int | None
    assistant_model: PreTrainedModel | None


class AnswerOptions(DraftOptions, total=False):
    """Single settings, and the options of ``model.generate`` that are used most, by name."""

    top_k: int | None


class LoadingOptions(SettingsOptions, total=False):
    """Single settings, and the options of ``from_pretrained`` that are used most, by name."""

    dtype: str | torch.dtype
    device_map: str | int | torch.device | Mapping[str, str | int | torch.device] | None
    max_memory: Mapping[int | str, int | str] | None
    offload_folder: str | Path | None
    attn_implementation: str | None
    quantization_config: Any
    revision: str
    subfolder: str
    cache_dir: str | Path | None
    token: str | bool | None
    local_files_only: bool
    force_download: bool
    trust_remote_code: bool
    use_safetensors: bool | None
    gguf_file: str | Path | None
