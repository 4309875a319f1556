"""What happened: told after commit to live listeners and, as outbox rows, to the registered sinks."""
