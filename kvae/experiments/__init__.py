"""Many runs: grids of them, and the processes and clusters that train them."""
