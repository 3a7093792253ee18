"""Learners, batched over (replication, brain), and how they are wired."""
