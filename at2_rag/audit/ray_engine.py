"""Auditing log files on many GPUs or machines, with Ray Data: the same records as in one process.

What Ray streams is the numbers of parts. Each actor reads the rows of a part from where the files
lie, and writes its records to where they go, so that no row passes through another process.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from at2_rag.audit.auditor import Auditor
from at2_rag.audit.folder import AuditFolder
from at2_rag.audit.inputs import open_logs
from at2_rag.audit.options import AuditOptions
from at2_rag.audit.outcomes import AuditReport, OnReject, PartDone, Progress
from at2_rag.audit.parts import Parts
from at2_rag.audit.run import Told, pending
from at2_rag.reader import Reader
from at2_rag.runs.choose_store import shared_store_at
from at2_rag.runs.ray_cluster import RayWorkers
from at2_rag.runs.ray_stream import stream


def audit_with_ray(
    load_reader: Callable[[], Reader],
    files: Sequence[str | Path],
    out: str | Path,
    options: AuditOptions | None = None,
    *,
    workers: RayWorkers | None = None,
    progress: Progress | None = None,
    on_reject: OnReject | None = None,
) -> AuditReport:
    """Do what :func:`~at2_rag.audit.audit_files` does, with a model in each of several actors.

    The records are the same where the model computes the same: on the same kind of device, with as
    many threads. When an actor dies, or its machine, the part in hand is begun again by another.

    Args:
        load_reader: Called once by each actor, to load the reader there, such as ``Reader.demo``
            or ``partial(Reader.from_pretrained, "org/model", dtype="bfloat16")``. It should put the
            model onto the GPU; an actor sees its own ones only.
        files: The log files: paths that all machines share, or URLs that fsspec knows.
        out: Where the records go: a folder that all machines share, or a URL that fsspec knows,
            such as ``s3://bucket/run``.
        options: What to do, and how; ``None`` to cite the rows' own answers.
        workers: How many actors, what each takes, and where; by default all of the cluster in
            ``RAY_ADDRESS``, or of this machine.
        progress: Called here after each part, in the order in which they are done.
        on_reject: Called here for each row that is set apart.

    Raises:
        ImportError: If Ray is not installed.
        InputError: If an option cannot be used, ``out`` holds another run, or there is no such
            cluster.
        FileFormatError: If a file cannot be read at all.
        DiskFullError: If the disk is full; everything before is stored.
        At2Error: If a part's actor died over it each time, or Ray gave up.
    """
    options, workers = options or AuditOptions(), workers or RayWorkers()
    folder = AuditFolder(shared_store_at(out))
    parts = Parts.of([log.shared() for log in open_logs(files)], options.rows_per_part)
    done = folder.done()
    if done:  # with nothing left to do, no actor would see that they are of another run
        folder.check_run(options.of_log(parts.files))
    todo, told = array("q", pending(parts, done)), Told(parts, progress, on_reject)
    report = told.before(folder.where, done)
    begin = partial(AuditingWork.begin, load_reader, parts, folder.where, options, todo)
    with closing(stream(range(len(todo)), begin, workers)) as results:
        return told.now(report, results)


@dataclass(frozen=True)
class AuditingWork:
    """Audits the parts that it is given.

    Attributes:
        auditor: What audits, with a reader of its own.
        parts: The rows of the log files, and where each part begins.
        todo: Numbers of the parts that are to be done.
    """

    auditor: Auditor
    parts: Parts
    todo: Sequence[int]

    @classmethod
    def begin(
        cls,
        load_reader: Callable[[], Reader],
        parts: Parts,
        out: str,
        options: AuditOptions,
        todo: Sequence[int],
    ) -> AuditingWork:
        """Load the reader, and begin the run or go on with it.

        Args:
            load_reader: Loads the reader.
            parts: The rows of the log files, and where each part begins.
            out: Path or URL of the folder that the records go to.
            options: What to do, and how.
            todo: Numbers of the parts that are to be done.

        Raises:
            InputError: If an option cannot be used, or the folder holds another run.
        """
        return cls(Auditor(load_reader(), parts, AuditFolder.at(out), options), parts, todo)

    def name(self, row: Mapping[str, Any]) -> str:
        """Return what a part is called in errors."""
        part = self.todo[row["id"]]
        file, mark = self.parts.begin(part)
        place = self.parts.files[file].place.given
        return f"Part {part}, the {self.parts.rows_in(part)} rows from {place}:{mark.number} on,"

    def do(self, row: Mapping[str, Any]) -> PartDone:
        """Audit one part.

        Args:
            row: What is told of a part: ``id``, its place among those to do.
        """
        return self.auditor.audit(self.todo[row["id"]])
