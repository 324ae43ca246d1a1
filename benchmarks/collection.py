"""Training collection: ablations and examples a second, and ablations the plain way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from at2_rag import Reader
from at2_rag.ablation.masking import random_masks
from at2_rag.ablation.task import AttributionTask
from at2_rag.attention.recording import capture_of
from at2_rag.training import ablation_data
from benchmarks.bench import Bench
from benchmarks.clock import middle, take_turns, timed
from benchmarks.records import Measurement
from benchmarks.shapes import Shape
from benchmarks.worlds import questions, random_reader

#: Ablations of one example when an estimator is really trained.
ABLATIONS = 32

_ANSWER = " The mayor of the city was born there, and worked as a teacher."


def measure_collection(bench: Bench) -> Iterator[Measurement]:
    """Yield one measurement for each model."""
    for shape in bench.profile.models:
        yield _at(bench, shape)


def _at(bench: Bench, shape: Shape) -> Measurement:
    passages, ablations = bench.profile.collection
    point = {"passages": passages, "ablations": ablations, "vocabulary": shape.vocabulary}
    if reason := bench.too_large(shape):
        return Measurement("collection", shape.label, point, skipped=reason)
    # About 50 tokens a passage; the logits of all tokens make the plain way half as slow again.
    seconds = 2.5 * (ablations + 1) * bench.pass_seconds(shape, 50 * passages)
    if reason := bench.budget.refusal(seconds):
        return Measurement("collection", shape.label, point, skipped=reason)
    task = collection_task(random_reader(bench.model(shape)), passages)
    masks = random_masks(ablations, len(task.sources), seed=0)
    capture = capture_of(task.model)
    runs: dict[str, Callable[[], object]] = {
        "ablations": lambda: task.ablator().ablate(masks),
        "full logits": lambda: full_logit_ablations(task, masks),
        "example": lambda: ablation_data(task, masks[:1], capture),
        "one ablation": lambda: task.ablator().ablate(masks[:1]),
    }
    take_turns({"warm up": timed(bench.device, runs["one ablation"])}, 1)
    clocked = {name: timed(bench.device, work) for name, work in runs.items()}
    rounds = take_turns(clocked, bench.budget.rounds(seconds, bench.profile.rounds))
    library = middle(rounds, "ablations") / ablations
    plain = middle(rounds, "full logits") / ablations
    features = max(0.0, middle(rounds, "example") - middle(rounds, "one ablation"))
    values = {
        "tokens": float(len(task.ids)),
        "answer": float(len(task.ids) - task.prompt_length),
        "sources": float(len(task.sources)),
        "rounds": float(len(rounds["ablations"])),
        "ablations a second": 1 / library,
        "full-logit ablations a second": 1 / plain,
        "times faster": plain / library,
        f"examples a second, {ABLATIONS} ablations each": 1 / (features + ABLATIONS * library),
    }
    return Measurement("collection", shape.label, point, values)


def collection_task(reader: Reader, passages: int) -> AttributionTask:
    """Return a question with a given answer, whose sources are single tokens."""
    [(question, shown)] = questions(1, passages)
    return reader.task(question, shown, 3 * _ANSWER, source_unit="token")


@torch.inference_mode()
def full_logit_ablations(task: AttributionTask, masks: Tensor) -> Tensor:
    """Ablate the plain way: a pass for each ablation, with the logits of every token.

    Args:
        task: The answer to ablate, with its sources.
        masks: (ablations, sources), true where a source is kept.

    Returns:
        (ablations, answer tokens): log-probabilities of the answer's tokens, in nats.
    """
    device = task.model.get_input_embeddings().weight.device
    ids = torch.tensor([task.ids], device=device)
    rows = []
    for mask in masks:
        visible = _visible(task.ids, task.sources, mask).to(device)
        logits = task.model(input_ids=ids, attention_mask=visible, use_cache=False).logits
        log_probabilities = torch.log_softmax(logits.float(), dim=-1)[0, :-1]
        chosen = log_probabilities.gather(-1, ids[0, 1:, None])[:, 0]
        rows.append(chosen[task.prompt_length - 1 :].cpu())
    return torch.stack(rows)


def _visible(ids: Sequence[int], sources: Sequence[tuple[int, int]], mask: Tensor) -> Tensor:
    """Return (1, tokens): 0 at every token of a source that is not kept."""
    visible = torch.ones(1, len(ids), dtype=torch.long)
    for (start, end), kept in zip(sources, mask.tolist(), strict=True):
        if not kept:
            visible[:, start:end] = 0
    return visible
