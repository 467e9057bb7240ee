"""Offline HTML and Markdown reports."""
