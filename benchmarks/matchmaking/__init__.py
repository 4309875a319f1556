"""The queue under load."""
