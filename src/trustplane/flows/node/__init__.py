"""What an agent does for its node: prove who it is, keep its leaves, serve its workloads and sidecars."""
