"""Looks at many targets again and again, and tells only what really changed."""
