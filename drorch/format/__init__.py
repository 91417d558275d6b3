"""Bytes of the repository: bytes in, checked values out."""
