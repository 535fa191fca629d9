"""Importing living formats: optimum-benchmark, timm, MLPerf Inference, and our own bundles.

Belongs here: everything between a file of such a format and the rows of `raw_imports__files`, `core_imports__results` and
`core_imports__environments`; one module per format, each correcting the known errors of its format while the value as
reported stays. Does not belong here: the old files of our own predecessors (`legacy/`), and measuring (`bench/`).
"""
