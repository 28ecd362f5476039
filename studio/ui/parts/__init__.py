"""What several pages show. Each part is placed by one function and given no more than it needs."""
