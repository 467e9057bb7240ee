"""Types, errors, file operations and image preprocessing shared by every package.

It depends on NumPy, Pillow and pydantic, and imports no other petmood package.
"""
