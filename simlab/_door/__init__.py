"""The door's rooms: commands, by what they are for. Each module is imported when its command is called."""
