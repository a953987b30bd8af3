"""Each has step(now): whether it did something."""
