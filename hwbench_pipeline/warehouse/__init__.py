"""Where tables lie on disk, and how they are written and read.

`location` knows the paths, `writing` the only ways a file comes into being (temporary name, checked rows, atomic
rename), `reading` the DuckDB and pandas side, `database` the consolidated `warehouse.duckdb`.
What the numbers mean is decided elsewhere: `schema/` and `analysis/`.
"""
