"""One file a world; the YAML key names the module."""
