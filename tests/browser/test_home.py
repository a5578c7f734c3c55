"""The first thing a learner sees."""

from __future__ import annotations

from playwright.sync_api import expect

from tools import lab_tables


def test_the_course_home_comes_first_and_follows_the_systems_theme(browser, theme):
    page = browser.visit()
    home = page.locator(".jp-MarkdownViewer:visible")
    expect(home.get_by_role("heading", name="Start here")).to_be_visible()
    hero = home.locator("img[alt^='Model Theft Labs']")
    expect(hero).to_be_visible()
    assert hero.evaluate("image => image.complete && image.naturalWidth") > 0
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", "true" if theme == "light" else "false")
    expect(page.get_by_text("Would you like to get notified about official Jupyter news?")).to_have_count(0)
    assert browser.complaints == [], "JupyterLab starts with errors in the browser's console"


def test_the_menus_hold_nothing_of_the_instructors(browser):
    page = browser.visit()
    expect(page.locator(".lm-MenuBar-itemLabel").get_by_text("Help", exact=True)).to_be_visible()
    expect(page.locator(".lm-MenuBar-itemLabel").get_by_text("Nbgrader")).to_have_count(0)


def test_a_labs_title_opens_its_notebook(browser):
    lab = lab_tables.all_labs()[0]
    page = browser.visit()
    page.locator(".jp-MarkdownViewer:visible").get_by_role("link", name=f"{lab.number} · {lab.title}").click()
    expect(page.locator(".jp-NotebookPanel:visible").get_by_role("heading", level=1)).to_contain_text(lab.title)
