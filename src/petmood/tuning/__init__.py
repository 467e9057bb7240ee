"""How are better settings found? By trials that share a storage, outlive kills and are chosen by validation alone."""
