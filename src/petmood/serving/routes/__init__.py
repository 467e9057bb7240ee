"""What can be asked? One file for each kind of question; every route unpacks, calls one function and packs."""
