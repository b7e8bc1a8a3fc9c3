"""Tidewheel keeps machine-learning models fresh in production, and can prove how each one came to be."""
