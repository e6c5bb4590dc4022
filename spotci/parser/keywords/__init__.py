"""One module for each group of keywords: from nodes to the typed configuration.

A decoder gets a node, its place in GitLab's notation (``jobs:build:cache``) and the
list of problems. It never raises: it records every error with the place of the wrong
value, and returns what could be read, so that one run shows all errors.
"""
