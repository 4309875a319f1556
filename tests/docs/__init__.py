"""The documents are held to the code: what they say is what it does."""
