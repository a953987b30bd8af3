"""Frozen nouns and settings: standard library, numpy and pydantic only."""
