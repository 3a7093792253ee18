"""A scenario that is played in a moment, with harm in some replications."""

YAML = """\
schema: 1
title: A small market
world: {flash_crash: {traders: 4}}
brain: {ridge: {}}
schedule: {every: 5 s}
run: {replications: 32, horizon: 15 s, seed: 3}
harm: {measure: drawdown, above: 0.0006}
arms:
  isolated: {topology: isolated}
  shared: {topology: shared}
  killed: {topology: shared, interventions: [{kill_switch: {at: 2 s, latency: 3 s}}]}
controls: {feedback_off: {vanishes: []}, no_stressor: {vanishes: []}}
"""
