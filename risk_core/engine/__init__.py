"""The fold over the log, canonical evaluation and live vectors."""
