"""What a cohort holds does not grow with time: only recorded rows do, and only those that are asked for."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from simlab.lab.cohort import play
from simlab.scenario.load import load
from tests.bench.worlds import TWINS

REPLICATIONS = 3
