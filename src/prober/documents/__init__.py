"""What a document says and for how long it counts: dates, classes, and values from typed shapes. Pure functions."""
