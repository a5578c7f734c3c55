"""Who may ask: API keys, roles and an audit trail, free of Flask."""

from targets.access.authority import Identity, KeyAuthority, KeyRefused
from targets.access.policy import DEFAULT_POLICY, Policy, Role

__all__ = ["DEFAULT_POLICY", "Identity", "KeyAuthority", "KeyRefused", "Policy", "Role"]
