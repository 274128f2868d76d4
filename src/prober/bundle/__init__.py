"""What an evidence bundle is: its container, its bag, and the statement about it that is signed."""
