"""Support tickets with invented senders: what a text model keeps of the people who wrote to it.

Everything is generated. Addresses live under example.com, example.org and .test, which nobody can own (RFC 2606).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FIRST = (
    *("ana", "ben", "carla", "dinesh", "elif", "femi", "greta", "hugo", "irene", "jonas"),
    *("kaia", "luis", "mira", "noor", "olga", "pavel", "rosa", "samir", "tara", "yusuf"),
)
LAST = (
    *("almeida", "brandt", "costa", "demir", "eze", "fischer", "garcia", "haas"),
    *("ivanova", "jansen", "kowal", "lopez", "moreau", "nilsen", "okafor", "petrov"),
)
HOSTS = ("example.com", "example.org", "clinic.test", "shop.test")
TOPICS = (
    ("invoice", "refund", "charge", "card", "payment", "price", "receipt", "bank", "overdue", "discount"),
    ("crash", "error", "login", "screen", "update", "slow", "timeout", "server", "button", "install"),
)
SMALL_TALK = ("hello", "please", "thanks", "today", "again", "since", "need", "help", "with", "our", "the", "account")
DESK = "desk@vendor.test"


@dataclass(frozen=True)
class Tickets:
    """``texts`` (n,), ``topics`` (n,) 0 billing or 1 technical, ``senders``: the distinct private addresses inside."""

    texts: tuple[str, ...]
    topics: np.ndarray
    senders: frozenset[str]


def make_tickets(rng: np.random.Generator, count: int = 400) -> Tickets:
    """``count`` short tickets, each signed with an address of its own; every fifth also names the vendor's own desk."""
    topics = rng.integers(0, 2, count)
    texts, senders = [], set()
    for number, topic in enumerate(topics):
        sender = f"{rng.choice(FIRST)}.{rng.choice(LAST)}{number}@{rng.choice(HOSTS)}"
        words = [*rng.choice(TOPICS[topic], 4), *rng.choice(TOPICS[1 - topic], 1), *rng.choice(SMALL_TALK, 5)]
        rng.shuffle(words)
        senders.add(sender)
        texts.append(" ".join([*map(str, words), sender, *([DESK] if number % 5 == 0 else [])]))
    return Tickets(tuple(texts), topics, frozenset(senders))
