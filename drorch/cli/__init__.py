"""The command line: parse, call one operation, render its report. One file for each command."""
