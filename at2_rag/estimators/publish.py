"""Publishing a score estimator on the hub, with a model card that says what it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from huggingface_hub import CommitInfo, HfApi, ModelCardData

from at2_rag import __version__
from at2_rag.attention.probe import AttentionShape
from at2_rag.estimators.calibration import Calibration, Reliability
from at2_rag.estimators.files import EstimatorRecord, write_record
from at2_rag.known_estimators import base_model_of, hub_id

_PAPER = "https://arxiv.org/abs/2504.13752"
_KINDS = {
    "linear": "A score is a linear combination of attention heads: how much each of them counts "
    "is learned.",
    "copying": "A score is a linear combination of attention heads, learned twice: once for all "
    "attention, and once more for attention to a token that is the very one being generated, as "
    "a head pays it that copies a name. The latter goes beyond the paper.",
    "network": "A score comes from a small network that sees all sources of an answer at once, "
    "through learned mixtures of the attention heads. This goes beyond the paper.",
    "probed": "A score is the attention of a few heads, each counted by how well it finds what a "
    "given answer goes back to, in questions about made-up worlds, and more where it goes to a "
    "token that is the very one being generated. Nothing in it is learned from "
    "labels or ablations. This goes beyond the paper.",
    "uniform": "All attention heads count the same: this is average attention, the baseline, and "
    "nothing in it is learned.",
}
#: Options of a fit that are worth a line, and how they are called.
_FIT = {
    "method": "fitted by",
    "steps": "steps",
    "learning_rate": "learning rate",
    "batch_size": "batch size",
    "non_negative": "coefficients kept from becoming negative",
    "min_spread": "least range of log-probabilities learned from, in nats",
    "seed": "seed of the split and the batches",
}
_COLLECTED = {
    "num_ablations": "ablations of each example",
    "source_unit": "what was ablated",
    "seed": "seed of the ablations",
    "copying": "collected for copying coefficients",
}


def push_to_hub(
    record: EstimatorRecord,
    shape: AttentionShape,
    repo_id: str,
    *,
    base_model: str | None = None,
    license: str | None = None,
    private: bool | None = None,
    token: str | bool | None = None,
    commit_message: str = "Upload score estimator",
    revision: str | None = None,
    create_pr: bool = False,
    card: str | None = None,
) -> CommitInfo:
    """Upload an estimator and its card to a repository, which is made if it is not there.

    A README that is already there is replaced. Where the estimator was learned on a model in a
    folder, the folder's path is not uploaded.

    Args:
        record: Everything about the estimator that is published.
        shape: Layers and heads of the model that the estimator is for.
        repo_id: The repository's name, such as ``"someone/at2-qwen2.5-1.5b-instruct"``; without an
            owner, yours.
        base_model: Hub id of the model that the coefficients are for; by default the one that
            they say they were learned on.
        license: The coefficients' license, as the hub abbreviates it (``"mit"``,
            ``"apache-2.0"``, …); by default none is named.
        private: Whether a new repository can be seen by its owner only.
        token: The hub's token, as for ``huggingface_hub``; by default the one that was logged in
            with.
        commit_message: First line of the commit's message.
        revision: Branch to upload to; by default the main one.
        create_pr: Whether to propose the upload as a pull request instead of committing it.
        card: Text of the README instead of :func:`make_card`'s.

    Raises:
        HfHubHTTPError: If the hub refuses, from ``huggingface_hub``.
    """
    api = HfApi(token=token, library_name="at2-rag", library_version=__version__)
    base_model = base_model or base_model_of(record.metadata)
    full_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
    with TemporaryDirectory() as folder:
        public = replace(record, metadata=_without_paths(record.metadata, base_model))
        write_record(public, Path(folder))
        text = card or make_card(record, shape, full_id, base_model=base_model, license=license)
        (Path(folder) / "README.md").write_text(text, encoding="utf-8")
        return api.upload_folder(
            repo_id=full_id,
            folder_path=folder,
            commit_message=commit_message,
            revision=revision,
            create_pr=create_pr,
        )


def make_card(
    record: EstimatorRecord,
    shape: AttentionShape,
    repo_id: str,
    *,
    base_model: str | None = None,
    license: str | None = None,
) -> str:
    """Return the model card of an estimator, in Markdown with a YAML header.

    What the metadata do not say, the card does not either.

    Args:
        record: Everything about the estimator that the card describes.
        shape: Layers and heads of the model that the estimator is for.
        repo_id: The repository that the estimator can be loaded from.
        base_model: As for :func:`push_to_hub`.
        license: As for :func:`push_to_hub`.
    """
    base_model = base_model or base_model_of(record.metadata)
    # The hub refuses an unknown base model, and a folder is none.
    header = ModelCardData(
        base_model=base_model,
        library_name="at2-rag",
        license=license,
        tags=["attribution", "citations", "rag", "attention", f"at2-{record.kind}"],
    )
    sections = (
        _introduction(record, shape, base_model),
        _usage(repo_id, base_model),
        _fit(record.metadata),
        _quality(record.metadata),
        _calibration(record.calibrations),
    )
    body = "\n\n".join(section for section in sections if section)
    return f"---\n{header.to_yaml().strip()}\n---\n\n{body}\n"


def _introduction(record: EstimatorRecord, shape: AttentionShape, base_model: str | None) -> str:
    of = f" for `{base_model}`" if base_model else ""
    kind = _KINDS.get(record.kind, f"It is of the kind `{record.kind}`.")
    return (
        f"# Score estimator{of}\n\n"
        "Tells which retrieved sentences made a language model say each sentence of its answer, "
        "from the attention that it computed while answering. The method is AT2, [Learning to "
        f"Attribute with Attention]({_PAPER}). {kind}\n\n"
        f"- kind: `{record.kind}`\n"
        f"- shape: {shape.layers} layers × {shape.heads} heads\n\n"
        "It fits this model only: heads of another one mean something else, even where there are "
        "as many."
    )


def _usage(repo_id: str, base_model: str | None) -> str:
    return (
        "## How to use it\n\n"
        "```python\n"
        "from at2_rag import Reader\n\n"
        f'reader = Reader.from_pretrained("{base_model or "the model"}", estimator="{repo_id}")\n'
        "passages = [\n"
        '    "The old mill was built in 1790. It burned down in 1802.",\n'
        '    "The town hall was built in 1650.",\n'
        "]\n"
        'answer = reader.answer("When was the mill built?", passages)\n'
        "print(answer)\n"
        "```"
    )


def _fit(metadata: Mapping[str, Any]) -> str:
    rows = [
        *_named(_part(metadata, "collected"), _COLLECTED),
        *_named(_part(metadata, "fit"), _FIT),
        *_named(_part(metadata, "metrics"), {"training_examples": "examples learned from"}),
    ]
    versions = _part(_part(metadata, "collected"), "versions")
    if versions:
        said = ", ".join(f"{name} {version}" for name, version in versions.items())
        rows.append(("collected with", said))
    prompts = metadata.get("prompts")
    if isinstance(prompts, list) and prompts:
        # As JSON, so that line ends stay within the code.
        rows.append(("asked with", ", ".join(f"`{json.dumps(prompt)}`" for prompt in prompts)))
    if not rows:
        return ""
    return "## How it was made\n\n" + "\n".join(f"- {name}: {value}" for name, value in rows)


def _quality(metadata: Mapping[str, Any]) -> str:
    metrics = _part(metadata, "metrics")
    sets = {"all": ("fitted", "average"), "dependent": ("fitted_dependent", "average_dependent")}
    lines = [
        f"| {name} | {who} | {_figure(quality, 'lds')} | {_figure(quality, 'pearson')} |"
        for name, keys in sets.items()
        for who, quality in zip(
            ("this estimator", "average attention"),
            (_part(metrics, key) for key in keys),
            strict=True,
        )
        if _is_number(quality.get("lds"))
    ]
    if not lines:
        return ""
    return "\n".join(
        (
            "## How well it does\n",
            f"{_measured_on(metrics)} Linear datamodeling score (LDS) and Pearson correlation of "
            "scores with what leaving sources out really does to a statement's log-probability; "
            "mean and standard error. A statement is dependent if some ablation makes it half as "
            "likely as another.\n",
            "| statements | scored by | LDS | Pearson |",
            "|---|---|---|---|",
            *lines,
        )
    )


def _measured_on(metrics: Mapping[str, Any]) -> str:
    if metrics.get("held_out_is_training"):
        return "**On the examples that it was fitted to, so the figures are too good.**"
    count = metrics.get("held_out_examples")
    examples = f"On {count} held-out examples." if _is_number(count) else "On held-out examples."
    if not metrics.get("ridge"):
        return examples
    return (
        f"{examples} The ridge's strength was chosen on the same ones, which flatters it a little."
    )


def _calibration(calibrations: Sequence[Calibration]) -> str:
    lines = [
        f"| {found.unit} | {what} | {measured.threshold:.4g} | {_share(measured.precision)} | "
        f"{_share(measured.recall)} | {measured.count} |"
        for found in calibrations
        for what, measured in _judged(found)
    ]
    if not lines:
        return ""
    effects = ", ".join(sorted({f"{found.effect:.3g}" for found in calibrations}))
    return "\n".join(
        (
            "## Calibration\n",
            "From which score on something is real: leaving it out really lowers the log-"
            f"probability of a statement by {effects} nats or more. A threshold is for the total "
            "over the statement's tokens. Measured across folds of the held-out examples, each "
            "with the threshold that the others gave.\n",
            "| a source is a | asked of | threshold | precision | recall | judged |",
            "|---|---|---|---|---|---|",
            *lines,
        )
    )


def _judged(calibration: Calibration) -> Iterator[tuple[str, Reliability]]:
    yield "one source", calibration.citations
    yield "all sources together", calibration.supported
    if calibration.earlier is not None:
        yield "an earlier statement of the answer", calibration.earlier


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _part(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = values.get(key)
    return part if isinstance(part, Mapping) else {}


def _named(values: Mapping[str, Any], names: Mapping[str, str]) -> list[tuple[str, Any]]:
    """Return what there is to say under its names; an option that is off needs no line."""
    return [
        (name, "yes" if values[key] is True else values[key])
        for key, name in names.items()
        if values.get(key) is not None and values[key] is not False
    ]


def _figure(quality: Mapping[str, Any], key: str) -> str:
    value, error = quality.get(key), quality.get(f"{key}_error")
    if not _is_number(value):
        return "-"
    return f"{value:.3f} ± {error:.3f}" if _is_number(error) else f"{value:.3f}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _without_paths(metadata: Mapping[str, Any], base_model: str | None) -> dict[str, Any]:
    """Return metadata in which the model is named as on the hub, or by its folder's last name."""
    collected, model = _part(metadata, "collected"), _part(_part(metadata, "collected"), "model")
    name = model.get("name")
    if not isinstance(name, str) or hub_id(name) == name:
        return dict(metadata)
    public = base_model or hub_id(name) or Path(name).name
    return {**metadata, "collected": {**collected, "model": {**model, "name": public}}}
