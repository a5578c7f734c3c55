"""Widgets: sliders around plain functions that are tested without a browser. Every lab is complete without them."""
