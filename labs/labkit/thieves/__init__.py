"""Reference thieves, one a file. Each takes an ``Api`` and what the thief owns, and returns a ``Theft``.

from labkit.thieves import steal_natural
theft = steal_natural(api, pool, budget=300, rng=rng)
theft.surrogate.predict(rows)
"""

from labkit.thieves.base import Theft
from labkit.thieves.natural import steal_natural
from labkit.thieves.random_queries import steal_random
from labkit.thieves.uncertainty import steal_uncertain

THIEVES = {"random": steal_random, "natural": steal_natural, "uncertain": steal_uncertain}

__all__ = ["THIEVES", "Theft", "steal_natural", "steal_random", "steal_uncertain"]
