"""Risk workers: live numbers at once, final numbers by bucket, ownership by leased shards."""
