"""Sweeps over grids of options, and the processes and clusters that train their runs."""
