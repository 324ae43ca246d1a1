"""One measurement of memory, in a process of its own: ``python -m benchmarks.memory_child SPEC``.

Prints the peak in bytes above what was held before.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.methods import Passes, Size
from benchmarks.shapes import Heads, Shape, random_estimator
from benchmarks.timing import ScoringAlone


def peak_above(work: Callable[[], object], device: torch.device) -> int:
    """Return the most memory held during ``work`` above what was held before, in bytes."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    _forget_peak()
    before = _resident()
    work()
    return max(0, _peak() - before)


def _forget_peak() -> None:
    """Have Linux forget the process's peak; elsewhere a peak from before hides lower ones."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def _resident() -> int:
    return _status("VmRSS") or _usage()


def _peak() -> int:
    return _status("VmHWM") or _usage()


def _status(name: str) -> int:
    """Return what Linux says of this process, in bytes; 0 elsewhere."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(name)), 0)


def _usage() -> int:
    """Return the peak by the standard call, on Linux that of the starting process at the least."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def of_pass(spec: dict[str, Any], device: torch.device) -> int:
    """Return the peak of one method's pass above the model's weights."""
    shape, size = Shape(**spec["shape"]), Size(*spec["size"])
    model = shape.build(device)
    # Once on little text, so that what is loaded and set up but once does not count.
    Passes.of(shape, model, Size(32, 4, size.batch)).ready(spec["method"])()
    return peak_above(Passes.of(shape, model, size).ready(spec["method"]), device)


def of_scoring(spec: dict[str, Any], device: torch.device) -> int:
    """Return the peak of scoring alone above its queries and keys."""
    heads = Heads(*spec["heads"])
    alone = ScoringAlone(heads, device)
    estimator = random_estimator(heads.layers, heads.heads)
    alone.score(estimator, *alone.inputs(32, 4))
    inputs = alone.inputs(*spec["size"])
    return peak_above(lambda: alone.score(estimator, *inputs), device)


def measured(spec: dict[str, Any]) -> int:
    """Return the peak that is asked for, in bytes.

    Args:
        spec: What to measure, by name: ``device`` and ``size``; ``shape`` and ``method`` of a pass,
            or ``heads`` alone.
    """
    device = torch.device(spec["device"])
    return of_pass(spec, device) if "method" in spec else of_scoring(spec, device)


def main() -> None:
    """Measure what the first argument asks for."""
    spec = json.loads(sys.argv[1])
    torch.set_num_threads(spec["threads"])
    print(json.dumps({"peak": measured(spec)}))


if __name__ == "__main__":
    main()
