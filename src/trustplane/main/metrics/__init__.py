"""Every figure that a process shows, by what it is of."""
