"""The loop, its calendar, its shocks and its luck."""
