"""What a run was measured on, without names of hosts or folders."""

from __future__ import annotations

import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import torch

from at2_rag.model_facts import has_bfloat16_tiles


def describe(device: torch.device) -> dict[str, str]:
    """Return the machine, the versions and the commit, by name."""
    return {
        "processor": _processor(),
        "multiplies bfloat16 in tiles (AMX)": "yes" if has_bfloat16_tiles() else "no",
        "cores": str(_cores()),
        "threads": str(torch.get_num_threads()),
        "memory": f"{_memory() / 2**30:.0f} GiB",
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU",
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": version("transformers"),
        "commit": _commit(),
    }


def kind(device: torch.device) -> str:
    """Return the kind of machine, fit for a file's name."""
    if device.type == "cuda":
        return _plain(torch.cuda.get_device_name(device))
    return _plain(f"cpu {_processor()} {_cores()} cores")


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory() -> int:
    import os

    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _commit() -> str:
    """Return the commit, with a plus where the working tree differs from it."""
    try:
        commit = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", "at2_rag")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("+" if changed else "")


def _git(*arguments: str) -> str:
    home = Path(__file__).parent
    done = subprocess.run(["git", *arguments], cwd=home, capture_output=True, text=True, check=True)
    return done.stdout.strip()
