"""Measuring: plan → isolate → load → verify → warm up → sample → judge → record.

`engine` runs a plan cell by cell; `isolation` gives each cell a process of its own; `cell` is what happens
inside that process; `backends/` holds the one module per runtime that may import that runtime.
Nothing here imports dagster, duckdb, pandas or pyarrow: the portable runner has none of them.
"""
