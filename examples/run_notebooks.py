"""Run the notebooks beside this file anew, and keep what they show.

    python examples/run_notebooks.py
    python examples/run_notebooks.py thoughts getting_started

Needs what the notebooks need, and nbformat, nbclient and ipykernel. Progress bars are not kept, and
of what is shown as a page only the page, if it is small.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).parent
#: Longer pages, in characters, are not kept in a notebook.
LONGEST_PAGE = 70_000
#: Of a cell, in seconds. A busy machine is no fault.
PATIENCE = 600


@contextmanager
def started_kernel() -> Iterator[KernelManager]:
    """Start a kernel that only this machine's processes can talk to, and stop it at the end."""
    kernel = KernelManager(transport="ipc")
    kernel.start_kernel()
    try:
        yield kernel
    finally:
        kernel.shutdown_kernel(now=True)


def run(path: Path, kernel: KernelManager) -> NotebookNode:
    """Run a notebook from top to bottom, and return it with what its cells show now.

    Args:
        path: The notebook, which is left as it is.
        kernel: A kernel that runs already. It may have run other notebooks, whose names this one
            does not see.
    """
    notebook = nbformat.read(path, as_version=4)
    fresh = nbformat.v4.new_code_cell("%reset -f")
    notebook.cells.insert(0, fresh)
    client = NotebookClient(notebook, kernel, timeout=PATIENCE, coalesce_streams=True)
    try:
        client.execute()
    finally:
        if client.kc is not None:
            client.kc.stop_channels()
    notebook.cells.remove(fresh)
    for number, cell in enumerate(code_cells(notebook), start=1):
        cell.execution_count = number
        cell.metadata = NotebookNode()  # when it ran
        cell.outputs = [tidied(each, number) for each in cell.outputs if not is_noise(each)]
    return notebook


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the cells that are run."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def is_noise(output: NotebookNode) -> bool:
    """Tell whether an output is a progress bar or a note of how the model was loaded.

    Warnings come the same way and are none, but for tqdm's that it could draw a nicer bar.
    """
    if output.get("name") != "stderr":
        return False
    return "Warning" not in output.text.replace("TqdmWarning", "")


def tidied(output: NotebookNode, number: int) -> NotebookNode:
    """Return an output as it is kept: of an answer, which has a page, the page alone."""
    if "execution_count" in output:
        output.execution_count = number
    shown: dict[str, Any] = output.get("data", {})
    if len(shown.get("text/html", "")) > LONGEST_PAGE:
        del shown["text/html"]
    elif "text/html" in shown:
        output.data = NotebookNode({"text/html": shown["text/html"]})
    return output


def main() -> None:
    """Write the notebooks that are named, or all, with what they show now."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    every = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
    parser.add_argument("names", nargs="*", default=every, help=f"of {', '.join(every)}")
    for name in parser.parse_args().names:
        path = FOLDER / f"{name}.ipynb"
        with started_kernel() as kernel:
            nbformat.write(run(path, kernel), path)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
