"""What can a person type? Verbs that unpack, call one function and pack; heavy rooms are imported inside them."""
