"""Old result files: finding them, recognising their shape, judging what their numbers are worth.

Belongs here: everything between a path and the rows of `raw_legacy__files`, `core_legacy__results` and
`core_legacy__environments`. `ingest.ingest` is the way in; one module per shape lies in `shapes/`.
Does not belong here: writing tables (`warehouse/`), the formats of other tools (`imports/`), Dagster.
"""
