"""Every table of the lineage, defined once; types, checks, documentation and UI metadata are made from it.

The definitions (`table`, `tables/`, `validation`) are plain Python, so that the portable runner can use them.
`arrow`, `duckdb_sql` and `markdown` translate them where pyarrow, pandas and DuckDB are installed.
Import the submodules directly; this package wires nothing on import.
"""
