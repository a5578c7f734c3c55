"""Mail filter: generated, because real mail is private. 4,000 mails, 96 features, wanted or spam.

Real: nothing. Honest: the structure of every word filter. A mail mixes a topic (two kinds of wanted mail, three spam
campaigns) with small talk; features count words, and eight describe the links. Words are evidence for either side, so
a mail full of "good words" passes a linear filter whatever else it says (Lowd and Meek 2005; CVE-2019-20634): lab 04.
Shares: wanted 55 %, spam 45 %. Campaigns share words with wanted mail, so no filter is perfect.
"""

from __future__ import annotations

import numpy as np

from targets.victims.base import Dataset, Feature

DEFAULT_MODEL = "linear"
ROWS = 4000
TOPICS = {  # topic: (share of mails, its words); the first two are wanted, the others are spam
    "work": (
        0.35,
        "meeting agenda minutes project deadline report budget invoice attached review team client draft "
        "schedule contract quarter slides regards manager server",
    ),
    "private": (
        0.20,
        "dinner birthday weekend mum kids photo holiday garden recipe football school concert thanks love train beach",
    ),
    "money": (0.18, "winner lottery prize cash bitcoin investment profit guaranteed million transfer inheritance rich"),
    "shop": (0.12, "discount pills watches replica cheap offer sale order free shipping luxury subscribe"),
    "phish": (0.15, "verify password suspended account login urgent security bank confirm update locked expire"),
}
SMALL_TALK = "hello please today time day week call send know need work good new best information help"
LINKS = ("links", "link_length", "link_digits", "link_dots", "raw_addresses", "shorteners", "exclamations", "capitals")
LINK_HIGH = (20, 300, 50, 10, 5, 5, 20, 100)
VOCABULARY = tuple(" ".join([*(words for _, words in TOPICS.values()), SMALL_TALK]).split())
WORD_HIGH = 10


def _word_rates(rng: np.random.Generator) -> np.ndarray:
    """Mean count of each word (5 topics, words): its own topic loudest, leaks everywhere."""
    rates = rng.gamma(0.6, 0.10, (len(TOPICS), len(VOCABULARY)))
    start = 0
    for topic, (_, words) in enumerate(TOPICS.values()):
        stop = start + len(words.split())
        rates[topic, start:stop] += rng.gamma(2.0, 0.14, stop - start)
        start = stop
    rates[:, start:] += rng.gamma(2.0, 0.2, len(VOCABULARY) - start)
    return rates


def make(rng: np.random.Generator) -> Dataset:
    """Draw the mails: a topic, a length, word counts (Poisson) and what the links look like."""
    topic = rng.choice(len(TOPICS), ROWS, p=[share for share, _ in TOPICS.values()])
    spam = topic >= 2
    length = rng.gamma(3.0, 1 / 3.0, ROWS)[:, None]
    words = rng.poisson(_word_rates(rng)[topic] * length)
    links = rng.poisson(np.where(spam, 2.0, 1.0))
    has_link = links > 0
    shape = [
        links,
        has_link * rng.gamma(2, np.where(spam, 25, 20)),
        has_link * rng.poisson(np.where(spam, 4.0, 2.5)),
        has_link * (1 + rng.poisson(np.where(spam, 1.5, 1.1))),
        rng.binomial(np.minimum(links, 5), np.where(topic == 4, 0.15, 0.01)),
        rng.binomial(np.minimum(links, 5), np.where(topic == 3, 0.20, 0.05)),
        rng.poisson(np.where(spam, 1.2, 0.7)),
        rng.gamma(2, np.where(spam, 5.0, 3.5)),
    ]
    counts = np.column_stack([words, np.round(np.column_stack(shape))])
    X = np.minimum(counts, (WORD_HIGH,) * len(VOCABULARY) + LINK_HIGH)
    features = [Feature(word, 0, WORD_HIGH, "count") for word in VOCABULARY]
    features += [Feature(name, 0, high, "count") for name, high in zip(LINKS, LINK_HIGH, strict=True)]
    classes = ("wanted", "spam")
    return Dataset("Mail filter", tuple(features), classes, X.astype(np.float64), spam.astype(np.int64))
