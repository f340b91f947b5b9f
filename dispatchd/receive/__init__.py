"""Ingest: HTTP in, verified, on disk, 202."""
