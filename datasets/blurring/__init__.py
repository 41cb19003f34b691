"""Plates and faces made unreadable, in derived images that take the place of their originals."""
