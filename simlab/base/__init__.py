"""Words every floor uses: parameters, worlds, luck, kernels, errors."""
