"""Assets, one module per stretch of the lineage. An asset body is a few lines over a function of another package."""
