"""What runs through many rows: this process, or the actors of a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from at2_rag.cli.loading import DEMO, find_estimator, load_reader, missing_as_input_error
from at2_rag.errors import InputError

if TYPE_CHECKING:
    from at2_rag import Reader
    from at2_rag.runs.ray_cluster import RayWorkers

_RAY = "With --engine ray"


class Engine(StrEnum):
    """What goes through the rows."""

    local = "local"
    ray = "ray"


EngineOption = Annotated[
    Engine,
    typer.Option(
        "--engine",
        help="This process, or the actors of a Ray cluster: one model for each GPU.",
    ),
]
Actors = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Models at a time; default as many as there are GPUs, or else CPUs, for.",
        rich_help_panel=_RAY,
        show_default=False,
    ),
]
Gpus = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-actor",
        min=0,
        metavar="X",
        help="GPUs of each model, which is spread over several; default 1 where there are any.",
        rich_help_panel=_RAY,
        show_default=False,
    ),
]
Cpus = Annotated[
    float,
    typer.Option(
        "--cpus-per-actor",
        min=0.01,
        metavar="X",
        help="CPUs of each model, and threads.",
        rich_help_panel=_RAY,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT|auto",
        help="Of the cluster; default that of RAY_ADDRESS, or else this machine alone.",
        rich_help_panel=_RAY,
        show_default=False,
    ),
]


@dataclass(frozen=True)
class Workers:
    """The actors that were asked for.

    Attributes:
        engine: Whether there are to be any.
        actors: How many models there are at a time; ``None`` for as many as fit.
        gpus: How many GPUs each has; ``None`` for one where there are any.
        cpus: How many CPUs each has.
        address: Where the cluster is; ``None`` for none that is named.
    """

    engine: Engine = Engine.local
    actors: int | None = None
    gpus: float | None = None
    cpus: float = 1
    address: str | None = None

    @property
    def is_cluster(self) -> bool:
        """Whether a cluster does the work.

        Raises:
            InputError: If none does, and something was asked of it.
        """
        if self.engine is Engine.ray:
            return True
        given = {
            "actors": self.actors is not None,
            "gpus-per-actor": self.gpus is not None,
            "address": self.address is not None,
            "cpus-per-actor": self.cpus != 1,
        }
        for name, is_given in given.items():
            if is_given:
                raise InputError(
                    f"--{name} is for the actors of a cluster; expected --engine ray with it."
                )
        return False

    @contextmanager
    def on_cluster(self) -> Iterator[RayWorkers]:
        """Hand over what the library takes, and tell what is not installed in a line.

        Raises:
            InputError: If a number is out of range, or Ray is not installed.
        """
        from at2_rag.runs.ray_cluster import RayWorkers

        with missing_as_input_error():
            yield RayWorkers(self.actors, self.gpus, self.cpus, self.address)


def loader_for_actors(name: str | None, dtype: str, device: str, **options: Any) -> partial[Reader]:
    """Return what loads the reader in an actor.

    Args:
        name: Hub id, folder or GGUF file of the model, or ``demo``; ``None`` for that one.
        dtype: Number format of the model's weights.
        device: Where to put the model.
        options: ``estimator``, and settings of the reader, by name.
    """
    return partial(load_in_actor, name or DEMO, dtype, device, **options)


def load_in_actor(name: str, dtype: str, device: str, **options: Any) -> Reader:
    """Load the reader where only the actor's own GPUs are seen: onto one, or over several.

    Args:
        name: Hub id, folder or GGUF file of the model, or ``demo``.
        dtype: Number format of the model's weights.
        device: Where to put the model; ``auto`` for the GPUs.
        options: ``estimator``, and settings of the reader, by name.
    """
    import torch

    if device != "auto" or name == DEMO or torch.cuda.device_count() < 2:
        return load_reader(name, dtype=dtype, device=device, **options)
    from at2_rag import Reader
    from at2_rag.model.loading import load_model

    loaded, tokenizer = load_model(name, {"dtype": dtype, "device_map": "auto"})
    wanted = options.pop("estimator", None)
    estimator = find_estimator(wanted, name, loaded, tokenizer, options.get("prompt"))
    return Reader(loaded, tokenizer, estimator, **options)
