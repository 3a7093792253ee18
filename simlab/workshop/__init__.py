"""Where people practise."""
