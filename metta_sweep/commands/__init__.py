"""The commands, one file each: the only place that knows which parts are used."""
