"""The pure verbs: no clock, no network, no disk, no logging."""
