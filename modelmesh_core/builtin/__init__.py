"""The connectors that come with the core. Ordinary plugins: they use the face only, as a stranger's would."""
