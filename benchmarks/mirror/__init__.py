"""What the Firestore mirror does per second, how far it is behind, and what it costs a turn."""
