"""``at2-rag info``: whether a model can be used, learned from its configuration alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from os.path import expanduser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.table import Table

from at2_rag.cli import options
from at2_rag.cli.console import report_error, show, show_json, spinner
from at2_rag.cli.loading import DEMO, load_reader, reworded, silence_transformers
from at2_rag.errors import UnsupportedModelError
from at2_rag.known_estimators import hub_id, published_estimator
from at2_rag.model.names import gguf_of

if TYPE_CHECKING:
    from transformers import PretrainedConfig


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model.

    Attributes:
        model: Hub id, folder or GGUF file of the model, as it was given.
        architecture: The class that the model's configuration names, or its kind where it names
            none, as in a GGUF file.
        supported: Whether the model's attention can be recorded exactly.
        reason: Why the model's attention cannot be recorded exactly; ``None`` if it can.
        layers: How many layers have attention; ``None`` if it cannot be recorded.
        heads: How many heads each layer has; ``None`` if their attention cannot be recorded.
        context_length: How many tokens the longest input has; ``None`` if the configuration does
            not say.
        estimator: Where learned coefficients for the model are, or how well the heads do that
            probing found; ``None`` if neither is known.
        heads_found: The layer and the number in it of each head that probing found, best first;
            ``None`` where the model was not probed, or is not scored by such heads.
    """

    model: str
    architecture: str
    supported: bool
    reason: str | None
    layers: int | None
    heads: int | None
    context_length: int | None
    estimator: str | None
    heads_found: tuple[tuple[int, int], ...] | None


#: What scores a model's sources, in a short line, and the heads that probing found.
_Known = tuple[str | None, tuple[tuple[int, int], ...] | None]


def info(model: options.InfoModel, as_json: options.AsJson = False) -> None:
    """Say whether a model is supported; its weights are not downloaded.

    Exits with 1 if it is not.
    """
    found = _demo_info() if model == DEMO else _info(model)
    if as_json:
        show_json(asdict(found))
    else:
        show(_table(found))
    if not found.supported:
        report_error(found.reason or "not supported")
        raise typer.Exit(1)


def _demo_info() -> ModelInfo:
    from at2_rag import inspect_attention

    reader = load_reader(DEMO)
    shape = inspect_attention(reader.model)
    learned = "inside this package" if reader.estimator.kind != "uniform" else None
    return _describe(DEMO, reader.model.config, shape.layers, shape.heads, None, (learned, None))


def _info(name: str) -> ModelInfo:
    file = gguf_of(name)
    with spinner(f"looking at {name}"):
        from at2_rag.cli.config_probe import inspect_config

        config = _config(name, file)
        known = _known_estimator(expanduser(name) if file is None else str(file))
        try:
            shape = inspect_config(config)
        except UnsupportedModelError as error:
            return _describe(name, config, None, None, str(error), known)
        return _describe(name, config, shape.layers, shape.heads, None, known)


def _config(name: str, file: Path | None) -> PretrainedConfig:
    from transformers import AutoConfig

    from at2_rag.model.gguf import gguf_config

    silence_transformers()
    with reworded(f"The configuration of {name!r} cannot be loaded"):
        return AutoConfig.from_pretrained(expanduser(name)) if file is None else gguf_config(file)


def _known_estimator(name: str) -> _Known:
    """Return what ``--estimator auto`` would find at once or ask the hub for."""
    from at2_rag.estimators.find import estimator_beside
    from at2_rag.estimators.trained import trained_before

    own = estimator_beside(name) or trained_before(name)
    if own is not None:
        return str(own), None
    model_id = hub_id(name)
    published = None if model_id is None else published_estimator(model_id)
    return (published, None) if published else _probed(name)


def _probed(name: str) -> _Known:
    """Return what probing the model has found; nothing if it was not probed yet."""
    from at2_rag.estimators.probing.kept import probed_before

    found = probed_before(name)
    if found is None:
        return None, None
    if "problem" in found:
        return f"probed: {found['problem']}", None
    heads = tuple((head["layer"], head["head"]) for head in found["heads"])
    return (
        f"{len(heads)} heads found by probing, right in {found['first']:.0%} of the probes",
        heads,
    )


def _describe(
    name: str,
    config: PretrainedConfig,
    layers: int | None,
    heads: int | None,
    reason: str | None,
    known: _Known,
) -> ModelInfo:
    return ModelInfo(
        model=name,
        architecture=(config.architectures or [config.model_type])[0],
        supported=reason is None,
        reason=reason,
        layers=layers,
        heads=heads,
        context_length=getattr(config.get_text_config(), "max_position_embeddings", None),
        estimator=known[0],
        heads_found=known[1],
    )


def _table(found: ModelInfo) -> Table:
    table = Table.grid(padding=(0, 2))
    rows: dict[str, Any] = {
        "model": found.model,
        "architecture": found.architecture,
        "supported": "yes" if found.supported else "no",
        "layers": found.layers,
        "heads": found.heads,
        "context": f"{found.context_length} tokens" if found.context_length else None,
        "estimator": found.estimator or "none learned; the model is probed at first use",
        "heads found": _in_a_line(found.heads_found),
    }
    for name, value in rows.items():
        if value is not None:
            table.add_row(name, str(value))
    return table


def _in_a_line(heads: tuple[tuple[int, int], ...] | None) -> str | None:
    named = ", ".join(f"{layer}.{head}" for layer, head in heads or ())
    return f"{named} (layer.head)" if named else None
