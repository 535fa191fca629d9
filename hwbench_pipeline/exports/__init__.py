"""Results in other people's formats.

Belongs here: one module per format, from result rows to that format's documents, and writing them to disk. Does not
belong here: reading those formats (`imports/`). A format without a field for provenance gets measured numbers only.
"""
