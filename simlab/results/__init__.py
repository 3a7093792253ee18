"""What runs leave behind: labelled arrays, provenance, the crash-safe store."""
