"""Chatify's own benchmark: its turns beside those of a bare relay on the same stub model server."""
