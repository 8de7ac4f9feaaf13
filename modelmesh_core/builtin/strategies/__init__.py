"""The eight selection strategies that come with the core, one file each, written as a stranger would write them."""
