"""alphamine inside the libraries of others; each module needs its library."""
