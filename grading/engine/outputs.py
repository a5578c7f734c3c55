"""What a submission shows, made safe: held to nbformat's shapes, active content taken out, graded cells told by the
ledger. nbgrader reads a number as partial credit and an error as none.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

from grading.engine.content import harmless, neutral

_KINDS = {"stream", "display_data", "execute_result", "error"}
_SHOWN = {"text/plain", "text/html", "text/markdown", "text/latex", "image/png", "image/jpeg", "application/json"}
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*\Z")


def clean_outputs(raw: Any) -> list[dict]:
    """The outputs in ``raw`` that are outputs: anything else that a hostile kernel sent is dropped."""
    outputs: list[dict] = []
    for one in raw if isinstance(raw, list) else []:
        if isinstance(one, dict) and one.get("output_type") in _KINDS and len(outputs) < 500:
            outputs.append(_cleaned(one))
    return outputs


def _cleaned(one: dict) -> dict:
    kind = one["output_type"]
    if kind == "stream":
        name = one.get("name") if one.get("name") in ("stdout", "stderr") else "stdout"
        return {"output_type": "stream", "name": name, "text": str(one.get("text", ""))}
    if kind == "error":
        lines = one.get("traceback")
        return {
            "output_type": "error", "ename": str(one.get("ename", ""))[:200],
            "evalue": str(one.get("evalue", ""))[:2000],
            "traceback": [str(line) for line in lines][:50] if isinstance(lines, list) else [],
        }  # fmt: skip
    data = one.get("data")
    shown = {k: _shown(k, v) for k, v in data.items() if k in _SHOWN} if isinstance(data, dict) else {}
    cleaned: dict[str, Any] = {"output_type": kind, "data": shown, "metadata": {}}
    if kind == "execute_result":
        cleaned["execution_count"] = None
    return cleaned


def _shown(kind: str, value: Any) -> Any:
    if isinstance(value, list):
        value = "".join(map(str, value))
    if kind.startswith("image/"):
        return value if isinstance(value, str) and _BASE64.match(value) else ""
    if kind == "application/json":
        return value if isinstance(value, (dict, str, int, float)) else str(value)
    if kind in ("text/markdown", "text/latex"):
        return harmless(str(value))
    return neutral(str(value)) if kind == "text/html" else str(value)


def graded(verdict: dict | None, why: str) -> list[dict]:
    """The outputs of a graded cell: what the ledger says, nothing of what the kernel showed."""
    if verdict is None:
        return [_error("NotJudged", why)]
    try:
        card = _verdicts().Verdict.from_data(verdict)
        html, words = card._repr_html_(), f"{card.earned:g}"
    except (KeyError, TypeError, AttributeError):
        return [_error("NotJudged", "the verdict was malformed")]
    data = {"text/plain": words, "text/html": html}
    return [{"output_type": "execute_result", "execution_count": None, "data": data, "metadata": {}}]


@cache
def _verdicts() -> Any:
    """labkit.verdict, which needs nothing, without labkit, which brings scikit-learn and Matplotlib with it."""
    if "labkit" in sys.modules:
        return importlib.import_module("labkit.verdict")
    room = importlib.util.find_spec("labkit")
    assert room is not None
    assert room.origin is not None
    spec = importlib.util.spec_from_file_location("_verdict_alone", Path(room.origin).with_name("verdict.py"))
    assert spec is not None
    assert spec.loader is not None
    # Known by its name before it runs: dataclasses look there.
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _error(name: str, words: str) -> dict:
    return {"output_type": "error", "ename": name, "evalue": words, "traceback": [f"{name}: {words}"]}
