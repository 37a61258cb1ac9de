"""The recorder keeps the log of record after broker retention."""
