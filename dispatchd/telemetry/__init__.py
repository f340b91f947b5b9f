"""Traces: facts told as spans, by OpenTelemetry. Only `spec` is imported unless they are wanted."""
