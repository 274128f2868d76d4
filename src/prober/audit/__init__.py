"""What is done with evidence that somebody else is to believe: sealed, verified, judged again, partly disclosed."""
