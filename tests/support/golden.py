"""The golden models: tiny, random, and known to the published implementation."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from support.places import GOLDEN, LLAMA
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from at2_rag import Reader, ScoreEstimator
from at2_rag.ablation.task import AttributionTask

NAMES = ("llama", "qwen2", "phi3")

#: What the published implementation calls units of sources.
_UNITS = {"sentence": "sentence", "token": "token", "document": "passage"}


@dataclass(frozen=True)
class Golden:
    """The published implementation's numbers on one tiny model."""

    folder: Path
    model: PreTrainedModel
    tokenizer: Any
    cases: list[dict[str, Any]]


def load_model(folder: Path) -> tuple[PreTrainedModel, Any]:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model.eval(), AutoTokenizer.from_pretrained(folder)


def load_golden(name: str) -> Golden:
    folder = GOLDEN / name
    cases = json.loads((folder / "cases.json").read_text(encoding="utf-8"))
    model, _ = load_model(folder / "model")
    # AutoTokenizer picks Qwen2's own class by the model's type, with another pre-tokenizer than
    # the one in the file, which the golden numbers were made with.
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "model")
    return Golden(folder, model, tokenizer, cases)


def save_short_model(folder: Path) -> None:
    """Save one of the models as if it had been made for 512 tokens."""
    shutil.copytree(LLAMA / "model", folder, dirs_exist_ok=True)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["max_position_embeddings"] = 512
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


def llama_reader() -> Reader:
    """A reader of its own, for tests that change its model."""
    golden = load_golden("llama")
    estimator = ScoreEstimator.load(golden.folder)
    return Reader(golden.model, golden.tokenizer, estimator, max_new_tokens=24)


def golden_task(golden: Golden, case: dict[str, Any]) -> AttributionTask:
    """Return a case as something to explain, its sources those of the published implementation."""
    uniform = ScoreEstimator.uniform(golden.model)
    reader = Reader(golden.model, golden.tokenizer, uniform)
    unit = _UNITS[case["source_type"]]
    task = reader.task(case["query"], case["passages"], case["answer"], source_unit=unit)
    assert [list(span) for span in task.sources] == case["source_token_ranges"]
    return task
