"""Dumps: which documents there are, how each is read, where its outcome goes, and the batch run that accounts for all of them."""
