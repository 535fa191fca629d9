"""The model catalog: which models there are, their configurations, inputs and operation counts.

Belongs here: models as data (`names`, `reference_configs`, `tiny_configs`) and the rules that turn that data into
configurations, modules, inputs, counts and rows. Does not belong here: measuring (`bench/`), hardware, tables on disk.
Needs the base install only (torch, transformers, numpy); `names` needs nothing beyond the standard library.
"""
