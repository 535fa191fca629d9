"""Markdown, pictures and pages made from tables. Computes nothing: every number shown stands in a table."""
