"""What was asked and answered, and what turned out to be true: segments of a log, tables, and their join."""
