"""Types, errors, file operations and image preprocessing shared by every package.

Depends on NumPy, Pillow and pydantic only; imports no other petmood package.
"""
