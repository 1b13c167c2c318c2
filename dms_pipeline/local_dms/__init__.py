"""A local AWS DMS: the AWS JSON protocol in front, an engine that really moves rows behind it."""
