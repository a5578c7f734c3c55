"""Who may do what: roles as data, and everything that no role names is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

OUTPUTS = ("labels", "probabilities")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
METHODS = ("GET", "POST", "DELETE", "PUT", "PATCH")


@dataclass(frozen=True)
class Role:
    """What holders of a role may do.

    ``endpoints`` are "METHOD /path" as the app's routes write them ("DELETE /v1/keys/<id>"). ``output``: "labels" hides
    probabilities; ``decimals`` rounds them (None: all digits). ``rows_a_day``: rows an account may ask between two
    midnights UTC, over all its keys (None: no limit).
    """

    endpoints: tuple[str, ...] = ()
    output: str = "labels"
    decimals: int | None = None
    rows_a_day: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "endpoints", tuple(self.endpoints))
        for endpoint in self.endpoints:
            _check_endpoint(endpoint)
        if self.output not in OUTPUTS:
            raise ValueError(f"output is one of {', '.join(OUTPUTS)}, not {self.output!r}")
        _check_number("decimals", self.decimals, 15)
        _check_number("rows_a_day", self.rows_a_day, 10**9)
        if self.output == "labels" and self.decimals is not None:
            raise ValueError("decimals belong to probabilities; with output labels leave them out")


@dataclass(frozen=True)
class Policy:
    """Roles by name, and what is ``public``: open without a key. Deny by default."""

    roles: Mapping[str, Role]
    public: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "public", tuple(self.public))
        for endpoint in self.public:
            _check_endpoint(endpoint)
        for name in self.roles:
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ValueError(f"a role's name is 1 to 32 letters, digits, _ and -, not {str(name)[:40]!r}")

    def is_public(self, endpoint: str) -> bool:
        """Whether anybody may call ``endpoint``."""
        return endpoint in self.public

    def allows(self, role: str, endpoint: str) -> bool:
        """Whether holders of ``role`` may call ``endpoint``; an unknown role may nothing."""
        return role in self.roles and (endpoint in self.roles[role].endpoints or self.is_public(endpoint))

    def role(self, name: str) -> Role:
        """The role of this name. Raises ValueError naming the choices."""
        if not isinstance(name, str) or name not in self.roles:
            raise ValueError(f"no role is named {name!r}; choose one of {', '.join(self.roles)}")
        return self.roles[name]

    @classmethod
    def from_data(cls, data: Any) -> Policy:
        """Read ``{"roles": {name: {"endpoints": […], …}}, "public": […]}``. Raises ValueError naming the place."""
        if not isinstance(data, Mapping) or not isinstance(data.get("roles"), Mapping):
            raise ValueError('a policy is {"roles": {name: settings, …}, "public": […]}')
        if unknown := set(data) - {"roles", "public"}:
            raise ValueError(f"a policy has roles and public, not {', '.join(map(repr, sorted(map(str, unknown))))}")
        roles = {str(name): _role(str(name), settings) for name, settings in data["roles"].items()}
        return cls(roles, _texts("public", data.get("public", ())))

    def to_data(self) -> dict[str, Any]:
        """The same as plain data, ready for JSON."""
        roles = {name: {**asdict(role), "endpoints": list(role.endpoints)} for name, role in self.roles.items()}
        return {"roles": roles, "public": list(self.public)}


def _role(name: str, settings: Any) -> Role:
    if not isinstance(settings, Mapping):
        raise ValueError(f"role {name}: give its settings as a dictionary, not {type(settings).__name__}")
    known = set(Role.__dataclass_fields__)
    if unknown := set(settings) - known:
        raise ValueError(f"role {name} has no setting {sorted(map(str, unknown))[0]!r}; it has {', '.join(known)}")
    try:
        return Role(**{**settings, "endpoints": _texts("endpoints", settings.get("endpoints", ()))})
    except ValueError as error:
        raise ValueError(f"role {name}: {error}") from None


def _texts(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
        raise ValueError(f'{name} is a list of text such as ["POST /v1/predict"]')
    return tuple(value)


def _check_endpoint(endpoint: str) -> None:
    method, _, path = endpoint.partition(" ")
    if method not in METHODS or not path.startswith("/"):
        raise ValueError(f'an endpoint is written "METHOD /path", not {endpoint!r}; there is no wildcard')


def _check_number(name: str, value: Any, most: int) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most):
        raise ValueError(f"{name} is a whole number from 0 to {most:,} or None, not {value!r}")


_ASK = ("POST /v1/predict", "GET /v1/usage")
# The firm of the labs. Who keeps the keys asks no rows, who asks rows keeps no keys, who reads the trail does neither.
# The card (what a customer may know), health and the API's page are public; so is the lab's own data room, which no
# real vendor has: without it nobody could measure a theft.
DEFAULT_POLICY = Policy(
    roles={
        "teller": Role(_ASK, "labels", None, 200),
        "analyst": Role(_ASK, "probabilities", 2, 500),
        "scientist": Role(_ASK, "probabilities", None, 5_000),
        "operator": Role(("GET /metrics",)),
        "auditor": Role(("GET /v1/audit", "GET /v1/keys")),
        "key_admin": Role(("GET /v1/keys", "POST /v1/keys", "POST /v1/keys/<id>/rotate", "DELETE /v1/keys/<id>")),
    },
    public=(
        "GET /health", "GET /v1/model", "GET /docs", "GET /openapi.json",
        "GET /lab/data/pool", "GET /lab/data/test", "GET /lab/data/fingerprints",
    ),
)  # fmt: skip
