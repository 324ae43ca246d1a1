"""Audits: whole logs cited, or answered anew, into a folder, and reports of them."""

from at2_rag.audit.folder import AuditFolder
from at2_rag.audit.inputs import open_logs
from at2_rag.audit.run import AuditOptions, AuditReport, Rejected, audit_files

__all__ = [
    "AuditFolder",
    "AuditOptions",
    "AuditReport",
    "Rejected",
    "audit_files",
    "open_logs",
]
