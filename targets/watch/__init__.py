"""Watching the queries: monitors that score each key, alerts, and the ways an alert leaves the house."""
