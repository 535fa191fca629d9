"""Answers from rows: uniting results, counting coverage.

Belongs here: joins and counts over tables of the warehouse. Does not belong here: how tables are stored
(`warehouse/`), how answers look (`reports/`), or guesses (`prediction/`).
"""
