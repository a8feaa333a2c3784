"""What every room's doors share: problem shape, paging, authentication, limits, table views."""
