"""Watchtower keeps machine-learning models in production honest."""

__version__ = "0.3.0"
