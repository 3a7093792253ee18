"""What a person or a platform can do about it."""
