"""Answers requests from a package over HTTP: Open Inference Protocol v2. Imports no training or table library."""
