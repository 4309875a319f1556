"""Finding somebody for who waits: match tickets, pairing, the ten seconds, human rooms, and the handoff."""
