"""The only door to durable state."""
