"""The nouns: frozen data that every room shares and that imports nothing of ours."""
