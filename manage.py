#!/usr/bin/env python
"""Chatify's command line."""

import os
import sys


def main() -> None:
    """Run one management command; a wrong setting is told in one line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        settings.configured or settings.INSTALLED_APPS  # noqa: B018  (the first access reads the settings)
    except ImproperlyConfigured as error:
        sys.exit(f"chatify: {error}")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
