"""Receivers that nobody connects, because nobody imports them."""

raise AssertionError("It was imported.")
