"""Staff in Django admin."""
