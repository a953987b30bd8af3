"""The outside that every room shares: clock, child processes, secrets, metrics."""
