"""Pure state machines and records: values in, values out. No IO, no clock, no dice."""
