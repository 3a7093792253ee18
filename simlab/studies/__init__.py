"""Comparisons: the runner, paired statistics, claims."""
