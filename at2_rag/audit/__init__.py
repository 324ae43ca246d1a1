"""Audits: whole logs cited, or answered anew, into a folder, and reports of them."""

from at2_rag.audit.folder import AuditFolder
from at2_rag.audit.inputs import open_logs
from at2_rag.audit.options import AuditOptions
from at2_rag.audit.outcomes import AuditReport, Rejected
from at2_rag.audit.ray_engine import audit_with_ray
from at2_rag.audit.run import audit_files
from at2_rag.runs.ray_cluster import RayWorkers

__all__ = [
    "AuditFolder",
    "AuditOptions",
    "AuditReport",
    "RayWorkers",
    "Rejected",
    "audit_files",
    "audit_with_ray",
    "open_logs",
]
