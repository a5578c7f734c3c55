"""A source is an address the client cannot choose: X-Forwarded-For counts from declared proxies only."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from targets import TargetConfig
from targets.app import create_app
from targets.serving import open_server
from targets.sources import networks, source_of

OURS = networks(["10.0.0.0/8", "127.0.0.1", "fd00::/8"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "source"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # a stranger's header is a stranger's word
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.9"], "203.0.113.9"),  # forged on the left
        ("10.0.0.1", ["198.51.100.1", "203.0.113.9"], "203.0.113.9"),  # forged in a header of its own
        ("10.0.0.1", ["198.51.100.1, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["10.9.9.9, 203.0.113.9"], "203.0.113.9"),  # claims to be one of ours
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),  # a customer inside
        ("10.0.0.1", ["203.0.113.9, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["unknown, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1", ["[2001:db8::1]:443"], "2001:db8::1"),
        ("10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("in process", ["203.0.113.9"], "in process"),
    ],
)
def test_the_source_is_the_rightmost_hop_that_is_not_ours(peer: str, forwarded: list[str], source: str) -> None:
    assert source_of(peer, forwarded, OURS) == source


@settings(deadline=None)
@given(st.lists(st.text(max_size=30), max_size=6), st.sampled_from(["203.0.113.9", "2001:db8::7"]))
def test_whatever_a_client_writes_its_own_address_is_found(written: list[str], client: str) -> None:
    assert source_of("10.0.0.1", [", ".join([*written, client])], OURS) == client
    assert source_of(client, written, OURS) == client


def test_a_proxy_that_is_no_address_is_named() -> None:
    with pytest.raises(ValueError, match=r"proxies are addresses or networks such as 10\.0\.0\.0/8, not 'nginx'"):
        TargetConfig(proxies=("nginx",))


def _logged_source(client: FlaskClient, row: list[float], forwarded: str) -> str:
    reply = client.post("/v1/predict", json={"rows": [row]}, headers={"X-Forwarded-For": forwarded})
    assert reply.status_code == 200
    source: str = client.application.extensions["query_log"].records()[-1].source
    return source


def test_the_log_holds_the_peer_without_a_declared_proxy_and_the_hop_behind_one(
    client_for: Callable[..., FlaskClient], row: list[float]
) -> None:
    assert _logged_source(client_for(), row, "203.0.113.9") == "127.0.0.1"
    assert _logged_source(client_for(proxies=("127.0.0.1",)), row, "1.2.3.4, 203.0.113.9") == "203.0.113.9"


def test_the_header_reaches_the_app_through_the_real_server() -> None:
    app = create_app(TargetConfig(victim="tumour", proxies=("127.0.0.1",)))
    server = open_server(app)
    try:
        assert not server.adj.clear_untrusted_proxy_headers
    finally:
        server.close()
        app.extensions["query_log"].close()


def test_a_source_of_any_length_fits_the_log(client_for: Callable[..., FlaskClient], row: list[float]) -> None:
    client = client_for(proxies=("127.0.0.1",))
    assert _logged_source(client, row, "fe80::1%" + "z" * 500) == "fe80::1"
    assert json.loads(client.get("/health").data)["status"] == "ok"
