"""What a number is worth: measured, simulated, mock or unknown, by the first of an ordered list of rules.

Belongs here: evidence, predicates by kind, and the rules. Does not belong here: which hardware really ran
(`hardware_claims`).
"""

from hwbench_pipeline.legacy.provenance.evidence import Evidence, FileEvidence
from hwbench_pipeline.legacy.provenance.rules import RULES, Rule, Verdict, judge

__all__ = ["RULES", "Evidence", "FileEvidence", "Rule", "Verdict", "judge"]
