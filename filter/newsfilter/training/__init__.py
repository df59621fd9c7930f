"""From labelled blocks and gold texts to a model. Nothing here is needed to clean."""
