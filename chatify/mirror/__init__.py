"""Firestore, both ways: a mirror of what the database has, and what is edited in Firebase's console."""
