"""Where the actors run: a Ray cluster that is there, or one started on this machine."""

from __future__ import annotations

import math
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch

from at2_rag.errors import InputError, missing_extra

#: CPUs that a cluster started here has beside those of the actors, for Ray's own tasks: without
#: any, they and the actors would wait for each other. They are bookkeeping, not real ones.
_SPARE_CPUS = 2
#: Memory for what Ray's processes hand to each other, in bytes; all of it is small.
_OBJECT_STORE = 100 * 2**20
_LOOPBACK = "127.0.0.1"
#: Longest wait for a cluster to answer, in seconds.
_PATIENCE = 20
#: The environment of a cluster that is started here: it reports nothing to Ray's makers, and
#: nobody else on the network reaches it. On Linux, Ray replaces the loopback address by the
#: machine's unless it is told, before it is imported, that there is but one machine; the variable
#: is named after other systems, where that is the default.
_ALONE = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


@dataclass(frozen=True)
class RayWorkers:
    """The actors that do the work, each with a model of its own, and where they run.

    Attributes:
        actors: How many actors there are; ``None`` for as many as the cluster's GPUs, or else its
            CPUs, suffice for.
        gpus: How many GPUs each actor has; ``None`` for 1 where there are GPUs, and 0 elsewhere.
            Half a one lets two actors share it; several are for a model that is spread over them.
        cpus: How many CPUs each actor has, and threads that it computes with on them.
        address: The address of a running cluster, such as ``"auto"`` for the one on this machine,
            or ``"ray://host:10001"``; ``None`` for the one in the environment variable
            ``RAY_ADDRESS``, and without it for one of this machine alone, which is started and
            stopped.
        attempts: How often a piece of the run is begun, at most, when its actor dies over it: an
            example, or a part of a log.

    Raises:
        InputError: If a number is out of range.
    """

    actors: int | None = None
    gpus: float | None = None
    cpus: float = 1
    address: str | None = None
    attempts: int = 3

    def __post_init__(self) -> None:
        for name, least in (("actors", 1), ("attempts", 1), ("gpus", 0)):
            value = getattr(self, name)
            if value is not None and not least <= value < math.inf:
                raise InputError(f"{name} is {value!r}; expected at least {least}.")
        if not 0 < self.cpus < math.inf:
            raise InputError(f"cpus is {self.cpus!r}; expected more than 0.")

    @property
    def threads(self) -> int:
        """Threads of each actor."""
        return max(1, int(self.cpus))


@dataclass(frozen=True)
class Pool:
    """How many actors there are, and what each takes.

    Attributes:
        actors: How many actors there are.
        gpus: How many GPUs each actor has.
        cpus: How many CPUs each actor has.
    """

    actors: int
    gpus: float
    cpus: float


def plan(workers: RayWorkers, cpus: float, gpus: float) -> Pool:
    """Return the actors for a machine or a cluster.

    Args:
        workers: The actors that were asked for.
        cpus: How many CPUs the cluster has.
        gpus: How many GPUs the cluster has.

    Raises:
        InputError: If not one actor fits.
    """
    each = workers.gpus if workers.gpus is not None else float(gpus >= 1)
    if workers.actors is not None:
        return Pool(workers.actors, each, workers.cpus)
    fitting = int(gpus / each) if each else int(cpus / workers.cpus)
    if fitting < 1:
        raise InputError(
            f"No actor of {each:g} GPUs and {workers.cpus:g} CPUs fits: there are {gpus:g} GPUs "
            f"and {cpus:g} CPUs. Ask for less, or say how many actors there shall be once the "
            "cluster has grown."
        )
    return Pool(fitting, each, workers.cpus)


def import_ray() -> Any:
    """Return Ray, with Ray Data.

    Raises:
        ImportError: If it is not installed, with what to install.
    """
    try:
        import_module("ray.data")
        return import_module("ray")
    except ImportError as error:
        raise missing_extra("The ray engine", "Ray Data", "ray", f" ({error})") from error


@contextmanager
def connected(workers: RayWorkers) -> Iterator[Pool]:
    """Connect to a cluster, or start one, and leave or stop it at the end.

    A connection that the program has already made is used, and kept.

    Raises:
        ImportError: If Ray is not installed.
        InputError: If there is no cluster at the address, or no actor fits into it.
    """
    address = workers.address or os.environ.get("RAY_ADDRESS")
    if "ray" in sys.modules and import_ray().is_initialized():
        yield _plan_for(import_ray(), workers)
    elif address and address != "local":
        ray = _join(address)
        try:
            yield _plan_for(ray, workers)
        finally:
            ray.shutdown()
    else:
        with _environment(_ALONE):
            ray = import_ray()
            pool = _start(ray, workers)
            try:
                yield pool
            finally:
                ray.shutdown()


def _plan_for(ray: Any, workers: RayWorkers) -> Pool:
    found: Mapping[str, float] = ray.cluster_resources()
    # One CPU is left to Ray's own tasks.
    return plan(workers, max(1, found.get("CPU", 0) - 1), found.get("GPU", 0))


def _join(address: str) -> Any:
    try:
        _knock(address)
        ray = import_ray()
        ray.init(address=address, log_to_driver=False, logging_level="WARNING")
    except (OSError, ValueError) as error:
        raise InputError(
            f"There is no Ray cluster at {address!r}: {str(error).splitlines()[0]}. Start one with "
            "`ray start --head`, or leave the address and RAY_ADDRESS out to use this machine. "
            "If it asks for a token, set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN to the cluster's."
        ) from error
    return ray


def _knock(address: str) -> None:
    """Raise ``OSError`` where nobody listens; Ray itself would try for a quarter of an hour."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE).close()


def _start(ray: Any, workers: RayWorkers) -> Pool:
    gpus = torch.cuda.device_count()
    pool = plan(workers, os.cpu_count() or 1, gpus)
    if pool.actors * pool.gpus > gpus:
        raise InputError(
            f"{pool.actors} actors of {pool.gpus:g} GPUs each were asked for; this machine has "
            f"{gpus}. Ask for fewer, or give the address of a cluster."
        )
    ray.init(
        address="local",
        num_cpus=math.ceil(pool.actors * pool.cpus) + _SPARE_CPUS,
        num_gpus=gpus,
        object_store_memory=_OBJECT_STORE,
        include_dashboard=False,
        _node_ip_address=_LOOPBACK,
        log_to_driver=False,
        logging_level="ERROR",
    )
    return pool


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set those environment variables that are not set, for as long as this lasts."""
    ours = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)
