"""labkit: the learner's tools. Reaches targets only over HTTP; holds no answers."""

from threadpoolctl import threadpool_limits

from labkit import progress
from labkit.api import Answers, Api, ModelCard
from labkit.checking import check, hint
from labkit.defending import Defence, Query, Refused
from labkit.errors import BudgetSpent, LabelsOnly, LabError, QueryRefused, TargetGone
from labkit.experiments import OWN_LABELS, theft_experiment
from labkit.guessing import guess, reveal
from labkit.launch import Rows, Target, launch
from labkit.metrics import accuracy, agreement, agreement_by_class, fingerprint, fingerprints, majority_share
from labkit.outcomes import Outcome, spread, sweep
from labkit.plots import Table, plot_bars, plot_curve, plot_digits, show
from labkit.surrogates import fit_surrogate, make_surrogate

# The labs' matrices are small: more threads gain nothing, and on a busy machine they wait for one another.
threadpool_limits(limits=1)

__all__ = [
    "OWN_LABELS",
    "Answers",
    "Api",
    "BudgetSpent",
    "Defence",
    "LabError",
    "LabelsOnly",
    "ModelCard",
    "Outcome",
    "Query",
    "QueryRefused",
    "Refused",
    "Rows",
    "Table",
    "Target",
    "TargetGone",
    "accuracy",
    "agreement",
    "agreement_by_class",
    "check",
    "fingerprint",
    "fingerprints",
    "fit_surrogate",
    "guess",
    "hint",
    "launch",
    "majority_share",
    "make_surrogate",
    "plot_bars",
    "plot_curve",
    "plot_digits",
    "progress",
    "reveal",
    "show",
    "spread",
    "sweep",
    "theft_experiment",
]
