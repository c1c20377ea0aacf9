"""Acts that one person proposes and another approves."""
