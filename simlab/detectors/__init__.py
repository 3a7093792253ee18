"""The four horsemen, as instruments."""
