"""What a forest's file tells: its first questions, and leaves that describe a single row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def first_questions(model: Any, features: Sequence[str]) -> list[dict]:
    """The feature each tree of ``model`` (scaler, then forest) asks first, and the threshold in its own unit."""
    scaler, forest = (step for _, step in model.steps)
    questions = []
    for number, fitted in enumerate(forest.estimators_):
        asked = int(fitted.tree_.feature[0])
        threshold = float(fitted.tree_.threshold[0] * scaler.scale_[asked] + scaler.mean_[asked])
        questions.append({"tree": number, "asks first": features[asked], "at most": threshold})
    return questions


def lonely_leaves(model: Any) -> tuple[int, int]:
    """(leaves that saw one training row, all leaves) in the forest at the end of ``model``."""
    trees = [fitted.tree_ for fitted in model[-1].estimators_]
    alone = sum(int(((tree.children_left < 0) & (tree.n_node_samples == 1)).sum()) for tree in trees)
    return alone, sum(int(tree.n_leaves) for tree in trees)
