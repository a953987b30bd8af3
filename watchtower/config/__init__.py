"""YAML to settings, with file:line:column."""
