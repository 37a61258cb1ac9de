"""The HTTP interface: snapshots, history and evidence for people and programs."""
