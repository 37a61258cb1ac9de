"""What `plimsoll` prints: progress, tables, one-line JSON. No adapter and no calculation."""
