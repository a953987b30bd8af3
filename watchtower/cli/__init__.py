"""The words the operator types: parse and print."""
