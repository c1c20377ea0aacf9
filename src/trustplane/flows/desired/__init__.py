"""Desired state: admitted whole, tried as a candidate, pushed to every agent that is connected."""
