"""The services that the tests talk to: real ones, started on free ports of this machine and stopped at the end."""


class ServiceMissing(Exception):
    """This machine lacks what the service needs; the text says what, and how to get it."""
