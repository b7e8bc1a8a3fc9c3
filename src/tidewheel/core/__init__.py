"""What every other folder stands on: errors, digests, the clock, the configuration and the records.

Standard library, blake3 and msgspec only; nothing here performs I/O on a workspace.
"""
