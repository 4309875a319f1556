"""Webhooks: signed deliveries out to applications, and verified events in from their matchmakers."""
