"""The heavy side: the only room that imports torch. It is started on a run folder and speaks to the rest by files."""
