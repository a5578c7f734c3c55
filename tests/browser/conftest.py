"""JupyterLab in headless Chromium. Without Chromium these tests are skipped, saying how to get it; in CI they fail."""

from __future__ import annotations

import os

import pytest

from tools import lab_browser


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/browser" in item.path.as_posix():
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def chromium():
    found = lab_browser.find_chromium()
    if found is None and os.environ.get("CI"):
        pytest.fail(lab_browser.HOW_TO_GET_CHROMIUM)
    if found is None:
        pytest.skip(lab_browser.HOW_TO_GET_CHROMIUM)
    return found


@pytest.fixture(scope="module")
def server(chromium, tmp_path_factory):
    """The course as `make lab` opens it, on a copy of labs/ that tests may write to."""
    with lab_browser.serve_labs(tmp_path_factory.mktemp("course")) as running:
        yield running


@pytest.fixture(params=["light", "dark"])
def theme(request):
    return request.param


@pytest.fixture
def browser(server, tmp_path, theme):
    with lab_browser.browse(server, tmp_path, theme=theme) as opened:
        yield opened
    assert opened.strangers == [], "a page asked something outside this machine"
