"""From YAML to a typed Scenario."""
