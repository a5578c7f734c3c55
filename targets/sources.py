"""Where a request came from, as far as that can be known: an address that the client cannot choose."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def networks(proxies: Iterable[str]) -> tuple[Network, ...]:
    """Declared proxies as networks: "10.0.0.0/8", "127.0.0.1", "::1". Raises ValueError naming a wrong one."""
    found = []
    for proxy in proxies:
        try:
            found.append(ipaddress.ip_network(proxy, strict=False))
        except ValueError:
            raise ValueError(f"proxies are addresses or networks such as 10.0.0.0/8, not {proxy!r}") from None
    return tuple(found)


def source_of(peer: str, forwarded: Sequence[str], proxies: Sequence[Network]) -> str:
    """The sender's address: the rightmost hop that is not a declared proxy.

    ``peer`` opened the connection, which nobody can forge over TCP. ``forwarded`` holds the values of X-Forwarded-For
    in order of arrival; each proxy appends whom it heard from, so the right end is written by ours and everything left
    of the first stranger by that stranger. Without a declared proxy the header counts for nothing. A hop that is no
    address ends the walk at the last one that is.
    """
    if not proxies:
        return peer
    source = peer
    hops = [hop.strip() for value in forwarded for hop in value.split(",")]
    for hop in [*reversed(hops), None]:
        address = _address(source)
        if hop is None or address is None or not any(address in network for network in proxies):
            break
        named = _address(hop)
        if named is None:
            break
        source = str(named)
    return source


def _address(text: str) -> Address | None:
    """The address in "1.2.3.4", "1.2.3.4:5678", "2001:db8::1" or "[2001:db8::1]:443"; None if there is none."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or ipaddress.IPv6Address(int(address))  # without a zone: fe80::1%eth0
    return address
